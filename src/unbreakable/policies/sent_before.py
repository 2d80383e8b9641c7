"""Whether an error of the network came up when its request had left before: sent on by a redirect, or sent again.

No library says so by its errors.  But the frames that they came through do: each follows redirects, or repeats
unasked, in one function of its own, whose variables tell what was before.  What came up in another process has left
its frames there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Final

from unbreakable.errors import told_by
from unbreakable.policies.network import meaning_of, unwrapped

ELSEWHERE = ("_RemoteTraceback", "RemoteTraceback")  # what stands for the frames of an error from a pool's process
MOST_FRAMES = 1_000  # of a traceback: more is a recursion


def was_sent_before(error: BaseException) -> bool:
    """Return whether a request had left before *error* came up for its next one, or may have.

    >>> was_sent_before(ConnectionRefusedError())
    False
    """
    return any(
        type(told_by(each, "__cause__")).__name__ in ELSEWHERE or any(map(_says_so, _frames(each)))
        for each in unwrapped(error)
    )


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = told_by(error, "__traceback__")
    for _ in range(MOST_FRAMES):
        if traceback is None:
            return
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _says_so(frame: FrameType) -> bool:
    library = str(frame.f_globals.get("__name__")).partition(".")[0]
    says = FUNCTIONS.get((library, frame.f_code.co_name))
    return says is not None and bool(says(frame.f_locals))


def _always(_: Mapping[str, Any]) -> bool:  # it is called for nothing else
    return True


def _has_followed(known: Mapping[str, Any]) -> Any:
    return known.get("history")


def _has_tried(known: Mapping[str, Any]) -> bool:
    """Return whether one of urllib3's tries got further than its connection."""
    tries = told_by(known.get("retries"), "history") or ()
    meanings = [meaning_of(each.error) for each in tries]  # of one that was answered there is no error
    return any(meaning is None or not meaning.unsent for meaning in meanings)


def _has_followed_or_repeated(known: Mapping[str, Any]) -> Any:
    """Return whether aiohttp has; it repeats what is idempotent once, when a connection that it kept turns out dead."""
    may_repeat = told_by(known.get("self"), "_retry_connection") and known.get("method") in IDEMPOTENT
    return known.get("history") or (may_repeat and known.get("retry_persistent_connection") is False)


IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
FUNCTIONS: Final[dict[tuple[str, str], Callable[[Mapping[str, Any]], Any]]] = {
    ("requests", "resolve_redirects"): _always,
    ("urllib", "http_error_302"): _always,
    ("tornado", "on_redirect_done"): _always,
    ("urllib3", "urlopen"): _has_tried,
    ("httpx", "_send_handling_redirects"): _has_followed,
    ("httpx2", "_send_handling_redirects"): _has_followed,
    ("aiohttp", "_request"): _has_followed_or_repeated,
    ("httplib2", "_request"): lambda known: "response" in known,
    ("httplib2", "_conn_request"): lambda known: known.get("seen_bad_status_line"),
    ("xmlrpc", "request"): lambda known: known.get("i"),
}
