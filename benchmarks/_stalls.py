"""How long learning holds an event loop up: calls come at a steady rate, a heart beats each millisecond beside them.

The machine itself holds the loop up, too; so beats while something is learned are told apart from all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import unbreakable as ub
from unbreakable.fractal import learning

RATE, BEAT = 1_000, 0.001  # calls a second; seconds between two beats
WARM = 3.0  # seconds until plans are made that rest on something


class Lesson(NamedTuple):
    """Hold when something was learned, the seconds of CPU that took, and whether in the event loop's thread."""

    began: float
    ended: float
    cpu: float
    on_loop: bool


def noting(learn: Callable[..., None], lessons: list[Lesson], loop_thread: int) -> Callable[..., None]:
    """Return *learn*, which notes its *lessons*."""

    @functools.wraps(learn)
    def noted(*given: Any) -> None:
        began, cpu = time.perf_counter(), time.thread_time()
        try:
            learn(*given)
        finally:
            spent, on_loop = time.thread_time() - cpu, threading.get_ident() == loop_thread
            lessons.append(Lesson(began, time.perf_counter(), spent, on_loop))

    return noted


async def play(seconds: float, beats: list[tuple[float, float]]) -> None:
    """Make calls for so long; note when the heart was to beat, and when it did."""
    dice, tasks = random.Random(1), set[asyncio.Task[Any]]()

    @ub.protect("svc", effects="idempotent")
    async def call() -> None:
        await asyncio.sleep(dice.lognormvariate(-4.5, 0.5))
        if dice.random() < 0.01:
            raise ConnectionError

    async def one() -> None:
        with contextlib.suppress(ConnectionError):
            await call()

    begun, made, due = time.perf_counter(), 0, time.perf_counter()
    while (now := time.perf_counter()) - begun < seconds:
        beats.append((due, now))
        while made < (now - begun) * RATE:
            made += 1
            tasks.add(task := asyncio.ensure_future(one()))
            task.add_done_callback(tasks.discard)
        due = time.perf_counter() + BEAT
        await asyncio.sleep(BEAT)
    await asyncio.gather(*tasks)


def stalls(seconds: float) -> dict[str, float]:
    """Return how late beats were while something was learned, and otherwise, and what learning has cost."""
    lessons, beats, learn = list[Lesson](), list[tuple[float, float]](), learning.learn
    learning.learn = noting(learn, lessons, threading.get_ident())
    try:
        asyncio.run(play(WARM + seconds, beats))
    finally:
        learning.learn = learn
    from_then = beats[0][0] + WARM
    beats, lessons = [each for each in beats if each[0] > from_then], [one for one in lessons if one.began > from_then]
    busy = [late for late in beats if any(one.began < late[1] and late[0] < one.ended for one in lessons)]
    others = set(beats) - set(busy)
    on_loop = [1e3 * one.cpu for one in lessons if one.on_loop]
    return {
        "lessons a second": len(lessons) / seconds,
        "CPU that learning takes, % of a core": 100 * sum(one.cpu for one in lessons) / seconds,
        "longest in the loop's thread, ms of CPU": max(on_loop, default=0.0),
        **late("while learning", busy),
        **late("otherwise", others),
    }


def late(when: str, beats: Any) -> dict[str, float]:
    """Return by how many milliseconds beats were late."""
    found = sorted(1e3 * (came - due) for due, came in beats) or [0.0]
    shares = {"median": 0.5, "90th percentile": 0.9, "99th percentile": 0.99, "longest": 1.0}
    return {f"late {when}, {name}, ms": found[int(share * (len(found) - 1))] for name, share in shares.items()}
