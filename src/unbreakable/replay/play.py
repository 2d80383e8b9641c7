"""Recorded calls are played in virtual time, at the moments at which they came, through the real policies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from unbreakable.fractal import FractalNode
from unbreakable.fractal.doors import AsyncProtected
from unbreakable.fractal.operation import work_with_arguments
from unbreakable.fractal.target import Target
from unbreakable.fractal.trace import Story
from unbreakable.observe.calls import Call
from unbreakable.outcome import Success
from unbreakable.policies import Plan, current
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.replay.changes import Changes
from unbreakable.replay.failures import error_of
from unbreakable.replay.luck import BESIDE, Luck
from unbreakable.replay.settings import plan_of
from unbreakable.runtime import ASYNCIO
from unbreakable.runtime.virtual import virtual_time

LEFT = "left"  # how a call ended that its caller has cancelled
PREPARED = 1_000  # calls that a strategy is shown before it is judged
OWN = ("breaker", "bulkhead", "throttle", "budget")  # what a node is made with, whatever is learned later
HARDLY = 1e-3  # seconds by which a deadline may be the plan's own, and have been rounded


class Played(NamedTuple):
    """What came of the calls, one by one: whether they succeeded, seconds, requests; and what attempts were drawn from.

    ``overlaps`` counts attempts of calls that must not run twice at once which did all the same: 0.
    """

    ok: list[bool]
    seconds: list[float]
    requests: list[int]
    drawn: Counter[str]
    overlaps: int


class Standing:
    """Be the chooser of nodes whose settings are those that were recorded."""

    def __init__(self, settings: Any) -> None:
        """Take no notice of what is pinned: nothing is chosen."""

    def plan(self, target: str, before: Plan, *_: Any) -> Plan:
        """Change nothing."""
        return before

    def compare(self, *_: Any) -> None:
        """Predict nothing."""

    def measure(self, *_: Any) -> None:
        """Gain nothing."""


class Replayed(FractalNode):
    """Be a node whose settings are those that were recorded."""

    new_chooser = Standing


class Theatre:
    """Play *calls* once, with *changes*, by *luck*."""

    def __init__(self, calls: Sequence[Call], changes: Changes, luck: Luck) -> None:
        self.calls, self.changes, self.luck = calls, changes, luck
        count = len(calls)
        self.ok, self.seconds, self.requests = [False] * count, [0.0] * count, [0] * count
        self.begun, self.ended, self.failed = [0] * count, [0] * count, [0] * count
        self.overlaps = 0
        self._doors: dict[str, AsyncProtected[..., None]] = {}
        self._plans: dict[int, tuple[Mapping[str, Any], Plan, Plan]] = {}
        self._in_force: dict[int, Plan] = {}

    async def play(self, first: int) -> None:
        """Play the calls, the *first* so many twice."""
        for count in ([first] if first else []) + [len(self.calls)]:
            self.begun, self.ended, self.failed = ([0] * len(self.calls) for _ in range(3))
            self.requests, self.overlaps = [0] * len(self.calls), 0
            self.luck.drawn.clear()
            began, tasks = ASYNCIO.now(), []
            self._zero = began - self.calls[0].began
            for number, call in enumerate(self.calls[:count]):
                await ASYNCIO.sleep(max(0.0, call.began + self._zero - ASYNCIO.now()))
                tasks.append(asyncio.create_task(self._call(number, call)))
            await asyncio.gather(*tasks)

    async def _call(self, number: int, call: Call) -> None:
        began, inner = ASYNCIO.now(), self._made(number, call)
        try:
            self.ok[number] = await (asyncio.wait_for(inner, call.took) if call.status == LEFT else inner)
        except TimeoutError:
            self.ok[number] = False
        self.seconds[number] = ASYNCIO.now() - began

    async def _made(self, number: int, call: Call) -> bool:
        door = self._door(call)
        plan, changed = self._plan(call)
        if self.changes.strategy is None:
            self._put_in_force(door.node, number, changed)
        if call.seconds < plan.deadline - HARDLY:
            return await self._inside(door, number, call.seconds)
        try:
            await door(number)
        except Exception:
            return False
        return True

    async def _inside(self, door: AsyncProtected[..., None], number: int, seconds: float) -> bool:
        """Make a call that had less time than its settings say, as it was made inside another one."""
        node, given = door.node, ((number,), dict[str, Any]())
        ctx = node.open(ASYNCIO, work_with_arguments(door.function, *given), given)
        ctx.function, ctx.notebook = door.function, Story(ASYNCIO.now, ctx.started)
        if ctx.started + seconds < ctx.deadline:
            ctx.deadline, ctx.deadline_is_ours = ctx.started + seconds, False
        return isinstance(await node.play(ctx), Success)

    async def _attempt(self, number: int) -> None:
        """Be the operation: take as long, and end, as luck has it."""
        attempt = current()
        assert attempt is not None  # noqa: S101 - the node is around it
        situation = self.failed[number]
        if attempt.rival or (attempt.attempt > 1 and self.ended[number] < self.begun[number]):
            situation = BESIDE
        is_beside = self.begun[number] > self.ended[number]
        self.overlaps += is_beside and not may_run_twice_at_once(attempt.plan.effects)
        self.requests[number] += 1
        self.begun[number] += 1
        at = ASYNCIO.now() - self._zero
        seconds, failure = self.luck.of(number, attempt.attempt, attempt.rival, at, situation)
        await ASYNCIO.sleep(seconds)
        self.ended[number] += 1
        if failure is not None:
            self.failed[number] += 1
            raise error_of(failure)

    # ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _door(self, call: Call) -> AsyncProtected[..., None]:
        door = self._doors.get(call.process)
        if door is None:
            node = self._doors[call.process] = AsyncProtected(self._attempt, self._node(call))
            return node
        return door

    def _node(self, call: Call) -> FractalNode:
        """Return a node like the one of the process that made *call*."""
        (plan, changed), calls = self._plan(call), self.calls
        if self.changes.strategy is not None:
            kind: type[FractalNode] = FractalNode
            options = self.changes.options(call.settings, plan)
            options["strategy"] = self.changes.strategy
        else:
            kind = Replayed
            options = {name: getattr(changed, name) or False for name in OWN}
            options["limit"] = changed.concurrency or False
        node = kind(call.node, effects=changed.effects, key=lambda number: calls[number].target, **options)
        node.targets.tell_effects(lambda number: self._plan(calls[number])[1].effects)
        return node

    def _put_in_force(self, node: FractalNode, number: int, plan: Plan) -> None:
        target: Target = node.targets.of((number,), {})
        if self._in_force.get(id(target)) is not plan:
            self._in_force[id(target)] = plan
            target.adopt(plan)

    def _plan(self, call: Call) -> tuple[Plan, Plan]:
        """Return the recorded settings as a plan, and with the changes; the same ones for the same."""
        known = self._plans.get(id(call.settings))
        if known is None:
            plan = plan_of(call.settings)
            known = self._plans[id(call.settings)] = call.settings, plan, self.changes.of(plan)
        return known[1:]


def play(calls: Sequence[Call], changes: Changes, luck: Luck, seed: int) -> Played:
    """Return what comes of *calls* with *changes*; *seed* fixes the dice of the policies."""
    with virtual_time(seed):
        theatre = Theatre(calls, changes, luck)
        asyncio.run(theatre.play(0 if changes.strategy is None else min(PREPARED, len(calls))))
    return Played(theatre.ok, theatre.seconds, theatre.requests, luck.drawn, theatre.overlaps)
