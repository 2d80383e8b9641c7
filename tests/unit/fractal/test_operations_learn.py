"""The nine sub-operations of LEARN: each does real work, and what it does is missed without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal import learning
from unbreakable.fractal.target import COLD, FOLD
from unbreakable.fractal.trace import IN_THE_BACKGROUND, STAGES
from unbreakable.policies.timeout import learned_limit
from unbreakable.simulation import Simulating
from unbreakable.testing import virtual_time

PATHS = [f"{stage}.{name}" for stage, names in STAGES.items() if stage[:5] == "learn" for name in names]


class Dies(Exception):
    """The token died."""


def outcome(node: ub.FractalNode, *answers: Any, seconds: float = 0.0, calls: int = 1) -> ub.Outcome[Any]:
    """Return the outcome of the last of some calls whose attempts end in *answers*, then in the last of them."""
    left = list(answers)

    async def work(ctx: ub.Context, **changed: Any) -> Any:
        await asyncio.sleep(seconds)  # noqa: TID251 - virtual
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(ctx, **changed) if callable(answer) else answer

    async def main() -> ub.Outcome[Any]:
        for _ in range(calls):
            end = await node.execute(work)
            await asyncio.sleep(0.001)  # noqa: TID251 - virtual
        return end

    return asyncio.run(main())


def record() -> ub.Outcome[Any]:
    """Count how calls ended."""
    node = ub.FractalNode("n", retry=ub.Retry(2))
    for answers in [(7,), (OSError(), 7), (OSError(), OSError())]:
        end = outcome(node, *answers)
    status = node.get_status()
    assert (3, 2, 1, 1) == (status.total_executions, status.success_count, status.heal_count, status.failure_count)
    return end


def persist() -> ub.Outcome[Any]:
    """Hand what was learned to the memory, so that a node made later begins with it."""
    memory = ub.LocalMemory()
    end = outcome(ub.FractalNode("n", memory=memory), 7, seconds=1.0, calls=COLD)
    later = ub.FractalNode("n", memory=memory)
    assert 1.0 == pytest.approx(later.get_status().latency.p50, rel=0.02)
    return end


def share() -> ub.Outcome[Any]:
    """Take in what another node learned about the same target."""
    memory = ub.LocalMemory()
    mine, other = ub.FractalNode("n", memory=memory), ub.FractalNode("n", memory=memory)
    outcome(other, 7, seconds=10.0, calls=COLD + FOLD)
    end = outcome(mine, 7, seconds=1.0, calls=COLD)
    assert 10.0 == pytest.approx(mine.get_status().latency.p50, rel=0.02)
    return end


def aggregate() -> ub.Outcome[Any]:
    """Sum up what piled up: latencies as quantiles, good and bad as a rate."""
    node = ub.FractalNode("n")
    end = outcome(node, 7, seconds=2.0, calls=COLD)
    assert COLD == node.target.latency.count
    assert 1.0 == node.target.success_rate.value()
    return end


def detect_drift() -> ub.Outcome[Any]:
    """Notice that the target is no longer what it was, and forget what was known of it."""
    node, drifts = ub.FractalNode("n"), []
    node.on(ub.events.DriftDetected, drifts.append)
    outcome(node, 7, seconds=0.1, calls=600)
    end = outcome(node, 7, seconds=3.0, calls=600)
    assert [(0.1, 3.0)] == [
        (pytest.approx(each.before, rel=0.02), pytest.approx(each.after, rel=0.02)) for each in drifts
    ]
    return end


def predict() -> ub.Outcome[Any]:
    """Say what the next calls will be like."""
    node = ub.FractalNode("n")
    end = outcome(node, 7, seconds=2.0, calls=COLD)
    forecast = node.target.forecast
    assert (1.0, 2.0) == (forecast.success_rate, pytest.approx(forecast.p99, rel=0.02))
    return end


def tune() -> ub.Outcome[Any]:
    """Derive a time limit from the latencies seen."""
    node = ub.FractalNode("n", effects="none")
    end = outcome(node, 7, seconds=2.0, calls=COLD)
    assert 6.0 == pytest.approx(node.get_status().plan["timeout"], rel=0.04)
    return end


def plan() -> ub.Outcome[Any]:
    """Make a plan when enough was seen, and not before."""
    node, plans = ub.FractalNode("n"), []
    node.on(ub.events.PlanPublished, lambda event: plans.append(event.observations))
    outcome(node, 7, seconds=2.0, calls=COLD - 1)
    assert [] == plans
    end = outcome(node, 7, seconds=2.0)
    assert [COLD] == plans
    return end


def publish() -> ub.Outcome[Any]:
    """Put the plan in force, for the attempts in flight, too: one that hangs since before is cut, and made again."""
    node, tries = ub.FractalNode("n", effects="none"), []

    async def hang() -> None:
        tries.append(1)
        await asyncio.sleep(1000 if len(tries) == 1 else 0.1)  # noqa: TID251 - virtual

    async def quick() -> int:
        await asyncio.sleep(0.1)  # noqa: TID251 - virtual
        return 7

    async def main() -> ub.Outcome[Any]:
        hanging = asyncio.ensure_future(node.execute(hang))
        for _ in range(COLD):
            end = await node.execute(quick)
        assert (ub.Status.HEALED, True) == ((await hanging).status, (await hanging).elapsed < 5.0)
        return end

    return asyncio.run(main())


CLOCK: list[Any] = []
CHECKS: list[Callable[[], ub.Outcome[Any]]] = [
    record, persist, share, aggregate, detect_drift, predict, tune, plan, publish,
]  # fmt: skip


def _no(*_: Any, **__: Any) -> None:
    return None


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "record": (learning, "record", _no),
    "persist": (learning, "persist", _no),
    "share": (learning, "share", _no),
    "aggregate": (learning, "aggregate", _no),
    "detect_drift": (learning, "detect_drift", _no),
    "predict": (learning, "predict", _no),
    "tune": (Simulating, "plan", lambda self, target, before, traffic, dice: before),
    "plan": (learning, "optimize", _no),
    "publish": (learning, "publish", _no),
}


@pytest.fixture(autouse=True)
def _virtual() -> Any:
    with virtual_time() as clock:
        CLOCK.append(clock)
        yield


def test_every_sub_operation_has_a_check_and_a_mutant() -> None:
    """Three stages of three, each checked."""
    names = [path.rpartition(".")[2] for path in PATHS]

    assert 9 == len(names)
    assert names == [check.__name__ for check in CHECKS] == list(MUTANTS)


@pytest.mark.parametrize(("path", "check"), list(zip(PATHS, CHECKS, strict=True)), ids=PATHS)
def test_it_does_its_work_and_says_so(path: str, check: Callable[[], ub.Outcome[Any]]) -> None:
    """The check holds; the trace shows that the sub-operation ran, or is told as running in the background."""
    end = check()

    assert end.trace is not None
    assert end.trace.ran(path) or path in IN_THE_BACKGROUND
    assert IN_THE_BACKGROUND == end.trace.background


@pytest.mark.parametrize(("path", "check"), list(zip(PATHS, CHECKS, strict=True)), ids=PATHS)
def test_it_is_missed_when_it_does_nothing(
    path: str, check: Callable[[], ub.Outcome[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the sub-operation its check fails."""
    monkeypatch.setattr(*MUTANTS[path.rpartition(".")[2]])

    with pytest.raises((AssertionError, TypeError, ValueError, AttributeError, ub.errors.UnbreakableError)):
        check()


def test_background_work_is_counted() -> None:
    """The status of a node says how often each background sub-operation ran."""
    node = ub.FractalNode("n", effects="none")
    outcome(node, 7, seconds=1.0, calls=COLD)

    assert set(IN_THE_BACKGROUND) == set(node.get_status().background)


def test_what_was_known_of_a_target_that_drifted_is_forgotten() -> None:
    """Latency, forecast and time limit are those of the target as it is now, not of what it was for much longer."""
    memory = ub.LocalMemory()
    node = ub.FractalNode("n", effects="none", timeout=None, hedge=False, memory=memory)
    outcome(node, 7, seconds=0.1, calls=5_000)
    before = node.get_status()
    outcome(node, 7, seconds=0.4, calls=2 * FOLD)
    after = node.get_status()

    assert 0.1 == pytest.approx(before.latency.p50, rel=0.02)
    assert [0.4, 0.4] == pytest.approx([after.latency.p50, after.latency.p99], rel=0.02)
    assert after.plan["observations"] < 4 * FOLD < before.plan["observations"]
    assert 5_000 + 2 * FOLD == after.success_count
    node.aclose_sync()
    assert 5_000 + 2 * FOLD == memory.summary().learnings


def test_what_came_in_one_batch_before_a_drift_is_forgotten_too() -> None:
    """Of a batch in whose middle the target became another one, the part before that teaches nothing."""
    node = ub.FractalNode("n", effects="none", timeout=None, hedge=False)
    outcome(node, 7, seconds=0.1, calls=COLD + FOLD + FOLD // 2)
    outcome(node, 7, seconds=0.4, calls=FOLD // 2)
    latency = node.target.traffic.ok

    assert FOLD // 2 == latency.count
    assert [0.4, 0.4] == pytest.approx([latency.value(0.01), latency.value(0.99)], rel=0.02)


@pytest.mark.parametrize(("pause", "known"), [(20.0, range(2_000, 4_000)), (0.1, range(4_700, 5_001))])
def test_of_a_target_that_is_asked_seldom_the_older_half_counts_half_each_hour(pause: float, known: range) -> None:
    """What it was like days ago fades within a day, as long as there are two thousand calls left to learn from."""

    @ub.protect("n", effects="none", timeout=None, hedge=False)
    async def ask() -> int:
        return 7

    async def main() -> None:
        for _ in range(5_000):
            await ask()
            await asyncio.sleep(pause)  # noqa: TID251 - virtual

    asyncio.run(main())

    assert ask.node.target.latency.count in known


def test_after_a_drift_what_hangs_is_cut_before_anything_new_is_learned():
    """After twice as long as before, at least; who had no learned limit gets none."""
    node = ub.FractalNode("n", effects="none")
    target = node.target
    before = replace(target.plan, timeout=learned_limit(0.5, 30.0), observations=100)
    target.adopt(before)
    target.latency.update_many([0.4] * 11)

    assert 1.2 == pytest.approx(learning.cooled(target).limit, rel=0.05)
    assert (0, target.cold.retry) == (learning.cooled(target).observations, learning.cooled(target).retry)
    target.adopt(replace(before, timeout=ub.Timeout(0.5)))
    assert learning.cooled(target) == target.cold
    target.adopt(replace(before, timeout=None))
    assert learning.cooled(target) == target.cold


def test_attempts_of_calls_that_go_on_say_nothing_of_how_calls_end(caplog):
    """While the first call is healing there is no rate of successes yet."""
    node = ub.FractalNode("n", effects="none", memory=(memory := ub.LocalMemory()))

    def heals(ctx: ub.Context) -> int:
        if ctx.attempt == 1:
            raise OSError("down")
        learning.learn_the_rest(node)
        return 7

    node.execute_sync(heals)

    assert (None, []) == (node.target.forecast.success_rate, caplog.messages)
    assert memory.get("n") is not None


def test_who_comes_to_learn_while_somebody_learns_leaves_it_to_them():
    """A memory that has the node learn when it is told of something is told of that once."""
    told = []

    class Asks(ub.LocalMemory):
        def add(self, *given):
            told.append(given[1]["traffic"])
            node.execute_sync(lambda: 7)
            learning.learn_the_rest(node)

    node = ub.FractalNode("n", memory=Asks())
    node.execute_sync(lambda: 7)
    learning.learn_the_rest(node)

    assert (1, 2) == (len(told), node.get_status().success_count)


def test_after_a_drift_bad_luck_is_no_outage_though_nothing_new_is_learned():
    """The breaker stays as it was learned; a cold one would rest for half a minute after five failures in a row."""
    target = ub.FractalNode("n", effects="none").target
    guess = ub.CircuitBreaker(30, rest=0.2, most_rest=30.0, learned=True)

    assert guess == learning.cooled(with_plan(target, breaker=guess)).breaker
    assert target.cold.breaker == learning.cooled(with_plan(target, breaker=ub.CircuitBreaker(7))).breaker
    assert target.cold.breaker == learning.cooled(with_plan(target, breaker=None)).breaker


def test_after_a_drift_what_takes_long_may_take_long():
    """The learned deadline stays; a target that takes longer than the cold one would be lost for good."""
    target = ub.FractalNode("n", effects="none").target

    cooled = learning.cooled(with_plan(target, deadline=400.0, timeout=learning.learned_limit(20.0, 400.0)))
    assert (400.0, 40.0) == (cooled.deadline, cooled.limit)
    assert learning.cooled(with_plan(target, deadline=3.0)).deadline == target.cold.deadline


def with_plan(target: Any, **changes: Any) -> Any:
    """Return *target* with a plan that was changed so."""
    target.plan = replace(target.plan, **changes)
    return target
