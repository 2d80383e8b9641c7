"""What a thousand clients do to a service that is down for a minute, and how soon it is well again.

Virtual time.  Each client is a process of its own, with a budget of its own, and begins a call every second whatever
became of the last.  The service answers 1,500 requests a second, so it has half as much again as is asked of it.  While
it is down it takes in 4,000 requests and lets the others know that it is full; when it is back it works off what it has
taken in, though nobody waits for it any more: whoever asks gives up after a second.  That is how a retry storm outlives
its cause: with more than 1,500 requests a second it is never well again.

*load* is how many requests came in while it was down, as a multiple of the calls; *recovery* is the time from its
return until 99 % of the calls that begin in a second succeed.  Breakers are off, but where a line says otherwise, and
budgets begin empty, so that nothing else holds the storm.  Fewer clients of a service that is smaller in proportion
make the same figures: so the peers, some of which make thirty times as many requests, are played with fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import unbreakable as ub
from unbreakable.testing import virtual_time

Door = Callable[[], Awaitable[Any]]

PATIENCE = 1.0  # seconds after which a client gives a request up
TICK = 0.01  # seconds between two moments at which calls begin
BIN = 0.1  # seconds of calls that are looked at together


class Overloaded(Exception):
    """Say that there is no room for one more request."""

    http_status = 503


class Service:
    """Answer so many requests a second, first come, first served, but for the time when it is down."""

    def __init__(self, capacity: float, room: int, latency: float = 0.02) -> None:
        self.capacity, self.room, self.latency = capacity, room, latency
        self.gone = self.back = self.free_at = 0.0
        self.asked: list[float] = []

    async def ask(self) -> str:
        """Answer one request, as far as somebody waits for it."""
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        ready = self.back if self.gone <= now < self.back else now
        begins = max(ready, self.free_at)
        if begins - ready > self.room / self.capacity:
            await asyncio.sleep(self.latency)
            raise Overloaded("full")
        self.free_at = begins + 1 / self.capacity
        wait = self.free_at + self.latency - now
        await asyncio.sleep(min(wait, PATIENCE))
        if wait > PATIENCE:
            raise TimeoutError("nobody answered in time")
        return "served"


@dataclass
class Story:
    """Hold what happened: when calls began, and how many of those of each tenth of a second succeeded."""

    gone: float
    back: float
    asked: list[float] = field(default_factory=list, repr=False)
    begun: dict[int, int] = field(default_factory=lambda: defaultdict(int), repr=False)
    served: dict[int, int] = field(default_factory=lambda: defaultdict(int), repr=False)

    @property
    def load(self) -> float:
        """Return how many requests came in for each call while the service was down."""
        calls = sum(count for slot, count in self.begun.items() if self.gone <= slot * BIN < self.back)
        return sum(self.gone <= moment < self.back for moment in self.asked) / calls

    @property
    def recovery(self) -> float | None:
        """Return how many seconds after its return the service was well; None if it was not."""
        second = round(1 / BIN)
        first, last = round(self.back / BIN), max(self.begun)
        for slot in range(first, last - second + 1):
            slots = range(slot, slot + second)
            if sum(self.served[each] for each in slots) >= 0.99 * sum(self.begun[each] for each in slots):
                return (slot - first) * BIN
        return None


@dataclass(frozen=True)
class Setting:
    """Hold how large the story is; times are seconds."""

    clients: int = 1_000
    before: float = 5.0
    outage: float = 60.0
    after: float = 30.0
    every: float = 1.0

    def play(self, protect: Callable[[Door], Door], seed: int) -> Story:
        """Return what became of it where each client is protected so."""
        with virtual_time(seed), same_clock():
            random.seed(seed)  # the peers' dice
            return asyncio.run(self._play(protect))

    async def _play(self, protect: Callable[[Door], Door]) -> Story:
        loop = asyncio.get_running_loop()
        zero = loop.time()
        service = Service(1.5 * self.clients / self.every, round(4 * self.clients / self.every))
        service.gone, service.back = zero + self.before, zero + self.before + self.outage
        story = Story(self.before, self.before + self.outage)
        doors = [protect(service.ask) for _ in range(self.clients)]
        tasks: set[asyncio.Task[None]] = set()
        period = round(self.every / TICK)
        for tick in range(round((story.back + self.after) / TICK)):
            for number in range(tick % period, self.clients, period):
                task = asyncio.ensure_future(self._call(doors[number], story, loop.time() - zero))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0.0, zero + (tick + 1) * TICK - loop.time()))
            if tick % 100 == 0 and tick * TICK > story.back + 4.0 and self._is_well(story, tick * TICK):
                break
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        story.asked = [moment - zero for moment in service.asked]
        return story

    @staticmethod
    def _is_well(story: Story, now: float) -> bool:
        return story.recovery is not None and now > story.back + story.recovery + 4.0

    @staticmethod
    async def _call(door: Door, story: Story, now: float) -> None:
        slot = int(now / BIN + 1e-6)
        story.begun[slot] += 1
        with contextlib.suppress(Exception):
            await door()
            story.served[slot] += 1


@contextlib.contextmanager
def same_clock() -> Iterator[None]:
    """Have the peers that ask for the time be told the virtual one."""
    clock = lambda: asyncio.get_running_loop().time()  # noqa: E731
    with contextlib.ExitStack() as stack:
        if "pyresilience" in sys.modules:
            stack.enter_context(mock.patch("pyresilience._retry_budget._monotonic", clock))
        yield


# ── who takes part ──────────────────────────────────────────────────────────────────────────────────────────────────


def ours(**options: Any) -> Callable[[Door], Door]:
    """Return how a client is protected by this library, its budget empty."""
    options.setdefault("budget", ub.RetryBudget(start=0))
    return ub.protect("service", effects="none", **options)


def by_hand(door: Door) -> Door:
    """Return *door* with three attempts, as people write them who have read of jitter."""

    async def work() -> Any:
        for attempt in range(2):
            with contextlib.suppress(Exception):
                return await door()
            await asyncio.sleep(random.random() * 0.1 * 2**attempt)
        return await door()

    return work


def layered(protect: Callable[[Door], Door]) -> Callable[[Door], Door]:
    """Return three layers of *protect*, each around a function that calls the one below."""

    def layer(below: Door) -> Door:
        async def work() -> Any:
            return await below()

        return work

    return lambda door: protect(layer(protect(layer(protect(door)))))


def our_sides() -> dict[str, Callable[[Door], Door]]:
    """Return what is compared without any peer."""
    return {
        "no retry": lambda door: door,
        "three attempts by hand": by_hand,
        "unbreakable": ours(breaker=False),
        "unbreakable, 3 layers": layered(ours(breaker=False)),
        "unbreakable, 10 tokens to begin with": ours(breaker=False, budget=ub.RetryBudget()),
        "no retry, breaker on": ours(retry=False),
        "unbreakable, breaker on": ours(),
        "unbreakable, breaker on, 3 layers": layered(ours()),
    }


def peers() -> dict[str, Callable[[Door], Door]]:
    """Return the peers, each as its documentation shows it, with three attempts."""
    import nopanic
    import pyresilience
    import stamina
    import tenacity

    stamina.instrumentation.set_on_retry_hooks(())  # it would write a line for every retry
    pause = tenacity.wait_random_exponential(multiplier=1, max=60)
    clock = lambda: asyncio.get_running_loop().time()  # noqa: E731

    def of_nopanic(door: Door) -> Door:
        budget = nopanic.RetryBudget(clock=clock)
        return nopanic.retry(budget=budget, clock=clock)(door)

    def of_pyresilience(door: Door) -> Door:
        retry, budget = pyresilience.RetryConfig(max_attempts=3), pyresilience.RetryBudgetConfig()
        return pyresilience.resilient(retry=retry, retry_budget=budget)(door)  # type: ignore[no-any-return]

    return {
        "nopanic retry+budget": of_nopanic,
        "pyresilience retry+budget": of_pyresilience,
        "stamina": stamina.retry(on=Exception, attempts=3, timeout=None),
        "tenacity": tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=pause),
    }


def line(name: str, stories: list[Story]) -> str:
    """Return the figures of one side: medians, and the least and the most of all seeds."""
    loads = [story.load for story in stories]
    load = f"{statistics.median(loads):5.2f} × ({min(loads):.2f}–{max(loads):.2f})"
    times = [story.recovery for story in stories if story.recovery is not None]
    soon = f"not within {Setting.after:.0f} s"
    if len(times) == len(stories):
        soon = f"{statistics.median(times):4.1f} s ({min(times):.1f}–{max(times):.1f})"
    return f"  {name:38} {load:22} {soon}"


def table(sides: dict[str, Callable[[Door], Door]], setting: Setting, seeds: list[int]) -> None:
    """Print the figures of all *sides*."""
    pace = f"{setting.clients} clients, one call in {setting.every:g} s each"
    print(f"\n{pace}; down for {setting.outage:.0f} s; seeds {seeds}")
    print(f"  {'':38} {'load':22} recovery; medians (least–most)")
    for name, protect in sides.items():
        print(line(name, [setting.play(protect, seed) for seed in seeds]), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=Setting.clients)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="without the peers")
    options = parser.parse_args()
    clients, seeds = options.clients, list(range(1, options.seeds + 1))
    table(our_sides(), Setting(clients), seeds)
    table({"no retry": lambda door: door, "unbreakable": ours(breaker=False)}, Setting(clients, every=10.0), seeds)
    if not options.alone:
        single = peers()
        table(single, Setting(max(10, clients // 10)), seeds)
        table(single, Setting(max(10, clients // 10), every=10.0), seeds)
        table({f"{name}, 3 layers": layered(each) for name, each in single.items()}, Setting(clients // 50), seeds)


if __name__ == "__main__":
    main()
