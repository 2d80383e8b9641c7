"""A worker under ``unbreakable run`` is killed a thousand times at random moments of 100 iterations a second.

    ./dev lab kills [TIMES [SEED]] [VICTIM …]    instead of the worker any of: worker, supervisor, both, deputy

Nothing that was kept may be lost, every tick must have a fate, and the next iteration begins within three times what
it takes here to notice a death by a pidfd and to have a forked process begin.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from tests.faults.killing import killed, lost
from tests.faults.table.injecting import baseline

MOST_WRONG = 10  # that are printed


def main() -> int:
    """Print what was lost, and how long it took."""
    numbers = [word for word in sys.argv[1:] if word.isdecimal()]
    times, seed = (int(word) for word in [*numbers, *["1000", "1"][len(numbers) :]])
    victims = [word for word in sys.argv[1:] if not word.isdecimal()] or ["worker"]
    is_good = True
    for durability in ("process", "durable"):
        bare = baseline(21)
        with tempfile.TemporaryDirectory() as folder:
            seen = killed(Path(folder).resolve(), times, durability, seed, victims)
        wrong, took = lost(seen), sorted(seen.took)
        p50, p99 = statistics.median(took), took[min(len(took) - 1, int(0.99 * len(took)))]
        print(f"{durability}: {times} kills of {'/'.join(victims)}, seed {seed},", end=" ")
        print(f"{len(seen.begun):,} iterations, {seen.place.seen:,} ticks:")
        print(f"  {', '.join(f'{fate} {count:,}' for fate, count in seen.place.counts.items() if count)}")
        print(f"  lost or without a fate: {len(wrong)}", *wrong[:MOST_WRONG], sep="\n    ")
        print(f"  next iteration after {p50 * 1000:.0f} ms at the median, p99 {p99 * 1000:.0f} ms, worst", end=" ")
        print(
            f"{took[-1] * 1000:.0f} ms; bare {bare * 1000:.1f} ms: {p50 / bare:.1f} and {p99 / bare:.1f} times as long"
        )
        for each in victims if len(victims) > 1 else ():
            of_it = [seconds * 1000 for seconds, whom in zip(seen.took, seen.whom, strict=True) if whom == each]
            print(
                f"  of {each}: {len(of_it)}, {statistics.median(of_it):.0f} ms at the median, worst {max(of_it):.0f} ms"
            )
        is_good = is_good and not wrong and p99 <= 3 * bare
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
