"""What a partner does with one request: count it, take its time, check the token, keep its books, or misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from unbreakable.demo.ledger import Ledger
from unbreakable.demo.offers import OFFERS, Offer, Order, Route
from unbreakable.demo.script import RETRY_AFTER, TOKEN_ROUTE, Fault, Script, Turn
from unbreakable.demo.tokens import Mint
from unbreakable.demo.wire import Cut, Reply, Request

_REFUSALS = {
    Fault.ERROR: Reply(status=500, body={"error": "something broke"}),
    Fault.UNAVAILABLE: Reply(status=503, body={"error": "too busy"}, headers={"Retry-After": str(RETRY_AFTER)}),
}
_CUTS = {Fault.RESET: Cut.RESET, Fault.HANG: Cut.HANG}
_NOT_FOUND = Reply(status=404, body={"error": "there is no such route"})
_UNAUTHORISED = Reply(status=401, body={"error": "the token has expired"}, headers={"WWW-Authenticate": "Bearer"})


class Service:
    """One partner process; `name` is its part in the script, `partner` what it offers."""

    def __init__(self, name: str, partner: str, *, ledger: Ledger, script: Script, mint: Mint) -> None:
        self._name = name
        self._offer: Offer = OFFERS[partner]
        self._ledger = ledger
        self._script = script
        self._mint = mint
        self._at_work = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def answer(self, request: Request) -> Reply | Cut:
        """Answer one request as the script says; the audit alone is never disturbed."""
        if (request.method, request.path) == ("GET", "/audit"):
            return Reply(status=200, body=self.audit())
        if (request.method, request.path) == ("POST", "/token"):
            turn = await self._take_turn(TOKEN_ROUTE, "", self._ledger.visit(self._name, "", TOKEN_ROUTE))
            return self._misbehaviour(turn) or self._token()
        for route in self._offer.routes:
            identity = route.match(request.method, request.path)
            if identity is not None:
                return await self._serve(route, identity, request)
        return _NOT_FOUND

    async def _serve(self, route: Route, identity: int, request: Request) -> Reply | Cut:
        booking = request.headers.get("x-booking", "")
        visit = self._ledger.visit(self._name, booking, route.name)
        if not self._mint.accepts(_bearer(request.headers), time.time()):
            return _UNAUTHORISED
        turn = await self._take_turn(route.name, booking, visit)
        if turn.fault is not Fault.NONE and not turn.committed:
            return self._misbehaviour(turn) or _NOT_FOUND
        key = request.headers.get("idempotency-key")
        order = _order(request, booking, identity)
        status, body = self._ledger.once(
            None if key is None else f"{route.name} {key}", lambda: route.effect(self._ledger, order)
        )
        return self._misbehaviour(turn) or Reply(status=status, body=body)

    async def _take_turn(self, route: str, booking: str, visit: int) -> Turn:
        turn = self._script.turn(self._name, route, booking, visit)
        self._at_work += 1
        self._idle.clear()
        try:
            await asyncio.sleep(turn.latency)
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()  # what is left of this request is done without a pause, before anybody who waits
        return turn

    def _misbehaviour(self, turn: Turn) -> Reply | Cut | None:
        return _REFUSALS.get(turn.fault) or _CUTS.get(turn.fault)

    def _token(self) -> Reply:
        token = self._mint.issue(time.time())
        return Reply(
            status=200, body={"access_token": token, "token_type": "Bearer", "expires_in": self._mint.lifetime}
        )

    def audit(self) -> dict[str, Any]:
        """Return what the partner's own books say: how many records, doubled bookings, what stands, what is final."""
        standing = self._ledger.standing(*self._offer.standing)
        noun = self._offer.noun
        return {
            noun: self._ledger.record_count(),
            f"double_{noun}": sum(count > 1 for count in standing.values()),
            "standing": standing,
            "final": sorted(self._ledger.standing(self._offer.final)),
        }

    async def counts(self) -> dict[str, int]:
        """Return requests received, the least that would have done, tokens, and effects, once nothing is in work.

        A caller may have given up on an answer whose effect is still to come.
        """
        await self._idle.wait()
        visits = self._ledger.visits()
        forward = {route.name for route in self._offer.routes if not route.undoes}
        return {
            "requests": sum(n for _, _, _, n in visits),
            "needed": len({(booking, route) for _, booking, route, _ in visits if route in forward}),
            "tokens": sum(n for _, _, route, n in visits if route == TOKEN_ROUTE),
            "effects": self._ledger.record_count(),
        }


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _order(request: Request, booking: str, identity: int) -> Order:
    body = request.json()
    return Order(
        booking=booking,
        identity=identity or None,
        city=str(request.query.get("city", "")),
        amount=int(body.get("amount", 0)),
    )
