"""The booking as it is written with Unbreakable: the same steps, and what may go wrong with them is not in the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import unbreakable as ub
from unbreakable.demo.bookings import DEADLINE, Booking, End, Verdict

# A circuit that opens has its callers wait, as long as their deadline allows, instead of failing them.
PATIENT = ub.CircuitBreaker(failures=5, rest=0.3, wait=DEADLINE)
PERSISTENT = ub.Retry(attempts=8, backoff=ub.Backoff(first=0.05, most=1.0))
SETTINGS = ("timeout", "hedge", "attempts", "breaker", "observations")
GENEROUS = ub.RetryBudget(start=60)  # a short run has earned little by the time of its first outage
TOKEN_TIMEOUT = ub.Timeout(1.0)  # tokens are fetched too seldom to learn how long that takes

_ENDS = {ub.RunStatus.COMMITTED: End.DONE, ub.RunStatus.COMPENSATED: End.COMPENSATED}


def _partner(name: str, *addresses: str, most: int) -> ub.APINode:
    """Return a node for one partner, which fetches a token when it has none or when it is refused."""
    tokens = ub.APINode(
        endpoints=[f"{address}/token" for address in addresses],
        method="POST",
        name=f"{name}.token",
        effects="idempotent",
        timeout=TOKEN_TIMEOUT,
        retry=PERSISTENT,
        breaker=PATIENT,
    )

    async def token() -> str:
        return str((await tokens.make_request())["access_token"])

    return ub.APINode(
        endpoints=list(addresses),
        name=name,
        auth=token,
        effects="idempotent",  # each request that changes something has a key
        retry=PERSISTENT,
        budget=GENEROUS,
        breaker=PATIENT,
        bulkhead=ub.Bulkhead(most, wait=DEADLINE),  # after an outage those who waited do not come all at once
        hedge=None if len(addresses) > 1 else False,  # learned where a copy has somebody else to go to
    )


class Protected:
    """One node for each partner and one for the workflow; use it as an async context manager.

    *state* is the folder that remembers bookings in flight.
    """

    def __init__(self, address: Callable[[str], str], state: Path) -> None:
        self._flights = _partner("flights", address("flights-primary"), address("flights-replica"), most=64)
        self._hotels = _partner("hotels", address("hotels"), most=32)
        self._payments = _partner("payments", address("payments"), most=32)
        # The steps are safe to repeat (each has an idempotency key), and the partners' nodes do the repeating.
        self._workflow = ub.OrchestratorNode(
            name="booking", state=state, deadline=DEADLINE, effects="idempotent", grace=2.0,
            retry=False, breaker=False, timeout=False, hedge=False,
        )  # fmt: skip
        self._steps = (
            ub.Step("search", self._search),
            ub.Step("hold", self._hold, compensate=self._release),
            ub.Step("pay", self._pay, compensate=self._refund),
            ub.Step("ticket", self._ticket, compensate=self._cancel),
            ub.Step("confirm", self._confirm),
        )
        self._heals: defaultdict[str, list[str]] = defaultdict(list)
        for node in (self._flights, self._hotels, self._payments):
            node.on(ub.events.Healed, self._note)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in (self._workflow, self._flights, self._hotels, self._payments):
            await node.aclose()

    def begun(self) -> frozenset[str]:
        """Return the bookings that a killed run had begun and not ended."""
        return frozenset(run.run_id for run in self._workflow.pending())

    async def book(self, booking: Booking) -> Verdict:
        """Book flight and hotel; a booking that a killed run had begun is gone on with."""
        wish = {"booking": booking.id, "city": booking.city, "amount": booking.amount}
        result = await self._workflow.orchestrate(self._steps, wish, run_id=booking.id, workflow="booking")
        why = "" if result.error is None else f"{type(result.error).__name__}: {result.error}"
        heals = tuple(self._heals.pop(booking.id, ()))
        return Verdict(end=_ENDS.get(result.status, End.FAILED), why=why, heals=heals)

    def learned(self) -> dict[str, dict[str, Any]]:
        """Return the settings in force for each partner; times are seconds."""
        nodes = (self._flights, self._hotels, self._payments)
        return {node.name: {name: node.get_status().plan[name] for name in SETTINGS} for node in nodes}

    # ── the steps ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _search(self, ctx: ub.Context) -> Any:
        return await self._ask(self._flights, ctx, "GET", "/search", params={"city": ctx.input["city"]})

    async def _hold(self, ctx: ub.Context) -> Any:
        return await self._ask(self._hotels, ctx, "POST", "/holds")

    async def _pay(self, ctx: ub.Context) -> Any:
        return await self._ask(self._payments, ctx, "POST", "/charges", {"amount": ctx.input["amount"]})

    async def _ticket(self, ctx: ub.Context) -> Any:
        return await self._ask(self._flights, ctx, "POST", "/tickets")

    async def _confirm(self, ctx: ub.Context) -> Any:
        return await self._ask(self._hotels, ctx, "POST", f"/holds/{ctx.results['hold']['id']}/confirm")

    # ── and how they are undone ─────────────────────────────────────────────────────────────────────────────────────

    async def _release(self, ctx: ub.Context) -> None:
        hold = await self._made(ctx, self._hotels, "/holds")
        await self._ask(self._hotels, ctx, "DELETE", f"/holds/{hold['id']}")

    async def _refund(self, ctx: ub.Context) -> None:
        charge = await self._made(ctx, self._payments, "/charges", {"amount": ctx.input["amount"]})
        await self._ask(self._payments, ctx, "POST", f"/charges/{charge['id']}/refund")

    async def _cancel(self, ctx: ub.Context) -> None:
        ticket = await self._made(ctx, self._flights, "/tickets")
        await self._ask(self._flights, ctx, "DELETE", f"/tickets/{ticket['id']}")

    async def _made(self, ctx: ub.Context, node: ub.APINode, path: str, data: Any = None) -> Any:
        """Return what a step has made, by asking again with its own key: the stored answer, or one to be undone."""
        return await self._ask(node, ctx, "POST", path, data, key=ctx.state["step_key"])

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(
        self, node: ub.APINode, ctx: ub.Context, method: str, path: str, data: Any = None, *, key: str = "", **more: Any
    ) -> Any:
        return await node.make_request(
            data,
            path=path,
            method=method,
            headers={"X-Booking": ctx.input["booking"]},
            idempotency_key=key or ctx.idempotency_key,
            **more,
        )

    def _note(self, healed: ub.events.Healed) -> None:
        """Note for the booking at work, whose step's context is the current one, what healed its request."""
        ctx = ub.current()
        if ctx is not None:
            self._heals[ctx.input["booking"]].append(healed.remedies[-1] if healed.remedies else "wait")
