"""Whether an error of the network came up after its request had been answered by a redirect, and sent on.

No library says so by its errors.  But the frames that they came through do: each follows redirects in one function of
its own, in which an error is raised either before the first answer or after it.  What came up in another process has
left them there.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType

from unbreakable.errors import told_by

ELSEWHERE = ("_RemoteTraceback", "RemoteTraceback")  # what stands for the frames of an error from a pool's process
MOST_FRAMES = 1_000  # of a traceback: more is a recursion


def was_sent_on(error: BaseException) -> bool:
    """Return whether a request had reached a target, which answered with a redirect, when *error* came up, or may have.

    >>> was_sent_on(ConnectionRefusedError())
    False
    """
    return type(told_by(error, "__cause__")).__name__ in ELSEWHERE or any(_follows(frame) for frame in _frames(error))


def _frames(error: BaseException) -> Iterator[FrameType]:
    traceback = told_by(error, "__traceback__")
    for _ in range(MOST_FRAMES):
        if traceback is None:
            return
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _follows(frame: FrameType) -> bool:
    """Return whether *frame* is of a library's function that follows redirects, after one."""
    library, function = str(frame.f_globals.get("__name__")).partition(".")[0], frame.f_code.co_name
    if library in ("requests", "urllib"):
        return function.startswith(("resolve_redirects", "http_error_30"))  # called for nothing else
    if (library, function) == ("urllib3", "urlopen"):  # what failed before is told there, too: that has no status
        tries = told_by(frame.f_locals.get("retries"), "history")
        return any(told_by(each, "status") is not None for each in tries or ())
    if library in ("aiohttp", "httpx", "httpx2") and function in ("_request", "_send_handling_redirects"):
        return bool(frame.f_locals.get("history"))
    if (library, function) == ("httplib2", "_request"):
        return "response" in frame.f_locals
    return (library, function) == ("tornado", "on_redirect_done")
