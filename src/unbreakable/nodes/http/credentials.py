"""A token is fetched once, kept until it is refused, and then fetched again once for everybody."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from unbreakable.errors import DeadlineExceeded, Foreseen, Kind, NotSent
from unbreakable.fractal.signature import classify
from unbreakable.outcome import Failure, in_one_line
from unbreakable.policies import current
from unbreakable.policies.network import http_status
from unbreakable.runtime import Gate, Runtime, run_blocking

HINTS = ("auth_error", "invalid_token", "token expired", "expired token", "token has expired", "unauthorized")


class Credentials:
    """Keep the token that *fetch*, a function of either colour, returns."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch
        self._token: str | None = None
        self._renewing = False
        self.gate = Gate(1)

    async def token(self, runtime: Runtime, seconds: float) -> str:
        """Return the token, fetching it if there is none; whoever comes while it is fetched waits at most *seconds*.

        Raises NotSent when it cannot be had: the request that needs it was not sent.
        """
        if self._token is not None and not self._renewing:
            return self._token
        try:
            return await self._renewed(runtime, seconds, used=None)
        except Exception as error:
            trouble = NotSent(f"no credentials: {in_one_line(error)}")
            vars(trouble).update(kind=classify(error))
            raise trouble from error

    def refresh(self, failure: Failure) -> Coroutine[Any, Any, None] | None:
        """Be the remedy for refused credentials: fetch new ones, unless that has been done since the failed attempt."""
        ctx = current()
        if ctx is None:
            return None
        used = self._token if isinstance(failure.error, Foreseen) else token_of(failure)
        script = self._refreshed(ctx.runtime, ctx.left(), used)
        return script if ctx.runtime.preemptive else run_blocking(script)

    async def _refreshed(self, runtime: Runtime, seconds: float, used: str | None) -> None:
        await self._renewed(runtime, seconds, used)

    async def _renewed(self, runtime: Runtime, seconds: float, used: str | None) -> str:
        if not await self.gate.enter(runtime, seconds):
            raise DeadlineExceeded("credentials were not there in time")
        try:
            if self._token is None or self._token == used:
                self._renewing = True
                self._token = checked(await runtime.call(self._fetch))
            return self._token
        finally:
            self._renewing = False
            self.gate.leave()


def token_of(failure: Failure) -> str | None:
    """Return the token that was refused: that of the first request, before any redirects; None for none."""
    response: Any = getattr(failure.error, "response", None)
    if response is None:
        return None
    asked = [*response.history, response][0].request
    return str(asked.headers.get("authorization", "")).removeprefix("Bearer ")


def checked(token: Any) -> str:
    """Return *token* if it can be sent in a header."""
    if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
        raise TypeError(f"auth must return a token as printable ASCII text, not a {type(token).__name__}")
    return token


def are_refused(failure: Failure) -> bool:
    """Return whether *failure* says that the credentials were: by its status, or in the words of its body."""
    if http_status(failure.error) is None:
        return False
    return failure.kind is Kind.CREDENTIALS or any(hint in str(failure.error).lower() for hint in HINTS)
