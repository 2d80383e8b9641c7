"""How well a limit of calls in flight is found, beside the limits of others, in virtual time.

A server has workers and a line before them; calls arrive at random, more than it can take.  What a call makes of it
counts if it is answered in time.  The peers are small versions of Netflix's Gradient2, Vegas and AIMD, after the
formulas of their papers and sources (netflix/concurrency-limits), each with its own defaults.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks import _full

from unbreakable.policies.limiter import Limiter

WORKERS, SERVICE, PATIENCE = 40, 0.1, 1.0
WINDOW = 1.0  # seconds; what the 10 windows of recovery are made of
SEEDS = range(12)


class Ours:
    """The limit of this library."""

    def __init__(self) -> None:
        self.limiter = Limiter(first=20, least=1, most=1000, now=0.0)
        self.batch: list[float] = []

    @property
    def limit(self) -> int:
        """Return the limit."""
        return self.limiter.whole

    def took(self, seconds: float, in_flight: int, now: float) -> None:
        """Take a success."""
        self.batch.append(seconds)
        self._look(now)

    def late(self, seconds: float, now: float) -> None:
        """Take a call that was cut."""
        self.limiter.meter.cut(seconds, now)
        self._look(now, 1)

    def full(self) -> None:
        """Take note that somebody found no place."""
        self.limiter.meter.full = True

    def _look(self, now: float, size: int = 16) -> None:
        if len(self.batch) >= size or size == 1:
            self.limiter.meter.take(self.batch, now)
            self.batch = []
            self.limiter.look(now)


class Fixed:
    """A bulkhead."""

    def __init__(self, limit: int) -> None:
        self.limit: float = limit

    def took(self, seconds: float, in_flight: int, now: float) -> None:
        """Take no notice."""

    def late(self, seconds: float, now: float) -> None:
        """Take no notice."""

    def full(self) -> None:
        """Take no notice."""


class Gradient2(Fixed):
    """Netflix's Gradient2Limit: initial 20, smoothing 0.2, queue 4, long window 600, tolerance 1.5, windows of 1 s."""

    def __init__(self) -> None:
        super().__init__(20)
        self.long: float | None = None
        self.window: list[float] = []
        self.most, self.ends = 0, 1.0

    def took(self, seconds: float, in_flight: int, now: float) -> None:
        """Take a success; at the end of a window, its mean."""
        self.window.append(seconds)
        self.most = max(self.most, in_flight)
        if now < self.ends or len(self.window) < 10:
            return
        short, most = statistics.fmean(self.window), self.most
        self.window, self.most, self.ends = [], 0, now + 1.0
        self.long = short if self.long is None else self.long + (short - self.long) * 2 / 601
        if self.long / short > 2:
            self.long *= 0.95
        if most < self.limit / 2:
            return
        gradient = max(0.5, min(1.0, 1.5 * self.long / short))
        self.limit = max(20, min(200, 0.8 * self.limit + 0.2 * (self.limit * gradient + 4)))

    def late(self, seconds: float, now: float) -> None:
        """Take a call that was cut as one that took so long, as theirs does."""
        self.took(seconds, int(self.limit), now)


class Vegas(Fixed):
    """Netflix's VegasLimit: initial 20, alpha 3 and beta 6 times log10 of the limit, windows of 1 s."""

    def __init__(self) -> None:
        super().__init__(20)
        self.best: float | None = None
        self.window: list[float] = []
        self.most, self.ends, self.dropped, self.probes = 0, 1.0, False, 0
        self.dice = random.Random(1)
        self.probe_at = 30 * self.dice.uniform(0.5, 1.0)

    def took(self, seconds: float, in_flight: int, now: float) -> None:
        """Take a success; at the end of a window, its mean."""
        self.window.append(seconds)
        self.most = max(self.most, in_flight)
        if now < self.ends or len(self.window) < 10:
            return
        mean, most, dropped = statistics.fmean(self.window), self.most, self.dropped
        self.window, self.most, self.ends, self.dropped = [], 0, now + 1.0, False
        self.probes += 1
        if self.best is None or mean < self.best or self.probes >= self.probe_at:
            self.best, self.probes = mean, 0
            self.probe_at = 30 * self.dice.uniform(0.5, 1.0) * 10
            return
        step = max(1.0, math.log10(self.limit))
        queue = math.ceil(self.limit * (1 - self.best / mean))
        if dropped:
            self.limit -= step
        elif most * 2 < self.limit:
            return
        elif queue <= step:
            self.limit += 6 * step
        elif queue < 3 * step:
            self.limit += step
        elif queue > 6 * step:
            self.limit -= step
        self.limit = max(1.0, min(1000.0, self.limit))

    def late(self, seconds: float, now: float) -> None:
        """Take a drop."""
        self.dropped = True


class Aimd(Fixed):
    """Netflix's AIMDLimit: initial 20, one more for each success when half used, a tenth less for each drop."""

    def __init__(self) -> None:
        super().__init__(20)

    def took(self, seconds: float, in_flight: int, now: float) -> None:
        """Grow when at least half is used."""
        if in_flight * 2 >= self.limit:
            self.limit = min(200.0, self.limit + 1)

    def late(self, seconds: float, now: float) -> None:
        """Shrink."""
        self.limit = max(20.0, self.limit * 0.9)


class Call:
    """A call that is at the server."""

    __slots__ = ("began", "over")

    def __init__(self, began: float) -> None:
        self.began, self.over = began, False


class Scene(NamedTuple):
    """What happens: how many workers there are, how slow they are, how many calls come in a second, at each moment."""

    seconds: int
    workers: Callable[[float], int] = lambda now: WORKERS
    slow: Callable[[float], float] = lambda now: 1.0
    rate: Callable[[float], float] = lambda now: 1.5 * WORKERS / SERVICE
    service: Callable[[random.Random], float] = lambda dice: 0.5 + 0.5 * dice.expovariate(1.0)
    timeout: float = 0.5


class Server:
    """Play calls against a server with workers and one line before them; it does not know who has given up."""

    def __init__(self, limit: Any, seed: int, scene: Scene) -> None:
        self.limit, self.dice, self.scene = limit, random.Random(seed), scene
        self.events: list[tuple[float, int, str, Any]] = []
        self.number = self.busy = self.in_flight = 0
        self.queue: deque[Call] = deque()  # who waits for a worker
        self.line: deque[float] = deque()  # when each came that waits for a place
        self.good: list[int] = []  # calls that were answered in time, second by second
        self.took: list[float] = []  #: how long those took altogether
        self.limits: list[float] = []

    def play(self) -> Server:
        """Let calls come for as long as the scene lasts."""
        self._at(0.0, "call")
        for second in range(self.scene.seconds):
            self._at(float(second), "look")
        while self.events and self.events[0][0] < self.scene.seconds:
            now, _, kind, call = heapq.heappop(self.events)
            getattr(self, f"_{kind}")(call, now)
            self._go_on(now)
        return self

    def _at(self, moment: float, kind: str, call: Any = None) -> None:
        self.number += 1
        heapq.heappush(self.events, (moment, self.number, kind, call))

    def _look(self, _: None, now: float) -> None:
        self.good.append(0)
        self.took.append(0.0)
        self.limits.append(self.limit.limit)

    def _call(self, _: None, now: float) -> None:
        self._at(now + self.dice.expovariate(self.scene.rate(now)), "call")
        self.line.append(now)

    def _done(self, call: Call, now: float) -> None:
        self.busy -= 1
        if not call.over:
            call.over = True
            self.limit.took(now - call.began, self.in_flight, now)
            self.good[-1] += 1
            self.took[-1] += now - call.began
            self.in_flight -= 1

    def _cut(self, call: Call, now: float) -> None:
        if not call.over:
            call.over = True
            self.limit.late(now - call.began, now)
            self.in_flight -= 1

    def _go_on(self, now: float) -> None:
        while self.line and self.line[0] < now - PATIENCE:
            self.line.popleft()
        while self.line and self.in_flight < int(self.limit.limit):
            self.line.popleft()
            self.in_flight += 1
            call = Call(now)
            self.queue.append(call)
            self._at(now + self.scene.timeout, "cut", call)
        if self.line:
            self.limit.full()
        while self.queue and self.busy < self.scene.workers(now):
            self.busy += 1
            seconds = SERVICE * self.scene.service(self.dice) * self.scene.slow(now)
            self._at(now + seconds, "done", self.queue.popleft())


LIMITS: dict[str, Callable[[], Any]] = {
    "unbreakable": Ours,
    "Gradient2": Gradient2,
    "Vegas": Vegas,
    "AIMD": Aimd,
    "Bulkhead(64)": lambda: Fixed(64),
}
GOAL, RECOVERY = 0.9, 10  # of the optimum, after so many windows


def optimum(scene: Scene, second: int) -> float:
    """Return how many calls the server can answer in that second."""
    return min(scene.workers(second) / SERVICE / scene.slow(second), scene.rate(second))


def share(server: Server, first: int, last: int) -> float:
    """Return the share of the optimum that was answered in time."""
    return sum(server.good[first:last]) / sum(optimum(server.scene, second) for second in range(first, last))


def exponential(dice: random.Random) -> float:
    """Return the work of a call, of which some are very quick and some very slow."""
    return dice.expovariate(1.0)


def mixed(dice: random.Random) -> float:
    """Return the work of one of two operations: seven of ten calls are fourteen times as quick as the others."""
    return (0.2 if dice.random() < 0.7 else 2.86) * (0.5 + dice.random())


def halves(now: float) -> int:
    """Return the workers: half of them are missing in the second minute."""
    return WORKERS if not 60 <= now < 120 else WORKERS // 2


HALVES = {
    "calls alike (half of each is the same, half exponential)": Scene(180, halves),
    "exponential": Scene(180, halves, service=exponential, timeout=1.0),
    "quick and slow mixed (7 : 3, 1 : 14)": Scene(180, halves, service=mixed, timeout=1.0),
}
# Ten workers; then so many that nobody waits, but each takes eight times as long, whatever is in flight.
SLOW = Scene(
    1_900,
    workers=lambda now: 10 if now < 100 else 10_000,
    slow=lambda now: 1.0 if now < 100 else 8.0,
    rate=lambda now: 150.0,
    timeout=10.0,
)


def show_halves(name: str, scene: Scene) -> bool:
    """Print how much of the optimum each limit reaches in the three minutes, from the 10th window on."""
    print(f"\nhalf of {WORKERS} workers are missing for a minute; {name}; {len(SEEDS)} seeds")
    print(
        "  answered in time, % of the optimum, windows 10 to 60 of each minute: median (worst seed); ms in the second"
    )
    met = True
    for limit, make in LIMITS.items():
        minutes = [(start + RECOVERY, start + 60) for start in (0, 60, 120)]
        servers = [Server(make(), seed, scene).play() for seed in SEEDS]
        columns = [[share(server, *minute) for server in servers] for minute in minutes]
        cells = [f"{100 * statistics.median(each):6.1f} ({100 * min(each):.1f})" for each in columns]
        latency = statistics.median(sum(server.took[70:120]) / sum(server.good[70:120]) for server in servers)
        print(f"  {limit:14}" + "   ".join(f"{cell:>16}" for cell in cells) + f"{1000 * latency:8.0f}", flush=True)
        met = met and (limit != "unbreakable" or min(map(min, columns[1:])) >= GOAL)
    return met


def show_slow() -> bool:
    """Print what becomes of each limit in half an hour of high latency that is not due to it."""
    print(f"\n30 minutes of latency 8 times as high, whatever is in flight; {len(SEEDS)} seeds")
    print("  limit before, at the end: medians; highest of all, lowest of all (trials of a window included)")
    met = True
    for limit, make in LIMITS.items():
        runs = [Server(make(), seed, SLOW).play().limits for seed in SEEDS]
        before, end = ([statistics.median(run[part]) for run in runs] for part in (slice(60, 100), slice(-60, None)))
        highest, lowest = max(max(run[102:]) for run in runs), min(min(run[102:]) for run in runs)
        print(
            f"  {limit:14}{statistics.median(before):8.0f}{statistics.median(end):8.0f}{highest:8.0f}{lowest:8.0f}",
            flush=True,
        )
        if limit == "unbreakable":
            met = all(max(run[102:]) <= max(run[60:100]) for run in runs) and min(end) > 1
    return met


if __name__ == "__main__":
    results = [*(show_halves(name, scene) for name, scene in HALVES.items()), show_slow()]
    print(f"\nat least {GOAL:.0%} after each change, by every seed: {results[:-1]}")
    print(f"no growth, and no shrinking to 1: {results[-1]}")
    results.append(_full.show())
    print(f"\nwhat refuses is used to at least {_full.GOAL:.0%}, by every seed, and an outage is seen: {results[-1]}")
    sys.exit(not all(results))
