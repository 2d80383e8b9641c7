"""How well `unbreakable whatif` foretells: worlds are recorded under one setting, replayed under another, then lived.

Each world is recorded for 1,000 calls at a time, in 20 traces.  From each trace alone a replay says how calls would
fare after a change; what they do fare like is measured in the world itself, with the change, over 20,000 calls.
"within" is the share of traces whose 95 % interval for the changed side holds that truth, "told" the share of them that
tell a difference in success, p50, p99 or requests.  The last worlds are such as a trace cannot know: they may fail, and
then the replay has to say what it assumed.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import unbreakable as ub
from unbreakable.observe.calls import read_trace
from unbreakable.replay import Changes, what_if
from unbreakable.replay.compare import FIGURES
from unbreakable.testing import virtual_time

CALLS, TRACES, TRUTH, REPLAYS = 1_000, 20, 20_000, 4
GAP = 0.02  # seconds between two calls, on average
TWICE = {"effects": "none", "deadline": 5.0}
ONE = {**TWICE, "retry": False, "hedge": False, "timeout": False, "breaker": False}
QUICK = ub.Retry(3, backoff=ub.Backoff(0.02))


class Request(NamedTuple):
    """One call as its target sees it: what it is like by itself, and the chances of this attempt."""

    nature: float
    dice: random.Random


def usual(dice: random.Random) -> float:
    """Return seconds: 20 ms, give or take a half."""
    return dice.lognormvariate(-3.9, 0.5)


async def flaky(request: Request) -> None:
    """Fail one time in ten, whatever came before."""
    await asyncio.sleep(usual(request.dice))
    if request.dice.random() < 0.1:
        raise ConnectionError


async def straggling(request: Request) -> None:
    """Take ten times as long one time in twenty, whatever came before."""
    await asyncio.sleep(usual(request.dice) * (10 if request.dice.random() < 0.05 else 1))


async def bursting(request: Request) -> None:
    """Fail nearly always for 0.3 s in every 4."""
    await asyncio.sleep(usual(request.dice))
    if clock.now() % 4.0 < 0.3 and request.dice.random() < 0.9:
        raise ConnectionError


async def hopeless(request: Request) -> None:
    """Fail, for one request in twenty, each time; one time in twenty for others."""
    await asyncio.sleep(usual(request.dice))
    if request.nature < 0.05 or request.dice.random() < 0.05:
        raise ConnectionError


async def heavy(request: Request) -> None:
    """Take ten times as long, for one request in twenty, each time."""
    await asyncio.sleep(usual(request.dice) * (10 if request.nature < 0.05 else 1))


class Cell(NamedTuple):
    """A world, how it is recorded, and what is changed: as it is told to the replay, and as it is lived."""

    world: Callable[[Request], Awaitable[None]]
    recorded: dict[str, Any]
    change: str
    lived: dict[str, Any]
    is_known: bool = True


CELLS = {
    "flaky: 1 attempt → 3": Cell(flaky, ONE, "retry.attempts=3 retry.backoff.first=0.02", {"retry": QUICK}),
    "flaky: 3 attempts → 1": Cell(flaky, {**ONE, "retry": QUICK}, "retry.attempts=1", {"retry": False}),
    "flaky: budget 0.02 → off": Cell(
        flaky,
        {**ONE, "retry": QUICK, "budget": ub.RetryBudget(0.02, start=2.0)},
        "budget=off",
        {"budget": False},
    ),
    "straggling: hedge at 60 ms": Cell(straggling, ONE, "hedge.after=0.06", {"hedge": ub.Hedge(0.06)}),
    "straggling: hedge off": Cell(
        straggling, {**ONE, "hedge": ub.Hedge(0.06)}, "hedge=off", {"hedge": False}, is_known=False
    ),
    "straggling: limit 0.2 s → 0.1 s": Cell(
        straggling,
        {**ONE, "retry": QUICK, "timeout": ub.Timeout(0.2)},
        "timeout=0.1",
        {"timeout": ub.Timeout(0.1)},
    ),
    "straggling: limit 0.1 s → 0.2 s": Cell(
        straggling,
        {**ONE, "retry": QUICK, "timeout": ub.Timeout(0.1)},
        "timeout=0.2",
        {"timeout": ub.Timeout(0.2)},
        is_known=False,
    ),
    "straggling: deadline 0.1 s → 0.3 s": Cell(
        straggling, {**ONE, "deadline": 0.1}, "deadline=0.3", {"deadline": 0.3}, is_known=False
    ),
    "straggling: 3 attempts → 4": Cell(
        straggling, {**ONE, "retry": QUICK}, "retry.attempts=4", {"retry": ub.Retry(4, backoff=ub.Backoff(0.02))}
    ),
    "bursting: 2 attempts → 4": Cell(
        bursting,
        {**ONE, "retry": ub.Retry(2, backoff=ub.Backoff(0.1)), "budget": False},
        "retry.attempts=4",
        {"retry": ub.Retry(4, backoff=ub.Backoff(0.1))},
    ),
    "hopeless: 2 attempts → 4": Cell(
        hopeless,
        {**ONE, "retry": ub.Retry(2, backoff=ub.Backoff(0.02)), "budget": False},
        "retry.attempts=4",
        {"retry": ub.Retry(4, backoff=ub.Backoff(0.02))},
    ),
    "heavy: hedge at 90 ms → 60 ms": Cell(
        heavy, {**ONE, "hedge": ub.Hedge(0.09)}, "hedge.after=0.06", {"hedge": ub.Hedge(0.06)}
    ),
    "hopeless: 1 attempt → 3": Cell(
        hopeless, ONE, "retry.attempts=3 retry.backoff.first=0.02", {"retry": QUICK}, is_known=False
    ),
    "heavy: hedge at 60 ms": Cell(heavy, ONE, "hedge.after=0.06", {"hedge": ub.Hedge(0.06)}, is_known=False),
}


def record(cell: Cell, options: dict[str, Any], calls: int, seed: int, path: Path) -> None:
    """Live so many *calls* in the world of *cell*, and record them."""
    global clock
    dice = random.Random(seed)

    @ub.protect("world", **options)
    async def work(nature: float) -> None:
        await cell.world(Request(nature, dice))

    async def live() -> None:
        tasks = []
        for _ in range(calls):
            tasks.append(asyncio.create_task(work(dice.random())))
            await asyncio.sleep(dice.expovariate(1 / GAP))
        await asyncio.gather(*tasks, return_exceptions=True)

    with virtual_time(seed) as clock, ub.record_trace(path, work, most_bytes=64_000_000):
        asyncio.run(live())


def lived(path: Path) -> Any:
    """Return the figures of the calls that were recorded there."""
    calls = read_trace(path).calls
    table = np.array([(call.status in ("ok", "healed"), call.took, len(call.attempts)) for call in calls], dtype=float)
    return dict(
        zip(FIGURES, [table[:, 0].mean(), *np.quantile(table[:, 1], (0.5, 0.9, 0.99)), table[:, 2].mean()], strict=True)
    )


def judge(cell: Cell, traces: int, folder: Path) -> dict[str, Any]:
    """Return, of each figure, the truth, what was foretold on average, how often within, and how often told."""
    record(cell, {**cell.recorded, **cell.lived}, TRUTH, 10**6, folder / "truth")
    truth, foretold = lived(folder / "truth"), []
    for seed in range(traces):
        path = folder / f"trace{seed}"
        record(cell, cell.recorded, CALLS, seed, path)
        foretold.append(what_if(path, Changes(cell.change.split()), replays=REPLAYS, seed=seed))
    judged: dict[str, Any] = {"assumed": bool(foretold[0].assumed)}
    for name in FIGURES:
        figures = [getattr(found.after, name) for found in foretold]
        judged[name] = (
            truth[name],
            np.mean([figure.value for figure in figures]),
            np.mean([figure.low - 1e-9 <= truth[name] <= figure.high + 1e-9 for figure in figures]),
            np.mean([getattr(found.difference, name).can_be_told for found in foretold]),
        )
    return judged


def costs(folder: Path) -> str:
    """Return in words what it costs to record a call, and to replay it."""

    @ub.protect("cheap", retry=False, breaker=False)
    def work() -> int:
        return 1

    def seconds() -> float:
        began = time.process_time()
        for _ in range(5_000):
            work()
        return (time.process_time() - began) / 5_000

    path = folder / "costs"
    alone = min(seconds() for _ in range(5))
    with ub.record_trace(path, work) as recorder:
        recorded = min((seconds(), recorder.flush())[0] for _ in range(5))
    calls = read_trace(path).calls
    began = time.process_time()
    what_if(path, Changes(["deadline=31"]), replays=2, most_calls=2_000)
    replayed = (time.process_time() - began) / (2 * 2 * 2_000)
    return (
        f"recording: {1e6 * (recorded - alone):.1f} µs more for a call of {1e6 * alone:.1f} µs, writing included, "
        f"{path.stat().st_size / len(calls):.0f} bytes; replaying: {1e3 * replayed:.2f} ms for a call and side"
    )


def main(words: Sequence[str]) -> int:
    """Judge every world, or those whose name has the first of *words* in it; fail if a known one is foretold badly."""
    wanted, bad = (words[0] if words else ""), 0
    with tempfile.TemporaryDirectory() as folder:
        print(costs(Path(folder)))
    print(f"{'truth → foretold, within':33} {'success':>26} {'p50':>22} {'p99':>24} {'requests':>24}  told  assumed")
    for name, cell in CELLS.items():
        if wanted not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            judged = judge(cell, TRACES, Path(folder))
        rows = [judged[figure] for figure in ("success", "p50", "p99", "requests")]
        scale = (100, 1000, 1000, 1)
        shown = [f"{s * a:9.3f} → {s * b:8.3f} {100 * w:3.0f} %" for s, (a, b, w, _) in zip(scale, rows, strict=True)]
        told = max(row[3] for row in rows)
        print(f"{name:33} {'  '.join(shown)}  {100 * told:3.0f} %  {'yes' if judged['assumed'] else 'no'}", flush=True)
        bad += cell.is_known and min(row[2] for row in rows) < 0.8
        bad += not cell.is_known and not judged["assumed"]
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
