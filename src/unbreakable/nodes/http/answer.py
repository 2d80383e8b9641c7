"""An answer is a value, or an error that says what the partner said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx2

from unbreakable.errors import Kind, VerificationFailed
from unbreakable.outcome import in_one_line
from unbreakable.policies import Context
from unbreakable.policies.pushback import wish_in
from unbreakable.policies.timeout import time_is_up

EXCERPT = 200  # characters of a body in a message
SKIMMED = 65_536  # bytes of a redirect's body that are read for the sake of its connection
TEXT = re.compile(r"text/|.+[/+](xml|yaml|javascript|x-ndjson|x-www-form-urlencoded|graphql)$")
JSON = re.compile(r"(application|text)/(.+\+)?json$")


class Body:
    """Take in a body chunk by chunk, as long as there is time and it is not larger than *most* bytes.

    Of a redirect, if we *follow* it, nothing is kept; a little is read, so that its connection can be used again.
    """

    def __init__(self, ctx: Context, most: int, *, follow: bool = False) -> None:
        self.ctx, self.most, self.follow, self.size = ctx, most, follow, 0
        self.skims = False
        self.chunks: list[bytes] = []
        self.started = ctx.runtime.now()

    def expect(self, response: httpx2.Response) -> None:
        """Look at what is announced: refuse too much, or skim a redirect.

        An answer to HEAD, or a 304, announces what another one would hold.
        """
        self.skims = self.follow and response.next_request is not None
        if response.request.method == "HEAD" or response.status_code == 304:
            return
        announced = response.headers.get("content-length", "")
        if not self.skims and announced.isascii() and announced.isdigit() and int(announced) > self.most:
            raise self._too_large()

    def take(self, chunk: bytes) -> bool:
        """Take in *chunk*, and return whether to read on.

        Raises VerificationFailed when it is too much, and what says that our time is up.
        """
        self.size += len(chunk)
        if self.size > self.most and not self.skims:
            raise self._too_large()
        if self.ctx.remaining() <= 0:
            raise time_is_up(self.ctx, self.started)
        if self.skims:
            return self.size < SKIMMED
        self.chunks.append(chunk)
        return True

    def _too_large(self) -> VerificationFailed:
        error = VerificationFailed(f"the answer is larger than max_body={self.most} bytes", judged=False)
        vars(error).update(kind=Kind.INVALID)  # it is no smaller the next time
        leave_doubt(self.ctx, error)
        return error

    def whole(self, response: httpx2.Response) -> httpx2.Response:
        """Return *response* with everything taken in as its content."""
        headers = httpx2.Headers(response.headers)
        for name in ("content-encoding", "content-length", "transfer-encoding"):  # the content is decoded and whole
            headers.pop(name, None)
        whole = httpx2.Response(
            response.status_code,
            headers=headers,
            content=b"".join(self.chunks),
            request=response.request,
            extensions={
                name: response.extensions[name]
                for name in ("http_version", "reason_phrase")
                if name in response.extensions
            },
        )
        whole.next_request = response.next_request
        return whole


def leave_doubt(ctx: Context, error: VerificationFailed) -> None:
    """Have *error*, of an answer that cannot be read, say that something may have been done, unless it was a look."""
    if ctx.plan.effects != "none":
        vars(error).update(in_doubt=True)


def judge(response: httpx2.Response) -> Any:
    """Return what *response* holds: JSON parsed, text, bytes, or None when it is empty.

    Raises httpx2.HTTPStatusError for what is not a 2xx, VerificationFailed for what is not what it says it is.
    """
    if not response.is_success:
        raise refusal(response)
    if not response.content:
        return None
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if JSON.match(kind):
        return read("JSON", lambda: json.loads(response.content), response)
    if TEXT.match(kind):  # decode() refuses what is no charset, such as zlib, before it begins
        return read("text", lambda: response.content.decode(response.encoding or "utf-8", "replace"), response)
    return response.content


def read(kind: str, reader: Callable[[], Any], response: httpx2.Response) -> Any:
    """Return what *reader* makes of the body; VerificationFailed when it cannot: not even the charset is ours."""
    try:
        return reader()
    except Exception as error:  # a codec raises whatever it likes
        why = f"{in_one_line(error)}: {excerpt(response)}"
        raise VerificationFailed(f"the answer is not the {kind} that it says it is: {why}", judged=False) from error


def refusal(response: httpx2.Response) -> httpx2.HTTPStatusError:
    """Return the error for an answer that is not a success, with the words of its body and what they mean for us."""
    request, status = response.request, response.status_code
    where = request.url.copy_with(query=None, fragment=None, username=None, password=None)
    said = excerpt(response)
    what = f"{status} {response.reason_phrase}{': ' if said else ''}{said} ({request.method} '{where}')"
    error = httpx2.HTTPStatusError(what, request=request, response=response)
    facts: dict[str, Any] = {"http_status": status, "retry_after": wish_in(response.headers, status)}
    if status < 400:
        facts["kind"] = Kind.INVALID  # a redirect that is not followed leads there the next time, too
    elif status == 401:
        facts["refused"] = True  # RFC 9110: "the request has not been applied"
    vars(error).update(facts)
    return error


def excerpt(response: httpx2.Response) -> str:
    """Return the beginning of the body in plain words: what a signature can keep, whatever the values in it."""
    text = re.sub(r"<[^>]*>|[\"'{}\[\]\\]+", " ", response.content[: 8 * EXCERPT].decode("utf-8", "replace"))
    text = "".join(mark if mark.isprintable() else " " for mark in text)
    text = " ".join(text.replace(" :", ":").replace(" ,", ",").split())
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1]}…"
