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
SETTINGS = ("strategy", "timeout", "hedge", "attempts", "breaker", "observations")
# A booking fails only when everything does: repeats for half of the successes, and some before the first ones.
GENEROUS = ub.RetryBudget(ratio=0.5, start=60)
TOKEN_TIMEOUT = ub.Timeout(1.0)  # tokens are fetched too seldom to learn how long that takes
# A first guess, as anybody would make it who has seconds to lose: it holds until a limit is learned.
GUESS = ub.Timeout(0.1 * DEADLINE, learned=True)

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
        timeout=GUESS,
        retry=PERSISTENT,
        budget=GENEROUS,
        breaker=PATIENT,
        bulkhead=ub.Bulkhead(most, wait=DEADLINE),  # after an outage those who waited do not come all at once
        hedge=None if len(addresses) > 1 else False,  # learned where a copy has somebody else to go to
    )


class Protected:
    """A system of one workflow and a node for each partner; use it as an async context manager.

    *state* is the folder that remembers bookings in flight, *knowledge* the file of what was learned.
    """

    def __init__(self, address: Callable[[str], str], state: Path, knowledge: Path) -> None:
        self._memory = ub.SqliteMemory(knowledge)
        self._system = ub.QuantumSystem(state, memory=self._memory)
        self._partners = (
            _partner("flights", address("flights-primary"), address("flights-replica"), most=64),
            _partner("hotels", address("hotels"), most=32),
            _partner("payments", address("payments"), most=32),
        )
        self._heals: defaultdict[str, list[str]] = defaultdict(list)
        for node in self._partners:
            node.on(ub.events.Healed, self._note)

    async def __aenter__(self) -> Self:
        """Make the workflow; what an earlier demo learned is in force from here on."""
        # The steps are safe to repeat (each has an idempotency key), and the partners' nodes do the repeating.
        self._workflow = await self._system.create_quantum_workflow(
            "booking", nodes=self._partners, workflow=self._steps(), deadline=DEADLINE, effects="idempotent", grace=2.0,
            retry=False, breaker=False, timeout=False, hedge=False,
        )  # fmt: skip
        plans = {node.name: node.get_status().plan for node in self._partners}
        self.remembered = {
            name: f"{plan['strategy']} ({plan['observations']:,} attempts)"
            for name, plan in plans.items()
            if plan["observations"]
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._system.aclose()
        self._memory.close()

    def begun(self) -> frozenset[str]:
        """Return the bookings that a killed run had begun and not ended."""
        return frozenset(run.run_id for run in self._workflow.pending())

    async def book(self, booking: Booking) -> Verdict:
        """Book flight and hotel; a booking that a killed run had begun is gone on with."""
        wish = {"booking": booking.id, "city": booking.city, "amount": booking.amount}
        result = await self._workflow.run_once(wish, run_id=booking.id)
        why = "" if result.error is None else f"{type(result.error).__name__}: {result.error}"
        heals = tuple(self._heals.pop(booking.id, ()))
        return Verdict(end=_ENDS.get(result.status, End.FAILED), why=why, heals=heals)

    def learned(self) -> dict[str, dict[str, Any]]:
        """Return the settings in force for each partner; times are seconds."""
        return {node.name: {name: node.get_status().plan[name] for name in SETTINGS} for node in self._partners}

    # ── the steps ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _steps(self) -> list[ub.Step]:
        return [
            ub.Step("search", self._search),
            ub.Step("hold", self._hold, compensate=self._release),
            ub.Step("pay", self._pay, compensate=self._refund),
            ub.Step("ticket", self._ticket, compensate=self._cancel),
            ub.Step("confirm", self._confirm),
        ]

    async def _search(self, ctx: ub.Context) -> Any:
        return await self._ask("flights", ctx, "GET", "/search", params={"city": ctx.input["city"]})

    async def _hold(self, ctx: ub.Context) -> Any:
        return await self._ask("hotels", ctx, "POST", "/holds")

    async def _pay(self, ctx: ub.Context) -> Any:
        return await self._ask("payments", ctx, "POST", "/charges", {"amount": ctx.input["amount"]})

    async def _ticket(self, ctx: ub.Context) -> Any:
        return await self._ask("flights", ctx, "POST", "/tickets")

    async def _confirm(self, ctx: ub.Context) -> Any:
        return await self._ask("hotels", ctx, "POST", f"/holds/{ctx.results['hold']['id']}/confirm")

    # ── and how they are undone ─────────────────────────────────────────────────────────────────────────────────────

    async def _release(self, ctx: ub.Context) -> None:
        hold = await self._made(ctx, "hotels", "/holds")
        await self._ask("hotels", ctx, "DELETE", f"/holds/{hold['id']}")

    async def _refund(self, ctx: ub.Context) -> None:
        charge = await self._made(ctx, "payments", "/charges", {"amount": ctx.input["amount"]})
        await self._ask("payments", ctx, "POST", f"/charges/{charge['id']}/refund")

    async def _cancel(self, ctx: ub.Context) -> None:
        ticket = await self._made(ctx, "flights", "/tickets")
        await self._ask("flights", ctx, "DELETE", f"/tickets/{ticket['id']}")

    async def _made(self, ctx: ub.Context, node: str, path: str, data: Any = None) -> Any:
        """Return what a step has made, by asking again with its own key: the stored answer, or one to be undone."""
        return await self._ask(node, ctx, "POST", path, data, key=ctx.state["step_key"])

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(
        self, node: str, ctx: ub.Context, method: str, path: str, data: Any = None, *, key: str = "", **more: Any
    ) -> Any:
        partner: ub.APINode = ctx.nodes[node]
        return await partner.make_request(
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
