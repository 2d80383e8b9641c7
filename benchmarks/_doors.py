"""Scenes in which unsafe operations go through every door that makes attempts, under settings drawn by dice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from benchmarks._unsafe import Errand, Server, Stale

import unbreakable as ub
from unbreakable.fractal.healing import left_at_work
from unbreakable.policies.effects import may_repeat, may_run_twice_at_once
from unbreakable.testing import virtual_time

RUNS = 400  # of a scene
DOORS = 4  # of a scene: runs come to them in turn
CALM, OUTAGE = 0.45, 0.1  # share of the runs that go well at first, in some scenes, and while the server is down
STRATEGIES = ("optimistic", "pessimistic", "conservative", "aggressive", "balanced", "adaptive", "random")
SYNC_EACH = 4  # one scene of so many is in plain code

Door = Callable[[Errand], Any]
Kind = Callable[[Server, Any, random.Random], Door]


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def eager(dice: random.Random) -> ub.Strategy:
    """Return a strategy of the user's own that asks for copies of whatever it is given."""
    retry = ub.Retry(5, backoff=ub.Backoff(first=0.002))
    limit = dice.choice([None, ub.Timeout(0.01), ub.Timeout(0.01, learned=True)])
    return ub.Strategy("eager", hedge=ub.Hedge(dice.choice([0.0, 0.005]), most=2), retry=retry, timeout=limit)


def settings(dice: random.Random) -> dict[str, Any]:
    """Return the settings of a door."""
    limit = dice.uniform(0.004, 0.04)
    drawn: dict[str, tuple[float, Callable[[], Any]]] = {
        "strategy": (0.6, lambda: dice.choice([*STRATEGIES, eager(dice), eager(dice), eager(dice)])),
        "retry": (0.6, lambda: ub.Retry(dice.randint(2, 6), backoff=ub.Backoff(first=0.004))),
        "timeout": (0.4, lambda: dice.choice([ub.Timeout(limit), ub.Timeout(limit, learned=True)])),
        "budget": (0.6, lambda: False),
        "breaker": (0.9, lambda: dice.choice([False, ub.CircuitBreaker(failures=3, rest=0.05, wait=0.1)])),
        "deadline": (0.25, lambda: dice.uniform(0.02, 0.5)),
        "remedies": (0.4, lambda: [(dice.choice([Stale, PermissionError, Exception]), remedy)]),
        "bulkhead": (0.1, lambda: ub.Bulkhead(20, wait=0.1)),
        "limit": (0.05, lambda: ub.AdaptiveLimit(first=20)),
        "throttle": (0.05, lambda: ub.Throttle(0.9)),
    }
    return {name: make() for name, (share, make) in drawn.items() if dice.random() < share}


def remedy(failure: ub.Failure) -> None:
    """Do nothing, and be believed to help."""


def copied_by_nobody(dice: random.Random) -> dict[str, Any]:
    """Return settings for a door that refuses whatever asks for copies."""
    given = settings(dice)
    if isinstance(given.get("strategy"), ub.Strategy):
        del given["strategy"]
    return given


def with_judges(given: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return settings that look at what comes back, too."""
    if dice.random() < 0.15:
        given["verify"] = lambda request: request.passes()
    if dice.random() < 0.15:
        given["fallback"] = lambda failure: None
    return given


# ── async doors ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Client:
    """Have a method that is protected."""

    def __init__(self, server: Server) -> None:
        self.ask = server.ask


def function(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a protected function."""
    door = ub.protect("function", effects=effects, **with_judges(settings(dice), dice))(server.ask)
    return door.outcome if dice.random() < 0.5 else door


def method(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a protected method."""

    async def ask(self: Client, errand: Errand) -> Any:
        return await self.ask(errand)

    kind = type("Kind", (Client,), {"call": ub.protect("method", effects=effects, **settings(dice))(ask)})
    return kind(server).call


def node(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a node, its child, or one that has the operation for its own."""
    work, given = server.operation(), with_judges(settings(dice), dice)
    if dice.random() < 0.3:
        own = ub.FractalNode("own", work, effects=effects, **given)
        return lambda errand: own.execute(None, errand)
    parent = ub.FractalNode("node", effects=effects, **given)
    found = parent if dice.random() < 0.5 else parent.create_child("child", effects=effects, **settings(dice))
    return lambda errand: found.execute(work, errand)


def guest(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a node of a function that may be copied, which does something else for others."""
    own = "once" if effects == "once" else dice.choice(["none", "idempotent"])
    given = settings(dice) if own == "once" else settings(dice) | {"hedge": ub.Hedge(0.005, most=2)}

    async def other() -> None:
        """Do nothing."""

    found, work = ub.protect("host", effects=own, **given)(other).node, server.operation()
    return lambda errand: found.execute(work, errand)


def quantum(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a simulation engine, with alternatives and strategies of the user's own."""
    engine = ub.QuantumSimulationEngine(universe_count=8, strategies=[eager(dice)])
    work, others = server.operation(), {f"way {number}": server.operation() for number in range(dice.randint(0, 2))}
    how = {"name": "job", "effects": effects, "alternatives": others}
    return lambda errand: engine.execute_quantum(work, errand, **how)


def adopted(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a node whose plans a simulation engine makes, with what others have learned of a harmless one."""
    memory, strategy = ub.LocalMemory(), dice.choice([*STRATEGIES, "adaptive", "adaptive"])
    harmless = ub.FractalNode("adopted", effects="idempotent", memory=memory, strategy=strategy)
    ub.QuantumSimulationEngine(universe_count=7).adopt(harmless)
    for number in range(60):
        harmless.target.ring.append(0.01 if number % 10 else 0.2)
    harmless.aclose_sync()  # hands it to the memory
    found, work = ub.FractalNode("adopted", effects=effects, memory=memory, strategy=strategy), server.operation()
    return lambda errand: found.execute(work, errand)


def block(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a block."""
    given, name = copied_by_nobody(dice), f"block {dice.random()}"

    async def door(errand: Errand) -> None:
        async for attempt in ub.attempts(name, effects=effects, **given):
            async with attempt:
                await server.ask(errand)

    return door


def generator(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return an async generator."""

    async def items(errand: Errand) -> Any:
        yield await server.ask(errand)

    made = ub.protect("items", effects=effects, **copied_by_nobody(dice))(items)

    async def door(errand: Errand) -> list[Any]:
        return [each async for each in made(errand)]

    return door


def inside(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a call that makes one inside that must not be made twice, and may leave it at work."""
    inner = ub.protect("inner", effects="once", **settings(dice))(server.ask)

    async def work(errand: Errand) -> Any:
        if errand.inner is None:
            errand.inner = Errand(server, "inside", "once")
        task = asyncio.ensure_future(_run(inner, errand.inner))
        if not (await asyncio.wait({task}, timeout=0.03))[0] and server.dice.random() < 0.5:
            raise RuntimeError("it takes too long")
        await task
        return await server.ask(errand)

    return ub.protect("outer", effects="unknown", **settings(dice))(work)


ASYNC = (function, method, node, guest, quantum, adopted, block, generator, inside)


# ── doors of plain code ──────────────────────────────────────────────────────────────────────────────────────────────


def plain_function(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a protected plain function."""
    door = ub.protect("plain", effects=effects, **with_judges(settings(dice), dice))(server.ask_plainly)
    return door.outcome if dice.random() < 0.5 else door


def plain_node(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a node that runs plain functions."""
    found, work = ub.FractalNode("plain node", effects=effects, **settings(dice)), server.plain_operation()
    return lambda errand: found.execute_sync(work, errand)


def plain_quantum(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a simulation engine that runs plain functions."""
    engine = ub.QuantumSimulationEngine(universe_count=8, strategies=[eager(dice)])
    how = {"name": "plain job", "effects": effects, "alternatives": {"replica": server.plain_operation()}}
    work = server.plain_operation()
    return lambda errand: engine.execute_quantum_sync(work, errand, **how)


def plain_block(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a block in plain code."""
    given, name = copied_by_nobody(dice) | {"timeout": None}, f"plain block {dice.random()}"

    def door(errand: Errand) -> None:
        for attempt in ub.attempts(name, effects=effects, **given):
            with attempt:
                server.ask_plainly(errand)

    return door


def plain_generator(server: Server, effects: Any, dice: random.Random) -> Door:
    """Return a generator."""

    def items(errand: Errand) -> Iterator[Any]:
        yield server.ask_plainly(errand)

    given = copied_by_nobody(dice) | {"timeout": None}
    made = ub.protect("plain items", effects=effects, **given)(items)
    return lambda errand: list(made(errand))


SYNC = (plain_function, plain_node, plain_quantum, plain_block, plain_generator)


# ── scenes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Scene:
    """Play so many runs through some doors, all drawn from one seed."""

    def __init__(self, seed: int, runs: int = RUNS, kinds: Sequence[Kind] = ()) -> None:
        self.seed, self.runs, self.server = seed, runs, Server(seed)
        self.is_plain, self.starts_well = seed % SYNC_EACH == 0 and not kinds, self.server.dice.random() < 0.5
        self.kinds = kinds or (SYNC if self.is_plain else ASYNC)

    def play(self) -> None:
        """Play it to its end, in virtual time."""
        kinds, dice = self.kinds, self.server.dice
        with virtual_time(self.seed):
            doors = []
            for number in range(DOORS):
                kind = kinds[(self.seed // 2 + number) % len(kinds)]
                effects = "unknown" if kind is inside else dice.choice(["unknown", "once"])
                is_unknown = kind is guest and effects == "unknown"
                doors.append((kind.__name__, "unknown" if is_unknown else effects, kind(self.server, effects, dice)))
            if self.is_plain:
                for errand, door in self._errands(doors):
                    with contextlib.suppress(Exception):
                        door(errand)
            else:
                asyncio.run(self._play(doors))

    def _errands(self, doors: list[tuple[str, str, Door]]) -> Iterator[tuple[Errand, Door]]:
        rounds = self.runs // DOORS
        for number, (name, effects, door) in itertools.product(range(rounds), doors):
            share = number / rounds
            is_calm, is_down = self.starts_well and share < CALM, 0.5 <= share < 0.5 + OUTAGE
            self.server.ill = 0.0 if is_calm else 1.0 if is_down else 0.3
            self.server.counts["runs"] += 1
            yield Errand(self.server, name, effects), door

    async def _play(self, doors: list[tuple[str, str, Door]]) -> None:
        dice, loop, tasks = self.server.dice, asyncio.get_running_loop(), []
        for errand, door in self._errands(doors):
            task = asyncio.ensure_future(_run(door, errand))
            tasks.append(task)
            if dice.random() < 0.15:
                self.server.counts["cancelled"] += 1
                loop.call_later(dice.random() * 0.05, task.cancel)
            if dice.random() < 0.25:
                await asyncio.sleep(dice.expovariate(1.0) * 0.02)
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(door: Callable[[Errand], Awaitable[Any]], errand: Errand) -> None:
    with contextlib.suppress(Exception):
        await door(errand)


# ── mutants ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _always(*_: Any, **__: Any) -> bool:
    return True


def _blind(effects: Any, failure: Any) -> bool:
    return may_repeat(effects, failure.but(cut=False))


def _unaware(effects: Any, failure: Any) -> bool:
    return may_repeat(effects, failure.but(unrepeatable=False))


async def _nothing_left(ctx: Any) -> bool:
    return False


RULES: dict[str, list[tuple[Any, Any]]] = {
    "repeats": [(may_repeat, _always)],
    "cuts": [(may_repeat, _blind)],
    "copies": [(may_run_twice_at_once, _always)],
    "inside": [(may_repeat, _unaware), (left_at_work, _nothing_left)],  # it is asked twice
}


@contextlib.contextmanager
def mutated(rule: str | None) -> Iterator[None]:
    """Take a rule away from the library in this block."""
    if rule is None:
        yield
        return
    for original, instead in RULES[rule]:
        _swap(original, instead)
    try:
        yield
    finally:
        for original, instead in RULES[rule]:
            _swap(instead, original)  # also in what was loaded meanwhile


def _swap(old: Any, new: Any) -> None:
    for module in [module for name, module in sys.modules.items() if name.startswith("unbreakable.")]:
        for name in [name for name, value in vars(module).items() if value is old]:
            setattr(module, name, new)
