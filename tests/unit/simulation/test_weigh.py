"""Strategies weighed against each other: who wins, who is shown, and what is kept within its bounds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from unbreakable.policies import Backoff, Plan, Retry, Timeout
from unbreakable.policies.strategy import NAMES
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.model import Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.score import Scores, ScoreWeights, score
from unbreakable.simulation.spells import Spells
from unbreakable.simulation.strategies import HEDGE_FLOOR, TIMEOUT_FLOOR, candidates, patient
from unbreakable.simulation.weigh import Weighed, pick, shown, weigh
from unbreakable.stats import Traffic


def model(*, fails: float = 0.0, hangs: float = 0.0, tail: float = 0.0, count: int = 5_000) -> Model:
    dice, traffic = random.Random(1), Traffic()
    for _ in range(count):
        u = dice.random()
        if u < fails:
            traffic.update(failed=[0.004])
        elif u < fails + hangs:
            traffic.update(cut=[5.0])
        else:
            traffic.update(ok=[dice.lognormvariate(-3.0, 0.3) * (10 if dice.random() < tail else 1)])
    return Model(traffic)


def free(_: str) -> bool:
    return True


def weighed(found: Model, before: Plan | None = None, **how):
    before = before or Plan(effects="idempotent")
    return weigh(found, before, how.pop("free", free), weights=how.pop("weights", ScoreWeights()), u=0.5, **how)


def winner(found: Model, before: Plan | None = None, **how):
    return pick(weighed(found, before, **how), "adaptive")


def test_all_seven_are_weighed():
    """Each strategy comes out once, the best first."""
    ranked = weighed(model(fails=0.05))

    assert set(NAMES) == {one.plan.strategy for one in ranked}
    assert sorted((one.scores.total for one in ranked), reverse=True) == pytest.approx(
        [one.scores.total for one in ranked], abs=0.06
    )


def test_a_target_that_hangs_is_given_a_time_limit():
    """Where answers fail to come, waiting for them to the deadline is the worst strategy."""
    best = winner(model(hangs=0.02))

    assert best.plan.limit < 5.0
    assert best.prediction.success > 0.999


@pytest.mark.parametrize("deadline", [2.0, 10.0])
@pytest.mark.parametrize("can_be_copied", [True, False])
@pytest.mark.parametrize("facts", [{}, {"fails": 0.05}, {"tail": 0.05}], ids=str)
def test_no_adaptive_plan_leaves_what_hangs_to_the_deadline(facts, can_be_copied, deadline):
    """It was not seen to happen yet; without a copy another attempt begins after a time limit."""
    before = Plan(effects="idempotent", deadline=deadline)
    plans = candidates(model(**facts), before, lambda name: can_be_copied or name != "hedge", 0.5, ScoreWeights())

    adaptive = [(plan.timeout, plan.hedge) for plan in plans if plan.strategy == "adaptive"]
    assert adaptive
    assert (None, None) not in adaptive


@pytest.mark.parametrize("deadline", [1.0, 6.0])
def test_no_adaptive_plan_has_a_limit_that_leaves_no_time_for_another_attempt(deadline):
    """So late a limit begins none, so what hangs would be left to the deadline."""
    seen = Traffic()
    seen.update(ok=[deadline / 5.0] * 100)
    plans = candidates(Model(seen), Plan(effects="none", deadline=deadline), lambda _: True, 0.5, ScoreWeights())

    adaptive = [plan for plan in plans if plan.strategy == "adaptive"]
    assert adaptive
    assert all(plan.hedge is not None or plan.limit <= deadline / 2.0 for plan in adaptive)


def test_a_target_with_a_long_tail_is_asked_twice():
    """Where one in twenty is ten times slower, copies are worth their load."""
    best = winner(model(tail=0.05))

    assert 1.0 < best.prediction.load < 1.15


def test_a_steady_target_is_left_alone():
    """Where nothing fails and nothing is slow no copy is sent, and the settings would bear a surprise."""
    plan = winner(model()).plan

    assert None is plan.hedge
    assert plan.retry.attempts >= 3
    assert plan.timeout is not None


def test_a_target_that_fails_is_asked_again_soon():
    """Failures are repeated, and quickly, since that is what works in the model."""
    plan = winner(model(fails=0.1)).plan

    assert plan.retry.attempts >= 3
    assert plan.retry.backoff.first < 0.1


def test_what_was_pinned_stays_pinned():
    """A policy of the user's is in every candidate as it is."""
    before = Plan(effects="idempotent", retry=Retry(7, backoff=Backoff(0.3)), timeout=Timeout(0.9))
    pinned = {"retry", "timeout"}

    for plan in candidates(model(fails=0.1, tail=0.1), before, lambda name: name not in pinned, 0.3, ScoreWeights()):
        assert (before.retry, before.timeout) == (plan.retry, plan.timeout)


@pytest.mark.parametrize("effects", ["unknown", "once"])
def test_what_must_not_run_twice_is_neither_copied_nor_cut(effects):
    """Candidates for operations of unknown effects have no copies and no time limit of ours."""
    for plan in candidates(model(fails=0.1, hangs=0.02, tail=0.1), Plan(effects=effects), free, 0.3, ScoreWeights()):
        assert (None, None) == (plan.hedge, plan.timeout)


@pytest.mark.parametrize("count", [40, 400, 4_000])
def test_no_candidate_leaves_its_bounds(count):
    """Time limits and copies keep to their floors, whatever was learned."""
    for plan in candidates(model(tail=0.1, count=count), Plan(effects="none"), free, 0.9, ScoreWeights()):
        assert plan.limit >= TIMEOUT_FLOOR
        assert plan.hedge is None or plan.hedge.after >= HEDGE_FLOOR


def test_noise_moves_nobody():
    """The strategy in force stays unless another is better by half a point."""
    ranked = weighed(model(tail=0.05))
    near = [one for one in ranked if ranked[0].scores.total - one.scores.total < 0.5]
    far = [one for one in ranked if ranked[0].scores.total - one.scores.total > 0.6]

    assert near[-1].plan.strategy == pick(ranked, near[-1].plan.strategy).plan.strategy
    assert ranked[0].plan.strategy == pick(ranked, far[-1].plan.strategy).plan.strategy


@pytest.mark.parametrize("effects", ["none", "unknown"])
@pytest.mark.parametrize("weights", [ScoreWeights(), ScoreWeights(time=1, quality=0, risk=0)])
@pytest.mark.parametrize("trouble", [{}, {"fails": 0.2}, {"hangs": 0.02}, {"tail": 0.05}, {"fails": 0.05, "tail": 0.1}])
def test_the_winner_has_the_best_score(effects, weights, trouble):
    """No universe scores above the one that won, be it for noise or for the calls that it fails."""
    ranked = weighed(model(**trouble, count=500), Plan(effects=effects), weights=weights)
    total = weights.time + weights.quality + weights.risk

    for incumbent in NAMES:
        best = pick(ranked, incumbent)
        universes = shown(ranked, best, 7, learned=True)
        assert best.plan.strategy == max(universes, key=lambda each: each.score).strategy == universes[0].strategy
        for each in universes:
            mean = weights.time * each.time_score + weights.quality * each.quality_score
            assert each.score == pytest.approx((mean + weights.risk * each.risk_score) / total)


def test_what_its_user_named_is_not_called_the_best():
    """A strategy that was named is in force, whatever the others are worth; their scores are not touched."""
    ranked = weighed(model(fails=0.2))
    named = next(one for one in ranked if one.plan.strategy == "conservative")
    universes = shown(ranked, named, 7, learned=True, named=True)

    assert ("conservative", "named by its user") == (universes[0].strategy, universes[0].why)
    assert max(each.score for each in universes) > universes[0].score


def test_the_random_one_is_weighed_and_never_chosen_by_its_score():
    """It is there to find out, and says so."""
    ranked = weighed(model(tail=0.05))
    universe = next(each for each in shown(ranked, ranked[0], 7, learned=True) if each.strategy == "random")

    assert "random" != pick(ranked, "random").plan.strategy
    assert "finds out" in universe.why or "won" == universe.why


@pytest.mark.parametrize(("count", "learned", "last"), [(5, False, {"adaptive", "random"}), (7, True, set())])
def test_as_many_universes_are_shown_as_were_asked_for(count, learned, last):
    """Five are those that need no learning; seven are all."""
    ranked = weighed(model(fails=0.02))
    names = {
        each.strategy
        for each in shown(ranked, next(o for o in ranked if o.plan.strategy == "balanced"), count, learned=learned)
    }

    assert set(NAMES) - last == names


def test_once_learned_the_adaptive_one_takes_the_place_of_the_worst():
    """Of five shown, one is the adaptive strategy if it is any good."""
    ranked = weighed(model(fails=0.05, hangs=0.02))
    names = [each.strategy for each in shown(ranked, pick(ranked, "adaptive"), 5, learned=True)]

    assert 5 == len(names)
    assert "adaptive" in names
    assert "random" not in names


def test_every_universe_says_why_it_won_or_lost():
    """The reasons are told in words."""
    ranked = weighed(model(fails=0.05, hangs=0.02, tail=0.05))
    universes = shown(ranked, pick(ranked, "adaptive"), 7, learned=True)

    assert 1 == sum(each.why == "won" or each.why.startswith("kept") for each in universes)
    assert all(each.why for each in universes)
    assert any("fails more often" in each.why for each in universes)


def test_a_strategy_of_the_user_s_own_is_weighed_with_the_others():
    """It wins where it is better."""
    before = Plan(effects="idempotent")
    own = replace(before, strategy="mine", retry=Retry(8, backoff=Backoff(0.001)), timeout=Timeout(0.5))
    ranked = weighed(model(fails=0.6), before, others=[own])

    assert "mine" == ranked[0].plan.strategy


def judged(strategy: str, total: float, *, sure: bool = True) -> Weighed:
    """Return a strategy with so many points."""
    prediction = Prediction(success=1.0, p50=0.1, p90=0.2, p99=0.3, p999=0.3, load=1.0)
    return Weighed(Plan(strategy=strategy), prediction, Scores(total, total, total, total), sure)


@pytest.mark.parametrize(("behind", "stays"), [(0.4, True), (0.6, False)])
def test_half_a_point_is_noise(behind, stays):
    """The strategy in force is left for one that is better by half a point, and for no less."""
    ranked = [judged("aggressive", 70.0), judged("balanced", 70.0 - behind)]

    assert stays == (pick(ranked, "balanced").plan.strategy == "balanced")


def test_the_random_one_does_not_win_by_its_score():
    """However well the draw has done, the next best is chosen."""
    ranked = [judged("random", 90.0), judged("balanced", 50.0)]

    assert {"balanced"} == {pick(ranked, incumbent).plan.strategy for incumbent in ("random", "balanced", "adaptive")}


def test_a_strategy_in_force_that_fails_more_calls_is_left():
    """What fails noticeably more calls is no incumbent, whatever its score."""
    ranked = [judged("balanced", 50.0), judged("optimistic", 90.0, sure=False)]

    assert "balanced" == pick(ranked, "optimistic").plan.strategy


def test_no_load_saved_is_worth_calls_that_fail():
    """With nothing but the load to be judged by, the winner still fails no more than half a point more calls."""
    before = Plan(effects="idempotent", budget=None)
    ranked = weighed(model(fails=0.25), before, weights=ScoreWeights(time=0.0, quality=0.0, risk=1.0))
    surest = max(one.prediction.success for one in ranked)

    assert [one for one in ranked if surest - one.prediction.success > 0.01]
    assert surest - pick(ranked, "optimistic").prediction.success <= 0.005


def test_the_best_pauses_for_the_best_limit_and_copies_are_the_best_of_all():
    """Where failures come in spells, and one answer in twenty is slow, nothing is lost by weighing them in turn."""
    found, before, weights = model(fails=0.05, tail=0.05), Plan(effects="idempotent"), ScoreWeights()
    found.trouble = Spells(0.05, 0.01, 0.81, 0.3)
    grid = [plan for plan in candidates(found, before, free, 0.5, weights) if plan.strategy == "adaptive"]
    alone = replace(before, retry=Retry(1), timeout=None)
    every = [alone, *grid, *(waiting for plan in grid for waiting in patient(plan, found, free))]
    baseline, *told = evaluate(found, every, before.deadline)
    scores = [score(each, baseline, found.observations, weights).total for each in told]
    best = next(one for one in weighed(found) if one.plan.strategy == "adaptive")

    assert max(scores) > max(scores[: len(grid)]) + 1.0
    assert best.scores.total == pytest.approx(max(scores), abs=0.1)


@pytest.mark.parametrize(("deadline", "memory"), [(1e6, 1e5), (float("inf"), 1e5), (30.0, 1e5), (1e6, 1e-9)])
def test_attempts_are_spread_over_trouble_however_long_it_lasts(deadline, memory):
    """No pause is longer than any may be: else nothing would be learned any more of targets that take their time."""
    found = model(fails=0.05, count=100)
    found.trouble = Spells(0.05, 0.01, 0.81, memory)
    plans = list(patient(Plan(effects="none", deadline=deadline), found, free))
    pauses = [each.retry.backoff for each in plans if each.retry]

    assert pauses
    assert all(0.01 <= each.first <= each.most == Backoff().most for each in pauses)


def test_copies_are_sent_for_those_who_can_be_saved_though_others_cannot():
    """One call in ten fails whatever is done; of the others one in fifty is late, and copies of them are in time."""
    dice, traffic = random.Random(1), Traffic()
    late = [10.0 if dice.random() < 0.02 else dice.lognormvariate(-3.0, 0.3) for _ in range(1_800)]
    traffic.update(ok=late, failed=[0.004] * 200, in_vain=200)
    best = winner(Model(traffic), Plan(effects="idempotent", deadline=0.4))

    assert best.plan.hedge is not None
    assert best.scores.quality > 60.0
