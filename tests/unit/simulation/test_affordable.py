"""What is predicted where repeats cost more than calls earn is what the real policies come to."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

import unbreakable as ub
from unbreakable.policies import Backoff, Hedge, Plan, Retry, RetryBudget
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation.evaluate import Played, evaluate
from unbreakable.simulation.manner import manners
from unbreakable.simulation.model import Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.stats import Traffic
from unbreakable.testing import virtual_time

PLAN = Plan(effects="none", retry=Retry(3, backoff=Backoff(0.01)), budget=RetryBudget(0.2))
sleep = ASYNCIO.sleep
FAST, SLOW = 0.02, 0.5  # seconds that answers take


def model(fails: float, slow: float = 0.0, count: int = 20_000) -> Model:
    dice, traffic = random.Random(3), Traffic()
    failed = int(count * fails)
    traffic.update(ok=[SLOW if dice.random() < slow else FAST for _ in range(count - failed)])
    traffic.update(failed=[FAST] * failed)
    return Model(traffic)


def assert_same(told: Prediction, other: Prediction) -> None:
    for name in ("success", "load", "p50", "p90", "p99", "p999"):
        assert getattr(told, name) == pytest.approx(getattr(other, name)), name


@pytest.mark.parametrize("fails", [0.25, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.2])
def test_requests_are_those_that_successes_earn(fails, ratio):
    """Each request is good with the same chance, and there are as many as calls, and the share that successes earn."""
    (told,) = evaluate(model(fails), [replace(PLAN, budget=RetryBudget(ratio))], 30.0)

    assert told.load == pytest.approx(1.0 + ratio * told.success, abs=1e-3)
    assert told.success == pytest.approx((1.0 - fails) / (1.0 - ratio * (1.0 - fails)), abs=0.002)


def test_a_no_earns_as_a_success_does():
    """A target of which half the attempts get one is asked again as often as if they had succeeded."""
    traffic = Traffic()
    traffic.update(ok=[FAST] * 2_000, failed=[FAST] * 2_000, answered=4_000)
    (answered,) = evaluate(Model(traffic), [PLAN], 30.0)

    assert answered.load == pytest.approx(1.0 + 0.2 * answered.success, abs=1e-3)


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, hedge=Hedge(0.1))])
def test_what_can_be_paid_is_as_without_a_budget(plan):
    """Where calls earn more than they spend a budget changes nothing."""
    found = model(0.05, slow=0.05)

    assert evaluate(found, [plan], 30.0) == evaluate(found, [replace(plan, budget=None)], 30.0)


def test_who_is_told_of_several_plans_is_told_of_each_as_if_it_were_alone():
    """One plan that cannot be paid changes no other."""
    found, plans = model(0.15), [PLAN, replace(PLAN, budget=RetryBudget(0.05)), replace(PLAN, budget=None)]

    together = evaluate(found, plans, 30.0)

    for told, plan in zip(together, plans, strict=True):
        assert_same(told, evaluate(found, [plan], 30.0)[0])
    assert together[1].success < 0.9 < together[0].success
    assert together[0].success == pytest.approx(together[2].success)


def test_who_is_told_twice_is_told_the_same():
    """What was played once is known, not what was made of it; other plans of the same kinds need no other play."""
    found, plans = model(0.15, slow=0.1), [replace(PLAN, hedge=Hedge(0.1)), replace(PLAN, budget=RetryBudget(0.05))]
    plans.append(replace(PLAN, retry=Retry(6, backoff=Backoff(0.01))))
    *ways, patient = manners(plans, 30.0)
    played = Played(found, ways, 30.0, attempts=6)

    assert played.told(ways) == played.told(ways)
    for told, plan in zip(played.told([*ways, patient]), plans, strict=True):
        assert_same(told, evaluate(found, [plan], 30.0)[0])
    assert played.plays(patient)
    more = manners([replace(PLAN, retry=Retry(7)), replace(PLAN, hedge=Hedge(0.05))], 30.0)
    assert not any(map(played.plays, more))


def test_copies_are_the_first_to_go():
    """Repeats that can be paid alone are all made, and copies as far as there is something left for them."""
    found = model(0.15, slow=0.1)
    copied, free = replace(PLAN, hedge=Hedge(0.1)), replace(PLAN, hedge=Hedge(0.1), budget=None)

    paid, dear, repeats = (evaluate(found, [plan], 30.0)[0] for plan in (copied, free, PLAN))

    assert repeats.load < paid.load < dear.load
    assert paid.success >= repeats.success - 1e-4
    assert repeats.success > 0.99
    assert paid.load == pytest.approx(1.0 + 0.2 * paid.success, abs=1e-3)


def test_where_repeats_alone_are_too_many_there_are_no_copies():
    """Then the slow answers are as slow as without copies."""
    found = model(0.3, slow=0.1)

    copied, plain = evaluate(found, [replace(PLAN, hedge=Hedge(0.1)), PLAN], 30.0)

    assert_same(copied, plain)
    assert copied.p99 >= SLOW


def test_a_target_that_is_down_is_asked_once_a_call():
    """Nobody earns anything."""
    traffic = Traffic()
    traffic.update(ok=[FAST] * 10, failed=[FAST] * 20_000)

    (told,) = evaluate(Model(traffic), [PLAN], 30.0)

    assert told.success == pytest.approx(0.0, abs=0.01)
    assert told.load == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("fails", [0.25, 0.4])
def test_the_policies_do_what_was_predicted(fails):
    """Of 3,000 real calls as many go well, with as many requests, as was foretold."""
    made, dice = [0, 0], random.Random(8)

    @ub.protect("target", effects="none", retry=PLAN.retry, budget=RetryBudget(0.2), breaker=False, strategy="adaptive")
    async def ask() -> None:
        made[0] += 1
        await sleep(FAST)
        if dice.random() < fails:
            raise ConnectionResetError

    async def call() -> None:
        try:
            await ask()
            made[1] += 1
        except ConnectionResetError:
            pass

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3_000):
                await sleep(0.001)
                group.create_task(call())

    with virtual_time():
        asyncio.run(main())
    (told,) = evaluate(model(fails), [PLAN], 30.0)

    assert told.success == pytest.approx(made[1] / 3_000, abs=0.02)
    assert told.load == pytest.approx(made[0] / 3_000, abs=0.01)
