"""What a step of a workflow costs, in memory and on file."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from unbreakable.nodes import OrchestratorNode
from unbreakable.workflows import Step

CHAINS = (1, 5, 50)  # steps, one after the other, that do nothing
AT_ONCE = (1, 100)  # runs


async def nothing() -> int:
    """Be a step that costs nothing itself."""
    return 1


async def measure(state: Path | None, length: int, at_once: int, seconds: float) -> str:
    """Return a line of the table."""
    steps = [Step(f"s{number}", nothing) for number in range(length)]
    took: list[float] = []
    async with OrchestratorNode(state=state) as orchestrator:
        began = time.perf_counter()

        async def one_after_the_other() -> None:
            while time.perf_counter() < began + seconds:
                start = time.perf_counter()
                await orchestrator.orchestrate(steps)
                took.append(time.perf_counter() - start)

        await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
        elapsed = time.perf_counter() - began
    took.sort()
    where = "memory" if state is None else "file"
    per_step = 1e6 * elapsed / len(took) / length
    p50, p99 = (1e3 * took[int(len(took) * share)] for share in (0.5, 0.99))
    return f"{where:>6} {length:>6} {at_once:>8} {len(took) / elapsed:>8.0f} {per_step:>8.1f} {p50:>8.2f} {p99:>8.2f}"


async def main(seconds: float) -> None:
    """Print the table."""
    print(f"{'runs':>6} {'steps':>6} {'at once':>8} {'runs/s':>8} {'µs/step':>8} {'p50 ms':>8} {'p99 ms':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for state in (None, Path(folder)):
            for length in CHAINS:
                for at_once in AT_ONCE:
                    place = state and state / f"{length}-{at_once}.db"
                    print(await measure(place, length, at_once, seconds), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="for each line of the table (1.5)")
    asyncio.run(main(parser.parse_args().seconds))
