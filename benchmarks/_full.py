"""What a target that refuses whatever is too much still answers, through a limit or a throttle with the circuit on.

Virtual time, the whole library.  A server has ten places and no line: a call that finds one is answered after a quarter
of a second, more or less; any other one is told 503 at once.  Half as many calls again come as it can take.  *Goodput*
is what it answered of what it could have answered.  Of an outage, which begins while it is full, it is told when the
circuit opens, and how many requests were made in its first half minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import unbreakable as ub
from unbreakable.testing import virtual_time

PLACES, SERVICE = 10, 0.25
SEEDS = range(1, 6)
GOAL = 0.9
OUTAGE = 20.0  # seconds until it begins


class Full(Exception):
    """Say that there is no room, and maybe when to come again."""

    http_status = 503

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("no room")
        if retry_after is not None:
            self.retry_after = retry_after


class Scene(NamedTuple):
    """Hold what the server is like at each moment, and how many calls come, as a multiple of what it can take."""

    seconds: float
    places: Callable[[float], int] = lambda now: PLACES
    down: Callable[[float], Exception | None] = lambda now: None
    load: float = 1.5
    service: float = SERVICE
    answer: float = 0.005  #: seconds that a refusal takes
    wish: float | None = None  #: seconds after which whoever is refused may come again
    burst: int = 1  #: calls that come together


class Server:
    """Take so many at once, and no more."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.inside, self.zero = scene, 0, asyncio.get_running_loop().time()
        self.asked: list[float] = []
        self.served: list[float] = []

    @property
    def now(self) -> float:
        """Return the seconds since the scene began."""
        return asyncio.get_running_loop().time() - self.zero

    async def ask(self) -> str:
        """Answer, or say why not."""
        self.asked.append(self.now)
        trouble = self.scene.down(self.now)
        if trouble is None and self.inside >= self.scene.places(self.now):
            trouble = Full(self.scene.wish)
        if trouble is not None:
            await asyncio.sleep(self.scene.answer)
            raise trouble
        self.inside += 1
        try:
            await asyncio.sleep(self.scene.service * (0.5 + 0.5 * random.expovariate(1.0)))
        finally:
            self.inside -= 1
        self.served.append(self.now)
        return "served"


class Story(NamedTuple):
    """Hold what happened."""

    scene: Scene
    asked: list[float]
    served: list[float]
    opened: list[float]  #: when the circuit opened

    def goodput(self, first: float, last: float) -> float:
        """Return what was answered in that time, of what could have been."""
        can = sum(self.scene.places(second + 0.5) for second in range(round(first), round(last))) / self.scene.service
        return sum(first <= moment < last for moment in self.served) / can

    def soon(self) -> float:
        """Return how many seconds after the outage began the circuit opened."""
        return min((moment - OUTAGE for moment in self.opened if moment >= OUTAGE), default=math.inf)

    def requests(self) -> int:
        """Return how many were made in the first half minute of the outage."""
        return sum(OUTAGE <= moment < OUTAGE + 30 for moment in self.asked)


def play(scene: Scene, seed: int, **options: Any) -> Story:
    """Return what became of the *scene* where calls are protected with these *options*."""
    with virtual_time(seed):
        random.seed(seed)
        return asyncio.run(_play(scene, options))


async def _play(scene: Scene, options: dict[str, Any]) -> Story:
    server, opened = Server(scene), list[float]()
    door = ub.protect("server", effects="idempotent", **options)(server.ask)
    door.node.on(ub.events.CircuitOpened, lambda event: opened.append(server.now))
    tasks: set[asyncio.Task[None]] = set()

    async def call() -> None:
        with contextlib.suppress(Exception):
            await door()

    rate = scene.load * scene.places(0.0) / scene.service
    while server.now < scene.seconds:
        for _ in range(scene.burst):
            task = asyncio.ensure_future(call())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(random.expovariate(rate / scene.burst))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Story(scene, server.asked, server.served, opened)


def halves(now: float) -> int:
    """Return the places: half of them are missing for forty seconds."""
    return PLACES if not 40 <= now < 80 else PLACES // 2


def gone(error: Callable[[], Exception]) -> Scene:
    """Return an outage in which each request ends in such an *error*."""
    return Scene(60, down=lambda now: error() if now >= OUTAGE else None)


SIDES: dict[str, dict[str, Any]] = {
    "limit, circuit": {"limit": ub.AdaptiveLimit()},
    "limit alone": {"limit": ub.AdaptiveLimit(), "breaker": False},
    "throttle, circuit": {"throttle": ub.Throttle()},
    "throttle alone": {"throttle": ub.Throttle(), "breaker": False},
    "circuit alone": {},
}
HALVES = {
    "half of the places are missing for 40 s": Scene(120, halves),
    "the same; refusals take 50 ms": Scene(120, halves, answer=0.05),
    "the same; who is refused is told to come again in a second": Scene(120, halves, wish=1.0),
}
OUTAGES = {
    "nobody is there": gone(lambda: ConnectionRefusedError("gone")),
    "503 for everybody": gone(Full),
    "503 for everybody, to come again in a second": gone(lambda: Full(1.0)),
}
PARTS = ((10, 40), (50, 80), (90, 120))  # from ten seconds after each change


def show() -> bool:
    """Print it; return whether the limit beside a circuit reaches the goal by every seed, and lets no outage pass."""
    met = True
    for name, scene in HALVES.items():
        print(f"\n{name}; {len(SEEDS)} seeds; goodput in % from 10 s after each change: median (worst seed)")
        for side, options in SIDES.items():
            stories = [play(scene, seed, **options) for seed in SEEDS]
            shares = [[story.goodput(*part) for story in stories] for part in PARTS]
            cells = [f"{100 * statistics.median(each):6.1f} ({100 * min(each):.1f})" for each in shares]
            print(f"  {side:20}" + "   ".join(f"{cell:>16}" for cell in cells), flush=True)
            met = met and (side != "limit, circuit" or min(map(min, shares)) >= GOAL)
    for name, scene in OUTAGES.items():
        print(f"\noutage: {name}; medians (most): seconds until the circuit opens, requests in 30 s")
        for side in ("limit, circuit", "throttle, circuit"):
            stories = [play(scene, seed, **SIDES[side]) for seed in SEEDS]
            soon, requests = [story.soon() for story in stories], [story.requests() for story in stories]
            middle = statistics.median
            cells = f"{middle(soon):8.1f} ({max(soon):.1f}){middle(requests):8.0f} ({max(requests)})"
            print(f"  {side:20}{cells}", flush=True)
            met = met and max(soon) < 10.0
    return met
