"""Requests that fail whatever is done are soon not repeated any more, and the model knows that.

Their repeats are not expected, nor are their failures beside requests that are well.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.dense import most

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation.bands import banded
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.model import Model
from unbreakable.stats import Traffic
from unbreakable.testing import virtual_time

CALLS = 1_600


def seen(**attempts) -> Traffic:
    traffic = Traffic()
    traffic.update(**attempts)
    return traffic


def asked(seed: int, always: float) -> tuple[ub.Decision, float, list[float]]:
    """Ask a target that has stragglers, with requests of which that share is wrong; return what is then known."""
    dice, engine, requests, took = random.Random(seed), ub.QuantumSimulationEngine(universe_count=7), [], []

    @ub.protect("orders", effects="idempotent", breaker=False)
    async def order(is_wrong):
        requests.append(len(took))
        await ASYNCIO.sleep(dice.uniform(0.02, 0.04) * (12 if dice.random() < 0.05 else 1))
        if is_wrong:
            raise ValueError("a wrong order")

    async def run():
        for _ in range(CALLS):
            began = ASYNCIO.now()
            outcome = await order.outcome(dice.random() < always)
            took.append(ASYNCIO.now() - began if outcome.error is None else 0.0)
            await ASYNCIO.sleep(0.05)

    engine.adopt(order)
    with virtual_time():
        asyncio.run(run())
        decision = engine.simulate("orders")
    half = CALLS // 2
    return decision, sum(call >= half for call in requests) / (CALLS - half), sorted(filter(None, took[half:]))


@pytest.mark.parametrize("seed", [1, 2][: most(2, 1)])
def test_repeats_that_are_not_made_are_not_predicted(seed):
    """A fifth of the calls is lost for sure: they cost an attempt each, and copies of the others are affordable."""
    decision, load, took = asked(seed, 0.2)
    winner = next(one for one in decision.universes if one.strategy == decision.winner)

    assert abs(winner.prediction.load - load) < 0.03
    assert winner.prediction.load < 1.11
    assert decision.plan["hedge"] is not None
    assert winner.prediction.p99 < 0.25
    assert took[int(0.99 * len(took))] < 0.25


def test_what_is_given_up_costs_one_attempt_and_is_lost():
    """Nine in ten failures are of requests that nobody repeats: only the tenth one is, and helped."""
    attempts = {"ok": [0.1] * 8_000, "failed": [0.01] * 2_000, "repeats": 200}
    given_up, repeated = Model(seen(**attempts, in_vain=1_800)), Model(seen(**attempts))
    plan = ub.FractalNode("plan", len, effects="idempotent").target.plan
    told, other = evaluate(given_up, [plan], 30.0)[0], evaluate(repeated, [plan], 30.0)[0]

    assert 0.9 == pytest.approx(given_up.in_vain, abs=0.03)
    assert told.success == pytest.approx(1.0 - given_up.fails * given_up.in_vain, abs=0.01)
    assert told.load == pytest.approx(1.0 + given_up.fails * (1.0 - given_up.in_vain), abs=0.01)
    assert other.load > 1.1


def test_beside_a_good_request_those_do_not_fail_that_always_would():
    """Its call is none of them; beside one that fails most are of them."""
    model = Model(seen(ok=[0.1] * 8_000, failed=[0.01] * 2_000, repeats=100, repeats_failed=0, in_vain=1_800))

    assert model.fails_beside(0.0, good=True) < 0.05 < model.fails
    assert model.fails_beside(1.0, good=False) > 0.9


def test_without_such_requests_all_fail_alike():
    """Where repeats help as often as not, what is beside an attempt fails as it does."""
    model = Model(seen(ok=[0.1] * 9_000, failed=[0.01] * 1_100, repeats=1_000, repeats_failed=100))

    assert model.fails == pytest.approx(model.fails_beside(0.0, good=True))
    assert model.fails_again == pytest.approx(model.fails_beside(1.0, good=False))


def test_bands_know_how_sure_it_is_how_much_is_given_up():
    """Of a dozen failures ten in vain may as well be two thirds; of thousands they may not."""
    plan, held = ub.FractalNode("plan", len, effects="idempotent").target.plan, []
    for times in (1, 100):
        traffic = seen(ok=[0.1] * 60 * times, failed=[0.01] * 12 * times, in_vain=10 * times)
        model, fewer = Model(traffic), Model(traffic)
        fewer.in_vain = 0.65
        (told,) = banded(model, traffic, [plan], evaluate(model, [plan], 30.0), 30.0)
        (other,) = evaluate(fewer, [plan], 30.0)
        held.append(told.low.load <= other.load <= told.high.load)

    assert [True, False] == held
