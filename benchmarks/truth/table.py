"""Show what came of a contest."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from benchmarks.truth.contest import OURS, Result
from benchmarks.truth.goals import GOALS, Results
from benchmarks.truth.oracle import ORACLE
from benchmarks.truth.rule import Rule
from benchmarks.truth.worlds import World

Of = Callable[[Result], float]
POINTS = ("p50", "p90", "p99", "p99.9")


def _point(which: str, at: int) -> Of:
    return lambda each: 1e3 * float(getattr(each.figures, which)[at])


COLUMNS: dict[str, tuple[Of, int]] = {
    "success %": (lambda each: 100.0 * each.figures.success, 3),
    **{name: (_point("ok", at), 1) for at, name in enumerate(POINTS)},
    **{f"{name} D": (_point("all", at), 1) for at, name in enumerate(POINTS)},
    "load": (lambda each: each.figures.load, 3),
    "worst s": (lambda each: each.figures.worst, 2),
    "score": (lambda each: each.score.total, 1),
    "time": (lambda each: each.score.time, 0),
    "quality": (lambda each: each.score.quality, 0),
    "risk": (lambda each: each.score.risk, 0),
}
JUDGED: dict[str, tuple[Of, float]] = {  # what a cell is lost by: more is better, times this sign
    "score": (lambda each: each.score.total, 1.0),
    "success": (lambda each: each.figures.success, 1.0),
    "p50": (lambda each: each.figures.all[0], -1.0),
    "p99": (lambda each: each.figures.all[2], -1.0),
    "p99.9": (lambda each: each.figures.all[3], -1.0),
}


def show(world: World, results: Results, oracle: Rule | None) -> None:
    """Print the figures of one world, a rule a line, mean and standard deviation over the seeds, and its goals."""
    print(f"\n{world.name}  {world.title}; {world.rate:g} calls/s, deadline {world.deadline:g} s")
    print(f"{'':14}" + "".join(f"{name:>{_width(digits)}}" for name, (_, digits) in COLUMNS.items()))
    for rule, each in results.items():
        cells = (_cell([of(one) for one in each], digits) for of, digits in COLUMNS.values())
        print(f"{rule:14}" + "".join(cells))
    if oracle is not None:
        print(f"  oracle: {described(oracle)}")
    if raised := _raised(results[OURS]):
        print(f"  ours raised: {raised}")
    for goal in GOALS.get(world.name, []):
        met, value = goal.judged(results)
        sign = ">=" if goal.at_least else "<="
        print(f"  {met!s:5}  {goal.what}: {value:.5g}{goal.unit} ({sign} {goal.bound:g}{goal.unit})")


def line(world: World, results: Results, oracle: Rule | None) -> None:
    """Print what matters of one world in a line: scores and successes of the best static rule, ours and the oracle."""
    peers = [rule for rule in results if rule not in {OURS, ORACLE}]
    best = max(peers, key=lambda rule: _mean(results[rule], "score"))
    cells = [
        (rule, _mean(results[rule], "score"), _mean(results[rule], "success"))
        for rule in (best, OURS, ORACLE)
        if rule in results
    ]
    text = ", ".join(f"{rule} {score:.2f} ({success:.3%})" for rule, score, success in cells)
    mark = "  LOST" if cells[1][1] < cells[0][1] else ""
    print(f"{world.name:8}{text}, load {results[OURS][0].figures.load:.3f}{mark}")
    print(f"{'':8}{world.title}; {world.rate:g} calls/s, deadline {world.deadline:g} s; {_raised(results[OURS])}")


def _raised(results: Sequence[Result]) -> str:
    errors = sum((Counter(each.errors) for each in results), Counter[str]())
    return ", ".join(f"{name} {count}" for name, count in errors.most_common())


def described(rule: Rule) -> str:
    """Return a rule in words."""
    parts = [f"{rule.attempts} attempts"]
    if rule.attempts > 1:
        set_ = [f"{name} {value:g}" for name, value in rule.pause._asdict().items() if value and value < math.inf]
        parts.append(f"pauses: {', '.join(set_) or 'none'}")
    if rule.copies:
        parts.append(
            f"copies after {', '.join(f'{1e3 * after:.1f}' for after in rule.copies)} ms, share {rule.share:g}"
        )
    parts.append(f"endpoints {rule.first}, again {rule.again}, copies {rule.aside}")
    return "; ".join(parts)


def _width(digits: int) -> int:
    return 12 + 2 * (digits == 3) if digits else 8


def _cell(values: Sequence[float], digits: int) -> str:
    finite = [each for each in values if math.isfinite(each)]
    if not finite:
        return f"{'-':>{_width(digits)}}"
    text = f"{statistics.fmean(finite):.{digits}f}"
    if digits:
        text += f"±{statistics.pstdev(finite):.{digits}f}"
    return f"{text:>{_width(digits)}}"


def lost(results: Results) -> Iterator[str]:
    """Yield the cells in which other rules are better than ours beyond the 95 % interval of paired seeds."""
    for name, (of, sign) in JUDGED.items():
        better = [
            rule for rule in results if rule not in {OURS, ORACLE} and _beats(results[rule], results[OURS], of, sign)
        ]
        if better:
            yield f"{name} of {', '.join(better)}"


def _beats(theirs: Sequence[Result], mine: Sequence[Result], of: Of, sign: float) -> bool:
    gaps = [sign * (of(his) - of(our)) for his, our in zip(theirs, mine, strict=True)]
    return statistics.fmean(gaps) > max(half_width(gaps), 1e-9)


def half_width(values: Sequence[float]) -> float:
    """Return half of the 95 % interval of the mean of *values*, by Student's t (Cornish and Fisher); 0 of one."""
    if len(values) < 2:
        return 0.0
    free = len(values) - 1
    student = 1.959964 + 2.372271 / free + 2.822497 / free**2 + 2.555850 / free**3
    return student * statistics.stdev(values) / math.sqrt(len(values))


def conclude(played: dict[str, Results]) -> None:
    """Print the means over the worlds, what of the gap to the oracle is closed, and every cell that is lost."""
    rules = list(next(iter(played.values())))
    score = {rule: statistics.fmean(_mean(each[rule], "score") for each in played.values()) for rule in rules}
    success = {rule: statistics.fmean(_mean(each[rule], "success") for each in played.values()) for rule in rules}
    print(f"\nmeans over {', '.join(played)}")
    for rule in rules:
        print(f"{rule:15}{score[rule]:8.2f}  {success[rule]:9.4%}")
    peers = [rule for rule in rules if rule not in {OURS, ORACLE}]
    best, safest = max(peers, key=score.__getitem__), max(peers, key=success.__getitem__)
    more, safer = score[OURS] - score[best], success[OURS] - success[safest]
    print(f"beats every static rule on the mean score: {more > 0.0} ({more:+.2f} of {best})")
    print(f"and on success: {safer > 0.0} ({safer:+.4%} of {safest})")
    if ORACLE in rules:
        each = statistics.fmean(max(_mean(results[rule], "score") for rule in peers) for results in played.values())
        for name, floor in (("best single rule", score[best]), ("best rule of each world", each)):
            gap, gained = score[ORACLE] - floor, score[OURS] - floor
            closed = f"closed: {gained / gap:.1%}" if gap > 0.005 else f"ours gains {gained:.2f}"
            print(f"gap from the {name} to the oracle: {gap:.2f}, {closed}")
    print("\ncells lost to static rules beyond the paired 95 % interval:")
    for name, results in played.items():
        print(f"  {name}: {'; '.join(lost(results)) or 'none'}")


def _mean(results: Sequence[Result], name: str) -> float:
    return statistics.fmean(JUDGED[name][0](each) for each in results)
