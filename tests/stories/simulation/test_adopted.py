"""What an engine does for nodes and protected functions that are not its own."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.fractal.learning import learn_the_rest
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation import gains, numbers
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def test_two_of_one_name_are_two():
    """What both executed is counted."""
    engine = ub.QuantumSimulationEngine()
    first, second = ub.protect("partner")(lambda: 1), ub.protect("partner")(lambda: 2)
    for each in (first, second):
        engine.adopt(each)
    for _ in range(10):
        first()
    second()

    assert 11 == engine.get_quantum_stats().total_executions


def plan_of(mine: ub.Strategy, *phases: list[float], **pinned: object) -> dict[str, object]:
    """Return the plan in force after so many answers' seconds, phase by phase, with *mine* preferred for its speed."""
    weights = ub.ScoreWeights(time=1, quality=0, risk=0)
    engine = ub.QuantumSimulationEngine(strategies=[mine], weights=weights)

    @ub.protect("ask", effects="none", breaker=False, **pinned)
    async def ask(seconds: float) -> None:
        await sleep(seconds)

    async def main() -> None:
        engine.adopt(ask)
        numbers.at_hand()
        for phase in phases:
            for seconds in phase:
                await ask(seconds)

    with virtual_time():
        asyncio.run(main())
    return dict(ask.node.get_status().plan)


SLOW_TAIL = [0.02, 0.02, 0.02, 0.02, 0.45] * 120


def test_what_a_strategy_of_the_user_s_own_sets_is_in_force():
    """Two copies early win where only time counts; what it leaves open is learned."""
    plan = plan_of(ub.Strategy("mine", hedge=ub.Hedge(0.03, most=2), retry=ub.Retry(1)), SLOW_TAIL)

    assert ("mine", 1, 0.03) == (plan["strategy"], plan["attempts"], plan["hedge"])
    assert isinstance(plan["timeout"], float)


def test_what_is_pinned_at_the_node_is_no_strategy_s_to_change():
    """A strategy that was handed in for many nodes sends no copies where they are switched off."""
    mine = ub.Strategy("mine", hedge=ub.Hedge(0.03, most=2), retry=ub.Retry(1))
    plan = plan_of(mine, SLOW_TAIL, hedge=False, retry=ub.Retry(2))

    assert (2, None) == (plan["attempts"], plan["hedge"])


def asked(effects: str, first, later: float, calls: int, **pinned: object) -> ub.QuantumSimulationEngine:
    """Return the engine of a function whose first attempts come to what *first* says of each call, in seconds."""
    engine, numbers_of_calls = ub.QuantumSimulationEngine(), iter(range(calls))

    @ub.protect("ask", effects=effects, breaker=False, budget=False, **{"timeout": False, **pinned})
    async def ask(number: int) -> None:
        ctx = ub.current()
        seconds = first(number) if ctx.attempt == 1 and not ctx.rival else later
        await sleep(abs(seconds))
        if seconds < 0:
            raise ConnectionError("reset")

    async def main() -> None:
        engine.adopt(ask)
        for number in numbers_of_calls:
            try:
                await ask(number)
            except ConnectionError:
                continue
        learn_the_rest(ask.node)

    with virtual_time():
        asyncio.run(main())
    return engine


def known(engine: ub.QuantumSimulationEngine) -> list[list[str]]:
    """Return what is kept: seconds of calls, seconds alone, and ages."""
    ((_, pairs),) = engine.gains.every()
    return [[f"{each:.2f}" for each in pile] for pile in pairs._piles[:3]]


def test_calls_that_succeed_at_once_are_their_own_baseline():
    """They count, and nothing is gained by them, nor claimed."""
    engine = asked("none", lambda number: 0.1 + number % 7 * 0.01, 0.1, 300, hedge=False)
    calls, alone, ages = known(engine)

    assert (300, calls, {"nan"}) == (len(calls), alone, set(ages))
    assert None is engine.get_quantum_stats().avg_speedup


def test_what_is_rescued_would_have_failed_alone():
    """A failed first attempt never ends, whatever became of the call; a call that fails does not either."""
    engine = asked("none", lambda number: -0.1, 0.3, 4, hedge=False, retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    assert [["0.40"] * 4, ["inf"] * 4, ["nan"] * 4] == known(engine)

    engine = asked("none", lambda number: -0.1, -0.3, 4, hedge=False, retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    assert [["inf"] * 4, ["inf"] * 4, ["nan"] * 4] == known(engine)


def test_of_what_is_overtaken_it_is_known_that_it_takes_longer():
    """A copy that wins does not say how long the first attempt would have taken; nothing is made up."""
    engine = asked("none", lambda number: 1.0 if number % 2 else 0.05, 0.1, 40, hedge=ub.Hedge(0.2))

    calls, alone, ages = known(engine)
    assert [["0.05", "0.30"] * 20, ["0.05", "nan"] * 20, ["nan", "0.30"] * 20] == [calls, alone, ages]
    assert None is engine.get_quantum_stats().p99_speedup


@pytest.mark.parametrize(
    "pinned",
    [
        {"timeout": ub.Timeout(0.2)},
        {"timeout": ub.Timeout(0.2), "hedge": ub.Hedge(5.0)},
        {"timeout": ub.Timeout(0.2, learned=True, cut_threads=False)},
    ],
    ids=["cut at once", "cut by the script", "overtaken"],
)
def test_a_first_attempt_that_is_not_waited_for_takes_longer_than_that(pinned):
    """That a time limit of ours ended it does not mean that it would have failed alone."""
    retry = ub.Retry(2, backoff=ub.Backoff(0))
    engine = asked("none", lambda number: 1.0, 0.1, 4, **{"hedge": False, "retry": retry, **pinned})
    calls, alone, ages = known(engine)

    assert (["0.30"] * 4, ["nan"] * 4) == (calls, alone)
    assert set(ages) <= {"0.20", "0.30"}


def test_a_first_attempt_that_fails_beside_its_copy_would_have_failed_alone():
    """The copy wins; the baseline never ends."""
    engine = asked("none", lambda number: -0.25, 0.1, 4, hedge=ub.Hedge(0.2), retry=False)

    assert [["0.30"] * 4, ["inf"] * 4, ["nan"] * 4] == known(engine)


def test_a_node_that_measures_by_itself_is_counted_once():
    """What it says of its own gain is taken, and not what its first attempts came to as well."""
    engine, node = ub.QuantumSimulationEngine(), ub.FractalNode("partner", lambda: 1)
    node.gain = ub.Speedup(ratio=2.0, low=1.5, high=3.0, n=20, baseline="the first endpoint alone")
    engine.adopt(node)
    with virtual_time():  # in which nobody learns beside us
        for _ in range(50):
            node.execute_sync()
        learn_the_rest(node)

    assert 50 == next(pairs.added for _, pairs in engine.gains.every())
    assert (20, "the first endpoint alone") == (
        (found := engine.get_quantum_stats().avg_speedup).n, found.baseline
    )  # fmt: skip


def test_the_gain_of_a_protected_function_is_measured():
    """Three in ten fail at first: the median without us is at 5/7 of those that succeed."""
    engine = asked("none", lambda number: -0.1 if number % 10 < 3 else 1.0 + number % 97 / 97, 0.3, 500, hedge=False)
    found = engine.get_quantum_stats().avg_speedup

    assert found.low > 1.1
    assert ("the operation alone", "paired", None) == (found.baseline, found.estimator, found.extra_load)
    assert 0.3 == round(found.rescued, 2)


def test_what_a_job_of_the_engine_s_own_gains_is_counted_once():
    """Its node learns as any other; what its calls come to is kept with the job."""
    engine = ub.QuantumSimulationEngine()
    for _ in range(60):
        engine.execute_quantum_sync(lambda: 1, name="job")
    engine.aclose_sync()

    assert [] == list(engine.gains.every())


def test_what_is_known_of_gains_is_bounded(monkeypatch):
    """The targets that were learned from last are kept."""
    monkeypatch.setattr(gains, "MOST_TARGETS", 3)
    known = gains.Gains()
    for number in range(10):
        known.take(f"target {number}", [0.1] * 3, [], 1)

    assert ["target 7", "target 8", "target 9"] == [name for name, _ in known.every()]
    assert {4} == {pairs.added for _, pairs in known.every()}
