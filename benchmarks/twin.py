"""Whether the twin is right: what it predicts of the seven strategies, beside what becomes of calls under them.

A model learns for an hour, or as many calls as are kept, from calls of one attempt each, and whether it is calls, or
times, that are slow from as many hedged ones.  Each strategy's plan is then played by the rules of
``benchmarks.truth``, which import nothing of ours, and with ``--real N`` by the library's own policies in virtual time,
which keep to the plan.  Errors are those of the prediction; *noise* is the difference between two truths, which differ
in nothing but their luck.  Calls of a truth do not meet, so it is the same however often they come: they are spread
over many bad times, where there are any, since a truth of a few would be luck.  The truth of *same bad times*
has other luck, but its bad times when the model saw them: bad times that come but a few times in an hour are not known
any better, and *same to truth* is how far off that leaves one who knows all else.  *policies to rules* is the
difference between the policies and the rules, with the same luck.  A world in which slowness is inherent in calls, or
comes in brownouts, counts as correlated.

    python -m benchmarks.twin --worlds W1,W6 --seeds 2
    python -m benchmarks.twin --random 20 --seed 7 --real 3000
"""

from __future__ import annotations

import argparse
import math
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from benchmarks._watched import watched, watched_copies
from benchmarks.truth.atlas import world_of
from benchmarks.truth.figures import quantiles
from benchmarks.truth.held import hold, paced
from benchmarks.truth.luck import Luck
from benchmarks.truth.paced import Paces
from benchmarks.truth.play import Run
from benchmarks.truth.worlds import WORLDS, World

from unbreakable.fractal.target import AGE_AT
from unbreakable.policies import Plan
from unbreakable.simulation.bands import with_bands
from unbreakable.simulation.model import Model
from unbreakable.simulation.score import ScoreWeights
from unbreakable.simulation.weigh import Weighed, weigh
from unbreakable.stats import Traffic

HOUR = 3_600.0  # seconds that the model learns from, of calls of one attempt each: after that old ones weigh less,
LEARN = AGE_AT  # and after so many calls
PLAYED = 1_000_000  # calls of a truth: two of a few hundred thousand may differ by more than is asked of predictions
CYCLES = 100_000  # bad times of a truth, about: of ten thousand the share of time may be off by a part in seventy
BOUNDS = {  # at most so much, in percent or percentage points: (median, p90)
    ("success", False): (math.inf, 0.5),
    ("success", True): (math.inf, 0.5),
    ("p99", False): (2.0, 5.0),
    ("p99", True): (math.inf, 15.0),
}
COVER, MANY = (0.87, 0.93), 20  # share of truths that 90 % bands hold, over at least so many worlds that are drawn
FIGURES = ("success", "p50", "p90", "p99", "load")
WORST = 8
FEWEST = 1e-5  # of success: no truth of so few calls tells more


class Cell(NamedTuple):
    """Hold what was predicted of one strategy in one world, and two truths, or the policies' in place of the second."""

    world: World
    seed: int
    predicted: Weighed  #: with bands
    truths: tuple[dict[str, float], dict[str, float]]
    same: dict[str, float]  #: of the truth that has its bad times when the model saw them
    real: dict[str, float] | None = None
    paired: dict[str, float] | None = None  #: by the rules, with the same luck as *real*

    def error(self, figure: str, than: dict[str, float] | None = None) -> float:
        """Return the error of the prediction of that *figure*, in percent."""
        return off(figure, getattr(self.predicted.prediction, figure), (than or self.truths[0])[figure])

    def among(self, figure: str) -> float:
        """Return the error beside a truth that has its bad times when the model saw them."""
        return self.error(figure, self.same)

    def covers(self, figure: str, than: dict[str, float]) -> bool:
        """Return whether that truth is within the band of the prediction."""
        told = self.predicted.prediction
        low, high = getattr(told.low, figure), getattr(told.high, figure)
        grain = FEWEST if figure == "success" else 0.0
        return bool(low - grain <= than[figure] <= high + grain)

    def unknown(self, figure: str) -> float:
        """Return how far off that truth is itself: so far is who knows all but how often bad times come."""
        return off(figure, self.same[figure], self.truths[0][figure])

    def noise(self, figure: str) -> float:
        """Return how far two truths are apart."""
        return off(figure, self.truths[1][figure], self.truths[0][figure])


def off(figure: str, told: float, true: float) -> float:
    """Return by how many percent, or percentage points of success, *told* is more than *true*."""
    if figure == "success" or told == true:
        return 100.0 * (told - true) if told != true else 0.0
    return 100.0 * (told / true - 1.0) if 0.0 < true < math.inf else math.inf


def is_correlated(world: World) -> bool:
    """Return whether slow requests come together: in one call, or at one time."""
    return (
        any(end.bad and end.slower > 1.0 for end in world.endpoints) or "inherent" in world.title or world.name == "W7"
    )


def an_hour(world: World, most: int = LEARN) -> int:
    """Return how many calls come in an hour, at most that many."""
    return min(most, round(HOUR * world.rate))


def learned(world: World, seed: int, calls: int, *, copies: bool = True) -> Traffic:
    """Return what is learned of *world*, in which nobody but ourselves ever acted."""
    traffic = watched(Luck(world, calls, seed))
    if copies:
        luck = Luck(world, calls, seed)
        other = at_its_times(luck, seed + 1_000)
        copied = watched_copies(other, traffic.ok.value(0.9) or world.deadline)
        traffic.beside.merge(copied.beside)
        traffic.beside_cut.merge(copied.beside_cut)
        traffic.sent.merge(copied.sent)
    return traffic


def figures(*runs: Run) -> dict[str, float]:
    """Return the figures of *runs* that are predicted, of all their calls together."""
    took, fine, made = (np.concatenate([getattr(run, part) for run in runs]) for part in ("took", "fine", "made"))
    p50, p90, p99, _ = quantiles(took[fine], math.inf)
    return {"success": float(fine.mean()), "p50": p50, "p90": p90, "p99": p99, "load": float(made.mean())}


def strategies(world: World, model: Model) -> list[Weighed]:
    """Return the plan of each strategy, and what is predicted of it."""
    before = Plan(effects="none", budget=None, deadline=world.deadline)  # the truth has none, either
    return weigh(model, before, lambda _: True, weights=ScoreWeights(), u=0.5)


def cells(
    name: str, seed: int, *, learn: int = LEARN, copies: bool = True, played: int = PLAYED, real: int = 0
) -> Iterator[Cell]:
    """Yield a cell for each strategy in the world of that name, of which the primary is asked alone."""
    world = world_of(name)
    world = world._replace(endpoints=world.endpoints[:1], least=0)
    own, seen = zlib.crc32(name.encode()) + seed, an_hour(world, learn)  # else all worlds would have the same luck
    traffic = learned(world, own, seen, copies=copies)
    chosen = with_bands(strategies(world, Model(traffic)), traffic)
    lucks = [[Luck(seldom(world, played), played, 1_000_000 * turn + own)] for turn in (1, 2)]
    times = range(1, 1 + -(-played // seen))  # so it has as many calls at the times when the model saw some
    lucks.append([at_its_times(Luck(world, seen, own), 1_000_000 * time + own) for time in times])
    real_luck = Luck(world, real, 3_000_000 + own) if real else None
    for one in chosen:
        plan = one.plan
        first, second, same = (figures(*(Paces(luck, paced(plan)).run() for luck in each)) for each in lucks)
        cell = Cell(world, seed, one, (first, second), same)
        if real_luck is not None:
            ours, rules = hold(real_luck, plan)[0], Paces(real_luck, paced(plan)).run()
            cell = cell._replace(real=figures(ours), paired=figures(rules))
        yield cell


def seldom(world: World, calls: int) -> World:
    """Return the same world, in which so many *calls* come so seldom that they meet very many bad times."""
    end = world.endpoints[0]
    return world._replace(rate=min(world.rate, calls / (CYCLES * (end.good + end.bad))) if end.bad else world.rate)


def at_its_times(luck: Luck, seed: int) -> Luck:
    """Return other luck, with bad times and calls when *luck* has them."""
    other = Luck(luck.world, luck.calls, seed)
    other.comes, other.regimes = luck.comes, luck.regimes
    return other


def spread(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the median, the 90th percentile and the greatest of the *values*' amounts."""
    sizes = np.abs(np.array([each if math.isfinite(each) else 1e9 for each in values]))
    return float(np.quantile(sizes, 0.5)), float(np.quantile(sizes, 0.9)), float(sizes.max())


def tell(found: list[Cell], title: str) -> None:
    """Print how far off the predictions of these cells are."""
    print(f"\n{title}: {len(found)} cells; median / p90 / max, percent, percentage points of success")
    rows = {"twin": Cell.error, "same bad times": Cell.among, "same to truth": Cell.unknown, "noise": Cell.noise}
    if found[0].real is not None:
        rows["twin to policies"] = lambda cell, figure: cell.error(figure, cell.real)
        rows["policies to rules"] = lambda cell, figure: off(figure, cell.real[figure], cell.paired[figure])
    for name, of in rows.items():
        parts = (" / ".join(f"{each:.2f}" for each in spread(of(cell, figure) for cell in found)) for figure in FIGURES)
        print(f"  {name:18}" + "".join(f"{figure} {part:24}" for figure, part in zip(FIGURES, parts, strict=True)))


def told_cover(found: list[Cell], title: str) -> None:
    """Print how many truths are within the 90 % bands."""
    for name, of in (("truths", lambda cell: cell.truths[0]), ("truths of the same bad times", lambda cell: cell.same)):
        shares = (f"{figure} {covered(found, figure, of):.1%}" for figure in FIGURES)
        print(f"  90 % bands cover, {title}, of {name}: {', '.join(shares)}")


def covered(found: list[Cell], figure: str, of: Callable[[Cell], dict[str, float]]) -> float:
    """Return the share of truths that are within the 90 % bands."""
    return float(np.mean([cell.covers(figure, of(cell)) for cell in found]))


def honest(found: list[Cell]) -> bool:
    """Print whether bands cover as they should over many worlds; return whether they do."""
    fine = True
    for figure in ("success", "p99"):
        share = np.mean([covered(found, figure, lambda cell, turn=turn: cell.truths[turn]) for turn in (0, 1)])
        fine &= COVER[0] <= share <= COVER[1]
        print(f"  {COVER[0] <= share <= COVER[1]!s:5}  90 % bands of {figure} cover {share:.1%} (87 % to 93 %)")
    return bool(fine)


def judged(found: list[Cell]) -> bool:
    """Print whether each bound holds; return whether all do."""
    fine = True
    for (figure, correlated), bounds in BOUNDS.items():
        kind = f"with{'' if correlated else 'out'} correlated slowness"
        for of, times in ((Cell.error, ""), (Cell.among, ", same bad times")):
            here = [of(cell, figure) for cell in found if is_correlated(cell.world) is correlated]
            for name, value, bound in zip(("median", "p90"), spread(here) if here else (), bounds, strict=False):
                if bound < math.inf:
                    fine &= value <= bound
                    print(f"  {value <= bound!s:5}  {name} error of {figure} {kind}{times}: {value:.2f} (<= {bound:g})")
    return fine


def worst(found: list[Cell]) -> None:
    """Print the cells that are farthest off."""
    print("\nfarthest off at p99, and in success:")
    by_p99 = sorted(found, key=lambda cell: -abs(cell.error("p99")))[:WORST]
    for cell in by_p99 + sorted(found, key=lambda cell: -abs(cell.error("success")))[:WORST]:
        mine, true = cell.predicted.prediction, cell.truths[0]
        print(
            f"  {cell.world.name:6} seed {cell.seed} {cell.predicted.plan.strategy:12} "
            f"p99 {1e3 * mine.p99:.1f}, true {1e3 * true['p99']:.1f} ms; success {mine.success:.4%}, true "
            f"{true['success']:.4%}; load {mine.load:.3f}, true {true['load']:.3f}; same times "
            f"{cell.among('p99'):+.1f} %, noise {cell.noise('p99'):+.1f} %; {cell.world.title}"
        )


def main() -> int:
    """Play the worlds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", help="names, with commas: W1 to W8, R7.12 for the twelfth that seed 7 draws")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="draw so many worlds instead")
    parser.add_argument("--seed", type=int, default=1, help="of the worlds that are drawn")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each world")
    parser.add_argument("--learn", type=int, default=LEARN, help="calls that a model learns from, at most")
    parser.add_argument("--calls", type=int, default=PLAYED, help="calls of a truth")
    parser.add_argument("--real", type=int, default=0, metavar="N", help="calls by the policies, for each strategy")
    asked = parser.parse_args()
    names = asked.worlds.split(",") if asked.worlds else [name for name in WORLDS if not WORLDS[name].servers]
    if asked.random:
        names = [f"R{asked.seed}.{number}" for number in range(1, asked.random + 1)]
    print(
        f"an hour of calls to learn from, at most {asked.learn}; {asked.calls} of a truth; seeds 1 to {asked.seeds}",
        flush=True,
    )
    found: list[Cell] = []
    for name in names:
        here = [
            cell
            for seed in range(1, asked.seeds + 1)
            for cell in cells(name, seed, learn=asked.learn, played=asked.calls, real=asked.real)
        ]
        tell(here, f"{name}{' (correlated)' if is_correlated(here[0].world) else ''}, {here[0].world.title}")
        sys.stdout.flush()
        found += here
    for correlated in (False, True):
        if part := [cell for cell in found if is_correlated(cell.world) is correlated]:
            title = f"{'with' if correlated else 'without'} correlated slowness"
            tell(part, f"all {title}")
            told_cover(part, title)
    told_cover(found, "altogether")
    worst(found)
    print()
    fine = judged(found)
    if asked.random >= MANY:
        fine &= honest(found)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
