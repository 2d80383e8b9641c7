"""One attempt: choose whom to ask, send the request, note how that one did, judge the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from unbreakable.errors import Kind, ValidationFailed, VerificationFailed
from unbreakable.nodes.http.answer import judge, leave_doubt
from unbreakable.nodes.http.clients import AsyncWire, BlockingWire, Wire
from unbreakable.nodes.http.conversation import Conversation
from unbreakable.nodes.http.credentials import Credentials
from unbreakable.nodes.http.meaning import EFFECTS, translated
from unbreakable.nodes.http.request import Ask, prepare
from unbreakable.outcome import Failure
from unbreakable.policies import Context, current
from unbreakable.policies.carried import headers_of
from unbreakable.policies.network import http_status
from unbreakable.policies.rests import Rests
from unbreakable.policies.timeout import is_guessed
from unbreakable.simulation import Stopwatch, select

THROTTLED = 429
AS_GIVEN = 30.0  # requests that are sent to the endpoints in the order of preference before a better one is looked for


def is_faulty(status: int) -> bool:
    """Return whether another replica might do better than one that answers with this *status*."""
    return status >= 500 or status == THROTTLED


@dataclass(slots=True)
class Try:
    """Remember which endpoint an attempt asked, when, how long it took, and whether its failure was told.

    ``aside`` is for how many seconds it had waited for what is ours by then.
    """

    url: str
    began: float
    aside: float = 0.0
    seconds: float = 0.0
    is_told: bool = False


class Asking:
    """Everything that attempts share: endpoints, standing headers, credentials, connections."""

    def __init__(
        self,
        urls: tuple[str, ...],
        headers: Mapping[str, str],
        proof: httpx2.Auth | Credentials | None,
        transport: Any,
        most_body: int,
        *,
        carry: bool = True,
    ) -> None:
        self.carry = carry  #: whether requests tell which attempt they are and how long they are waited for
        self.urls, self.rests, self.headers, self.most_body = urls, Rests(), headers, most_body
        self.auth = None if isinstance(proof, Credentials) else proof
        self.credentials = proof if isinstance(proof, Credentials) else None
        self.on_loops, self.in_threads = AsyncWire(transport), BlockingWire(transport)
        self.watch = Stopwatch("the first endpoint alone")
        self.inherited: list[Any] = []  #: what a parent process had open: its to close

    async def ask(
        self, data: Any, path: Any, params: Any, headers: Any, method: str, key: Any, endpoint: str | None
    ) -> Any:
        """Return what the service answers; *endpoint* is the one that is wanted, if any."""
        ask = Ask(data=data, path=path, params=params, headers=headers, method=method, key=key)
        if endpoint is not None and endpoint not in self.urls:
            raise ValidationFailed(f"endpoint must be one of {', '.join(self.urls)}, not {endpoint!r}")
        ctx = current()
        assert ctx is not None  # noqa: S101 - every attempt is part of a call
        wire: Wire = self.on_loops if ctx.runtime.preemptive else self.in_threads
        standing, auth = await self._proof(ctx, ask)
        url = self._choose(ctx, endpoint)
        request = prepare(wire.client(), url, ask, self._told(ctx, standing))
        tried = ctx.choice = Try(url, ctx.runtime.now(), ctx.aside)
        response = await self._exchange(wire, ctx, request, tried, auth)
        return self._read(ctx, tried, response)

    def _told(self, ctx: Context, standing: Mapping[str, str]) -> Any:
        """Return the headers of this attempt: *standing* ones, and what the service may know of the call."""
        if not self.carry:
            return standing
        told = httpx2.Headers(standing)
        for name, value in headers_of(ctx).items():
            told.setdefault(name, value)
        return told

    def _read(self, ctx: Context, tried: Try, response: httpx2.Response) -> Any:
        """Return what *response* holds; how fast a refusal came, or what nobody can read, speaks for no endpoint."""
        if is_faulty(response.status_code):
            self._failed(ctx, tried)
        elif not response.is_success:
            self._is_well(ctx, tried)  # the request itself is to blame
        try:
            value = judge(response)
        except VerificationFailed as error:
            self._failed(ctx, tried)
            leave_doubt(ctx, error)
            raise
        tried.seconds = ctx.runtime.now() - tried.began - (ctx.aside - tried.aside)
        ctx.when_judged, ctx.unsettled = self._judged, True
        return value

    def _judged(self, ctx: Context, *, ok: bool) -> None:
        """Take in whether schema and verification accepted what the endpoint answered."""
        self._worked(ctx, ctx.choice) if ok else self._failed(ctx, ctx.choice)

    async def _exchange(
        self, wire: Wire, ctx: Context, request: httpx2.Request, tried: Try, auth: httpx2.Auth | None
    ) -> httpx2.Response:
        conversation = Conversation(wire, ctx, self.most_body, follow=EFFECTS[request.method] == "none")
        try:
            return await conversation.hold(request, auth)
        except httpx2.PoolTimeout as error:
            tried.is_told = True
            raise translated(error, ctx, tried.began) from error
        except httpx2.RequestError as error:
            slow = isinstance(error, httpx2.TimeoutException) and is_guessed(ctx, error)
            dead = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)) and not slow
            self._failed(ctx, tried, dead=dead, slow=slow)
            trouble = translated(error, ctx, tried.began)
            if trouble is error:
                raise
            raise trouble from error
        except BaseException as error:
            tried.is_told = tried.is_told or ctx.is_aside  # it did not come to that
            if ctx.remaining() <= 0:  # cut by us, and not by a caller or a rival
                self._failed(ctx, tried, slow=is_guessed(ctx, error))
            raise

    def _failed(self, ctx: Context, tried: Try, *, dead: bool = False, slow: bool = False) -> None:
        """Take in, once, that the endpoint failed."""
        if tried.is_told:
            return  # by who went on, while a thread that was left behind still waited
        tried.is_told, now = True, ctx.runtime.now()
        self.rests.failed(tried.url, now, dead=dead, slow=slow)
        if len(self.urls) > 1:
            select.learn(ctx.target.arms, tried.url, now - tried.began, ok=False)
        anew = ctx.target.circuit.probing_since
        ctx.blameless = self.rests.others_may(self.urls, tried.url, now, since=tried.began, anew=anew)

    def _worked(self, ctx: Context, tried: Try) -> None:
        """Take in how fast the endpoint answered, so that the one that does best is asked first."""
        self._is_well(ctx, tried)
        if len(self.urls) < 2:
            return
        select.learn(ctx.target.arms, tried.url, tried.seconds, ok=True)
        self.watch.calls.append(tried.seconds)
        if tried.url == self.urls[0]:
            self.watch.alone.append(tried.seconds)

    def _is_well(self, ctx: Context, tried: Try) -> None:
        """Take in that the endpoint answered; a circuit that opened while that was awaited lets others see."""
        now = ctx.runtime.now()
        self.rests.worked(tried.url, tried.seconds)
        if len(self.urls) > 1:
            ctx.target.circuit.wake(now)

    def _ranked(self, ctx: Context, *, wanted: str | None = None, avoid: str | None = None) -> list[str]:
        """Return the endpoints in the order in which to ask them: *wanted* first, or the best; *avoid* last."""
        ranked = self.urls if wanted else select.order(ctx.target.arms, self.urls, ctx.runtime.random, after=AS_GIVEN)
        return sorted(ranked, key=lambda url: (url == avoid, url != wanted))  # stable: else as ranked

    async def _proof(self, ctx: Context, ask: Ask) -> tuple[Mapping[str, str], httpx2.Auth | None]:
        """Return the standing headers with the token in them, and what else proves who we are."""
        if isinstance(ask.headers, Mapping) and any(str(name).lower() == "authorization" for name in ask.headers):
            return self.headers, None  # the caller knows better
        if self.credentials is None:
            return self.headers, self.auth
        with ctx.waiting_for_ours():  # whoever hands out tokens is not the service
            token = await self.credentials.token(ctx.runtime, ctx.remaining())
        return {**self.headers, "Authorization": f"Bearer {token}"}, None

    def _choose(self, ctx: Context, wanted: str | None) -> str:
        """Return the endpoint for this attempt, a copy's other than the original's; note it for the next one."""
        avoid = None
        if ctx.rival and wanted is not None and self._others_work(ctx, wanted):
            wanted, avoid = None, wanted
        failed = ctx.choice.url if isinstance(ctx.choice, Try) else wanted
        ranked = self._ranked(ctx, wanted=wanted, avoid=avoid)
        now, anew = ctx.runtime.now(), ctx.target.circuit.probing_since
        url = self.rests.choose(ranked, now, instead=wanted not in (None, failed), anew=anew)
        ctx.blameless = self._others_work(ctx, url)
        if len(self.urls) > 1:
            ctx.arguments = {**ctx.arguments, "endpoint": url}
        return url

    def _others_work(self, ctx: Context, url: str) -> bool:
        return self.rests.others_work(self.urls, url, ctx.runtime.now())

    # ── remedy ───────────────────────────────────────────────────────────────────────────────────────────────────

    def may_move(self, failure: Failure) -> bool:
        """Return whether another endpoint, which may work, could do better: the request itself is not to blame."""
        ctx = current()
        last = None if ctx is None else ctx.arguments.get("endpoint")
        if ctx is None or last is None:
            return False
        if ctx.overtakes == failure.attempt:
            self.rests.late(last)
        elif select.is_worth_again(failure, last, self.urls, self.rests, ctx):
            return False
        kinds = (Kind.UNREACHABLE, Kind.TIMEOUT, Kind.UNVERIFIED)
        faulty = failure.kind in kinds or is_faulty(http_status(failure.error) or 0)
        return faulty and self.rests.may_be_replaced(last, self.urls, ctx.runtime.now())

    def move(self, failure: Failure) -> dict[str, str] | None:
        """Be the remedy for an endpoint that fails: let the call's next attempt ask another one."""
        ctx = current()
        if ctx is None:
            return None
        goes_on = ctx.overtakes == failure.attempt  # it is merely late, and tells itself what comes of it
        if failure.cut and not goes_on and isinstance(ctx.choice, Try):
            self._failed(ctx, ctx.choice, slow=failure.soft)  # what was left behind tells it too late
        others = [url for url in self._ranked(ctx) if url != ctx.arguments.get("endpoint")]
        return {"endpoint": self.rests.replacement(others, ctx.runtime.now())}  # taken, or not, when the attempt begins

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def aclose(self) -> None:
        """Close every connection, those of requests in flight when these have ended."""
        self.in_threads.close()
        await self.on_loops.aclose()

    def close(self) -> None:
        """Close the connections of sync code, and have event loops close theirs."""
        self.in_threads.close()
        self.on_loops.close_elsewhere()

    def after_fork(self) -> None:
        """Leave the parent's connections to the parent."""
        self.inherited.append((self.on_loops.forget(), self.in_threads.forget()))
        if self.credentials is not None:
            self.credentials.gate.clear()
