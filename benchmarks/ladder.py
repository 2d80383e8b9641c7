"""How fast a failing loop heals by what it has learned of its failures, beside the healing ladder's table alone.

Everything happens in virtual time.  First whole loops: two failures take turns, each with one rung that mends it.  Then
the ladder alone, on workloads of random nature: failures that one rung mends, sometimes or always, that need a rest, or
time; some change their nature in the middle, some look the same and are not.  The time to heal is that from the first
failure to the first of the good iterations.

    ./dev bench ladder             100 workloads
    ./dev bench ladder 1000        so many
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

from benchmarks._ladder_worlds import a_workload, play

import unbreakable as ub
from unbreakable.loops.events import RungTried
from unbreakable.loops.ladder import Ladder
from unbreakable.testing import VirtualClock, virtual_time

WORKLOADS = 100
TIMES = 10  # that each of the two failures occurs
MENDED_WITHIN = 400.0  # seconds: then it is well for sure
PAIRS = [
    ("known_remedy", "safe_state_reset"),
    ("adaptive_backoff", "quantum_refresh"),
    ("safe_state_reset", "survival_mode"),
]


class Forgetful(Ladder):
    """The table alone."""

    __slots__ = ()

    def failed(self, signature: str | None = None, now: float = 0.0) -> Any:
        """Learn nothing."""
        return super().failed(None, now)


class Broken:
    """A loop that breaks when it is told to, until the rung that mends it is tried."""

    def __init__(self, clock: VirtualClock, *, learns: bool) -> None:
        self.clock, self.rung, self.is_well = clock, "", True
        self.broken_at, self.well_at = 0.0, 0.0
        self.loop = ub.QuantumLoopEngine().create_loop(self.work, name="loop", effects="idempotent")
        self.loop.node.on(RungTried, lambda event: self.mend(event.rung))
        self.loop.node.remedy(ConnectionResetError)(lambda failure: self.mend("known_remedy"))
        if not learns:
            work = self.loop._work  # noqa: SLF001
            work.ladder = work.healer.ladder = Forgetful(work.ladder.interval)

    def work(self, ctx: ub.Context) -> None:
        """Fail as long as nobody has mended it."""
        if self.rung:
            if self.is_well:
                self.is_well, self.broken_at = False, self.clock.now()
            ctx.state["torn"] = True
            raise ConnectionResetError("no answer") if self.rung == "known_remedy" else ValueError(self.rung)
        ctx.state.pop("torn", None)
        if not self.is_well:
            self.is_well, self.well_at = True, self.clock.now()

    def mend(self, rung: str) -> None:
        """Be well if that was the right one."""
        if rung == self.rung:
            self.rung = ""

    def occur(self, rung: str) -> float:
        """Break once; return the seconds until it was well."""
        self.rung = rung
        self.clock.advance(MENDED_WITHIN)
        return self.well_at - self.broken_at


def healed(pair: tuple[str, str], *, learns: bool) -> list[float]:
    """Return how many seconds each spell takes when two failures take turns, of which each has its rung."""
    with virtual_time(1) as clock:
        broken = Broken(clock, learns=learns)
        broken.loop.start()
        clock.advance(5.5)
        took = [broken.occur(rung) for _ in range(TIMES) for rung in pair]
        broken.loop.stop_sync()
    return took


def pairs() -> float:
    """Print what two failures come to that take turns; return the worst ratio of the mean times to heal."""
    print(f"two failures that take turns, {2 * TIMES} spells; mean seconds to heal")
    print(f"  {'mended by':38} {'table':>8} {'learned':>8} {'ratio':>7}   the last four")
    worst = 0.0
    for pair in PAIRS:
        table, learned = healed(pair, learns=False), healed(pair, learns=True)
        ratio = statistics.mean(learned) / statistics.mean(table)
        worst = max(worst, ratio)
        last = ", ".join(f"{seconds:g}" for seconds in learned[-4:])
        means = f"{statistics.mean(table):8.2f} {statistics.mean(learned):8.2f}"
        print(f"  {' and '.join(pair):38} {means} {ratio:7.3f}   {last}")
    return worst


def random_ones(count: int) -> float:
    """Print what so many random workloads come to; return the worst ratio of the mean times to heal."""
    ratios, failures, tried = {}, [0, 0], [0, 0]
    for seed in range(count):
        workload = a_workload(seed)
        sides = [play(workload, learns=learns) for learns in (False, True)]
        ratios[seed] = sum(sides[1].seconds) / sum(sides[0].seconds)
        for side, played in enumerate(sides):
            failures[side] += sum(played.failures)
            tried[side] += played.tried
    ordered = sorted(ratios, key=ratios.__getitem__)
    print(f"\n{count} random workloads, seeds 0 to {count - 1}; time to heal, learned by table")
    quantiles = {"least": 0.0, "a quarter": 0.25, "half": 0.5, "three quarters": 0.75, "most": 1.0}
    for name, share in quantiles.items():
        seed = ordered[round(share * (count - 1))]
        print(f"  {name:16} {ratios[seed]:6.3f}   (seed {seed})")
    print(f"  failed iterations: {failures[0]:,} by the table, {failures[1]:,} learned")
    print(f"  resets and refreshes: {tried[0]:,} by the table, {tried[1]:,} learned")
    return max(ratios.values())


def main() -> None:
    """Print both."""
    worst_pair = pairs()
    worst = random_ones(int(sys.argv[1]) if len(sys.argv) > 1 else WORKLOADS)
    for said, figure, most in (
        ("two failures, mean time to heal", worst_pair, 0.5),
        ("any random workload", worst, 1.2),
    ):
        print(f"{said}: {figure:.3f} of the table's, at most {most}: {'met' if figure <= most else 'MISSED'}")


if __name__ == "__main__":
    main()
