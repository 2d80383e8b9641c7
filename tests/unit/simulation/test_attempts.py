"""Requests of one call: who is beside whom, and which calls are slow."""

from __future__ import annotations

import numpy as np
import pytest

from unbreakable.policies import Backoff, Hedge, Plan, Retry, Timeout
from unbreakable.simulation.attempts import _drawn, kinds_of
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.manner import manners
from unbreakable.simulation.model import POINTS, Model
from unbreakable.simulation.slowness import Slowness
from unbreakable.simulation.universes import universes
from unbreakable.stats import Traffic

PLAN = Plan(effects="idempotent", retry=Retry(3))


def slow_calls(share: float) -> Model:
    """Return a model of a target that takes 10 ms, but of that share of the calls 100 to 200."""
    traffic = Traffic()
    traffic.update(ok=[*[0.01] * 9_500, *np.linspace(0.1, 0.2, 500).tolist()])
    model = Model(traffic)
    model.take(Slowness(share, 15.0))
    return model


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05])
def test_where_a_call_is_slow_all_of_its_requests_are(share):
    """Beside a slow first attempt, copies are slow in as many calls as these are; any of them, be it one or two."""
    model, met = slow_calls(share), universes()
    at = np.arange(len(met.weights))
    slow_first = met.first[: len(at)] >= 0.95 * POINTS
    copies = _drawn(model, met, met.luck[1:3, : len(at)], at) > 0.05
    weights = met.weights[slow_first] / met.weights[slow_first].sum()
    likely = share / 0.05

    for slow in (*copies, copies.all(axis=0)):
        by_chance = (1.0 - likely) * (0.05 - share)
        assert slow[slow_first] @ weights == pytest.approx(likely + by_chance, abs=0.06)
        assert slow[~slow_first].mean() < 0.07


def test_answers_are_as_before_whatever_is_slow():
    """What slow calls and others take is, by their shares, what was seen of all; slow answers are the slow calls'."""
    model = slow_calls(0.03)
    both = np.concatenate([np.repeat(model.quick, 97), np.repeat(model.slowly, 3)])

    assert np.quantile(both, [0.5, 0.9, 0.99]) == pytest.approx(np.quantile(model.answers, [0.5, 0.9, 0.99]), rel=0.02)
    assert model.of_slow.mean() == pytest.approx(0.03, abs=0.005)
    assert model.of_slow[: POINTS // 2].max() < 0.01


def test_what_is_not_waited_for_is_of_slow_calls_where_they_take_so_long():
    """Half of the slow calls' attempts were cut: others never take that long."""
    traffic = Traffic()
    traffic.update(ok=[*[0.007, 0.013] * 4_750, *[0.105] * 250], cut=[0.15] * 250)
    model = Model(traffic)
    model.take(Slowness(0.05, 15.0))

    assert np.isfinite(model.quick).mean() > 0.999
    assert np.isfinite(model.slowly).mean() == pytest.approx(0.5, abs=0.03)
    assert model.of_slow[-100:].min() > 0.98


@pytest.mark.parametrize(("slow", "quick", "likely"), [(0, 0, 0.05), (50, 50, 0.425), (0, 100, 0.05), (9_999, 0, 0.95)])
def test_where_calls_fail_that_are_slow_repeats_are(slow, quick, likely):
    """As many as of what succeeded next to failures, with twenty of all; no fewer than usual, and never all."""
    traffic = Traffic()
    traffic.update(ok=[*[0.01] * 9_500, *np.linspace(0.1, 0.2, 500).tolist()], near=[0.15] * slow + [0.01] * quick)
    model = Model(traffic)
    model.take(Slowness(0.05, 15.0))

    assert (model.again > 0.05).mean() == pytest.approx(likely, abs=0.01)
    assert model.of_slow_again.mean() == pytest.approx(likely, abs=0.01)
    assert (model.answers > 0.05).mean() == pytest.approx(0.05, abs=0.01)


def test_plans_that_make_the_same_attempts_are_of_one_kind():
    """What is beside the first request comes in the order in which it begins, the fullest kind first."""
    copies = Plan(effects="idempotent", hedge=Hedge(0.1, most=2))
    both = Plan(effects="idempotent", retry=Retry(3), timeout=Timeout(0.15, learned=True), hedge=Hedge(0.1, most=2))
    patient = Plan(effects="idempotent", retry=Retry(8))
    hard = Plan(effects="unknown", timeout=Timeout(0.3), hedge=Hedge(0.1))
    plans = [PLAN, copies, both, patient, hard]
    ways = manners(plans, 10.0)
    kinds = kinds_of(ways, 10.0)

    assert [2, 1, 0, 2, 3] == kinds.of(ways).tolist()
    assert [2, 2, 1, 1] == kinds.having
    assert kinds.starts[:, 0, 0] == pytest.approx([0.1, 0.15, 0.2, 0.45])
    assert kinds.hard.ravel() == pytest.approx([10.0, 10.0, 10.0, 0.3])
    assert kinds.cut
    assert kinds.quiet == pytest.approx(0.1)


def test_what_would_begin_after_the_deadline_does_not():
    """Nothing happens to a request when copies and limits come later than the deadline."""
    plan = Plan(effects="none", timeout=Timeout(3.0, learned=True), hedge=Hedge(2.0))
    kinds = kinds_of(manners([plan], 1.0), 1.0)

    assert ([], False) == (kinds.having, kinds.cut)
    assert kinds.quiet == 1.0


@pytest.mark.parametrize(("attempts", "begin"), [(1, []), (2, [0.2]), (3, [0.2, 0.6]), (8, [0.2, 0.6])])
def test_as_many_attempts_begin_beside_a_late_one_as_there_are(attempts, begin):
    """When a learned limit has passed the next attempt begins, another one after twice as long, no more."""
    plan = Plan(effects="none", retry=Retry(attempts), timeout=Timeout(0.2, learned=True))

    assert begin == pytest.approx(np.ravel(kinds_of(manners([plan], 10.0), 10.0).starts).tolist())


@pytest.mark.parametrize("near", [0.01, 0.15])
def test_repeats_are_predicted_to_be_as_slow_as_what_succeeds_near_failures(near):
    """Of a target of which half of the attempts fail, a third of the calls are good by their repeat, p90 included."""
    traffic = Traffic()
    traffic.update(ok=[0.01] * 9_500 + [0.15] * 500, failed=[0.001] * 10_000, near=[near] * 10_000)
    model = Model(traffic)
    model.take(Slowness(0.05, 15.0))
    (told,) = evaluate(model, [Plan(effects="none", budget=None, retry=Retry(2, backoff=Backoff(0.0)))], 1.0)

    assert told.success == pytest.approx(0.75, abs=0.01)
    assert told.p90 == pytest.approx(near, rel=0.25)
