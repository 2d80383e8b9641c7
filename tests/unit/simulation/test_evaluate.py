"""What is predicted of plans, against closed forms and against a slow and simple simulation of the same rules."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import replace

import pytest
from tests.dense import most

from unbreakable.policies import Backoff, Hedge, Plan, Retry, Timeout
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.model import POINTS, Model
from unbreakable.simulation.spells import Spells
from unbreakable.simulation.universes import universes
from unbreakable.stats import Traffic

ONCE = Plan(effects="idempotent", retry=Retry(1), timeout=None, hedge=None, budget=None)


@functools.cache  # it is only read
def model(*, tail: float = 0.05, fails: float = 0.0, hangs: float = 0.0, seed: int = 1) -> Model:
    dice, traffic = random.Random(seed), Traffic()
    for _ in range(20_000):
        u = dice.random()
        if u < fails:
            traffic.update(failed=[0.004])
        elif u < fails + hangs:
            traffic.update(cut=[5.0])
        else:
            traffic.update(ok=[dice.lognormvariate(-3.0, 0.4) * (10 if dice.random() < tail else 1)])
    return Model(traffic)


def played(found: Model, plan: Plan, deadline: float, calls: int = 24_000) -> tuple[float, float, float, float]:
    """Play calls one by one; return the share of successes, p50 and p99 of their seconds, and requests per call."""
    dice, took, requests, tables = random.Random(5), [], 0, (found.answers.tolist(), found.faults.tolist())
    for _ in range(calls):
        clock, number = 0.0, 0
        while True:
            end, won, copies = attempt(found, tables, plan, dice, number, deadline - clock)
            clock, requests, number = clock + end, requests + copies, number + 1
            if won and clock <= deadline:
                took.append(clock)
            pause = plan.retry.backoff.pause(number, dice.random())
            if won or number >= plan.retry.attempts or clock + pause >= deadline:
                break
            clock += pause
    took.sort()
    return len(took) / calls, took[len(took) // 2], took[int(len(took) * 0.99)], requests / calls


def attempt(
    found: Model, tables: tuple[list[float], ...], plan: Plan, dice: random.Random, number: int, left: float
) -> tuple[float, bool, int]:
    limit = min(plan.limit, left)
    best, ends, leader = math.inf, [], math.inf
    for copy in range(1 + (plan.hedge.most if plan.hedge else 0)):
        start = copy * plan.hedge.after if copy and plan.hedge else 0.0
        if copy and min(best, leader) <= start:
            break
        failed = dice.random() < found.fails
        length = tables[failed][int(dice.random() * POINTS)]
        ends.append(start + min(length, limit))
        leader = ends[0]
        if not failed and length <= limit:
            best = min(best, start + length)
    return (best if best < math.inf else max(ends)), best < math.inf, len(ends)


PLANS = {
    "one attempt": ONCE,
    "retries": replace(ONCE, retry=Retry(4, backoff=Backoff(0.05))),
    "time limit": replace(ONCE, retry=Retry(3, backoff=Backoff(0.01)), timeout=Timeout(0.3)),
    "hedge": replace(ONCE, hedge=Hedge(0.1)),
    "two copies": replace(ONCE, hedge=Hedge(0.08, most=2)),
    "everything": replace(ONCE, retry=Retry(3, backoff=Backoff(0.02)), timeout=Timeout(0.4), hedge=Hedge(0.1)),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("target", [{}, {"fails": 0.05}, {"fails": 0.2, "hangs": 0.02}])
def test_it_predicts_what_playing_call_by_call_gives(name, target):
    """A thousand universes tell success, median, tail and load of any plan as many thousands of calls do."""
    found = model(**target)
    success, p50, p99, load = played(found, PLANS[name], 2.0)
    (prediction,) = evaluate(found, [PLANS[name]], 2.0)

    assert success == pytest.approx(prediction.success, abs=0.006)
    assert p50 == pytest.approx(prediction.p50, rel=0.03)
    assert p99 == pytest.approx(prediction.p99, rel=0.12)
    assert load == pytest.approx(prediction.load, rel=0.02)


def test_the_closed_form_of_a_hedge_agrees():
    """With one copy after d, the chance to wait longer than t is that of both: S(t) · S(t - d)."""
    found = model()
    (prediction,) = evaluate(found, [PLANS["hedge"]], 60.0)
    answers = sorted(found.answers)

    def survives(t: float) -> float:
        return sum(each > t for each in answers) / POINTS

    t = prediction.p99

    assert 0.01 == pytest.approx(survives(t) * survives(t - 0.1), abs=0.003)


def test_what_may_happen_once_only_is_played_once():
    """An operation that must not be repeated is predicted without repeats."""
    plan = replace(PLANS["retries"], effects="once")
    (prediction,) = evaluate(model(fails=0.2), [plan], 2.0)

    assert 0.8 == pytest.approx(prediction.success, abs=0.01)
    assert 1.0 == prediction.load


def test_what_was_cut_is_not_repeated_where_nobody_knows_what_it_did():
    """With unknown effects an attempt that our time limit cut is the last one."""
    plan = replace(PLANS["time limit"], effects="unknown", timeout=Timeout(0.08))
    known, unknown = evaluate(model(), [replace(plan, effects="idempotent"), plan], 5.0)

    assert known.success > 0.95 > unknown.success


def test_a_target_that_never_answers_is_predicted_to_fail():
    """No success has no median."""
    traffic = Traffic()
    traffic.update(failed=[0.1] * 100)
    (prediction,) = evaluate(Model(traffic), [PLANS["everything"]], 2.0)

    assert (0.0, math.inf) == (prediction.success, prediction.p50)


def test_an_answer_after_the_deadline_is_none():
    """A call that would succeed late has failed, and took as long as the deadline."""
    found = model(tail=0.0)
    slow = found.quantile(0.5)

    late, early = (evaluate(found, [ONCE], deadline)[0] for deadline in (slow, 100.0))

    assert (0.4, pytest.approx(1.0)) == (pytest.approx(late.success, abs=0.15), early.success)


def test_a_late_repeat_is_none_either():
    """Also an attempt that began in time counts for nothing when it ends after the deadline."""
    found = model(tail=0.0, fails=0.5)
    plan = replace(ONCE, retry=Retry(2, backoff=Backoff(first=found.quantile(0.5), jitter=False)))

    (short,) = evaluate(found, [plan], found.quantile(0.5) + 0.006 + found.quantile(0.1))

    assert short.success < 0.6


def test_a_copy_that_ends_after_the_deadline_saves_nothing():
    """A copy has as much time as its leader, but the deadline is the call's."""
    found = model(tail=0.0)
    half = found.quantile(0.5)  # of the leaders end in time; of the copies none, which begin late and take as long

    (short,) = evaluate(found, [replace(ONCE, hedge=Hedge(0.9 * half))], half)

    assert short.success == pytest.approx(0.5, abs=0.05)


def test_copies_of_a_slow_failure_save_the_call():
    """A failure shows after 0.4 s; the copy of 0.1 s, which fails in one of five, is back long before."""
    traffic = Traffic()
    traffic.update(ok=[0.05] * 8_000, failed=[0.4] * 2_000)
    (told,) = evaluate(Model(traffic), [replace(ONCE, hedge=Hedge(0.1))], 2.0)

    assert told.success == pytest.approx(1.0 - 0.2**2, abs=0.01)
    assert told.load == pytest.approx(1.2, abs=0.01)
    assert told.p99 == pytest.approx(0.15, rel=0.05)


def test_an_attempt_that_is_cut_is_over_when_its_copy_is():
    """Nothing is back within 0.2 s; the copy of 0.1 s is cut at 0.3 s, and the second attempt comes after that."""
    traffic = Traffic()
    traffic.update(ok=[0.01] * 5_000 + [5.0] * 5_000)
    plan = replace(ONCE, retry=Retry(2, backoff=Backoff(0.05, jitter=False)), timeout=Timeout(0.2), hedge=Hedge(0.1))
    (told,) = evaluate(Model(traffic), [plan], 2.0)

    assert told.success == pytest.approx(1.0 - 0.5**4, abs=0.03)
    assert told.p90 == pytest.approx(0.36, rel=0.06)  # 0.75 by the first attempt and its copy, 0.125 by the second


def test_a_limit_that_cuts_nothing_is_none():
    """A hard limit beyond the slowest answer changes nothing."""
    found, plan = model(fails=0.1), replace(PLANS["retries"], effects="unknown")
    limited, free = evaluate(found, [replace(plan, timeout=Timeout(20.0)), plan], 60.0)

    assert found.slowest < 20.0
    assert (limited.success, limited.load) == pytest.approx((free.success, free.load), abs=1e-4)
    assert (limited.p50, limited.p99) == pytest.approx((free.p50, free.p99), rel=0.02)


def test_plans_that_differ_in_their_names_alone_are_told_the_same():
    """What is predicted of a plan does not depend on those beside it, nor on its name."""
    plan = PLANS["everything"]
    told = evaluate(model(fails=0.1), [plan, PLANS["retries"], replace(plan, strategy="mine")], 2.0)
    (alone,) = evaluate(model(fails=0.1), [plan], 2.0)

    assert told[0] == told[2]
    assert told[0].p99 == pytest.approx(alone.p99, rel=1e-3)
    assert (told[0].success, told[0].load) == pytest.approx((alone.success, alone.load), abs=1e-5)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("target", [{}, {"fails": 0.05}, {"fails": 0.2, "hangs": 0.02}])
def test_what_is_told_is_no_luck(monkeypatch, name, target):
    """A thousand other universes tell the same as sixteen thousand do, whichever they are."""
    found, plan = model(**target), PLANS[name]
    (true,) = evaluate(found, [plan], 2.0, 16_000)
    for seed in range(most(40, 3)):
        monkeypatch.setattr("unbreakable.simulation.evaluate.universes", functools.partial(universes, seed=seed))
        (told,) = evaluate(found, [plan], 2.0)

        assert told.success == pytest.approx(true.success, abs=0.005)
        assert told.p50 == pytest.approx(true.p50, rel=0.015)
        assert told.p99 == pytest.approx(true.p99, rel=0.1)
        assert told.load == pytest.approx(true.load, rel=0.015)


def test_calls_that_a_copy_has_saved_are_not_repeated():
    """Of the failures, which show after 0.4 s, one in five is left when the copy of 0.1 s is back; it is repeated."""
    traffic = Traffic()
    traffic.update(ok=[0.05] * 8_000, failed=[0.4] * 2_000)
    (told,) = evaluate(Model(traffic), [replace(ONCE, hedge=Hedge(0.1), retry=Retry(2, backoff=Backoff(0.01)))], 5.0)

    assert told.load == pytest.approx(1.0 + 0.2 + 0.2**2, abs=0.01)


def test_what_is_likely_after_failures_is_what_bayes_says():
    """In spells of trouble each failure says that it is one, and each second that goes by says that it may be over."""
    traffic = Traffic()
    traffic.update(ok=[0.01] * 900, failed=[0.02] * 100)
    found, share, well, ill, memory = Model(traffic), 0.1, 0.02, 0.82, 0.3
    found.fails, found.trouble = well + (ill - well) * share, Spells(share, well, ill, memory)
    plan = replace(ONCE, retry=Retry(4, backoff=Backoff(0.2, factor=1.0, jitter=False)))
    (told,) = evaluate(found, [plan], 10.0)

    bad, lost, made, lag = share, 1.0, 0.0, 0.0
    for _ in range(4):
        bad = share + (bad - share) * math.exp(-lag / memory)
        fails = well + (ill - well) * bad
        made, lost, bad, lag = made + lost, lost * fails, bad * ill / fails, 0.2 + 0.02
    assert told.success == pytest.approx(1.0 - lost, rel=0.01)
    assert 1.0 - told.success == pytest.approx(lost, rel=0.03)
    assert told.load == pytest.approx(made, rel=0.005)


def test_failed_repeats_take_their_time():
    """Half of the attempts fail after 0.4 s: who succeeds at the third one was at it for 0.4 + 0.1 + 0.4 + 0.1 s."""
    traffic = Traffic()
    traffic.update(ok=[0.01] * 5_000, failed=[0.4] * 5_000)
    plan = replace(ONCE, retry=Retry(3, backoff=Backoff(0.1, factor=1.0, jitter=False)))
    (told,) = evaluate(Model(traffic), [plan], 5.0)

    assert told.success == pytest.approx(1.0 - 0.5**3, abs=0.001)
    assert told.p50 == pytest.approx(0.01, rel=0.05)
    assert told.p90 == pytest.approx(1.01, rel=0.03)


def test_who_is_late_and_who_is_a_copy_begin_in_their_order():
    """Of later attempts, after 0.1 and 0.3 s, and copies, after 0.25 and 0.5 s, each begins if nobody is back."""
    traffic = Traffic()
    traffic.update(ok=[0.01] * 5_000 + [2.0] * 5_000)
    plan = replace(ONCE, retry=Retry(3), timeout=Timeout(0.1, learned=True), hedge=Hedge(0.25, most=2))
    (told,) = evaluate(Model(traffic), [plan], 5.0)

    assert told.load == pytest.approx(1.0 + 0.5 + 0.25 + 0.125 + 0.0625, abs=0.02)
    assert told.p90 == pytest.approx(0.31, rel=0.03)
