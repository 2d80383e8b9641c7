"""What the twin predicts of a plan is what the real policies make of it: neither can change without the other."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.truth.held import hold, paced
from benchmarks.truth.laws import lognormal, mixture
from benchmarks.truth.luck import Luck
from benchmarks.truth.paced import Paces
from benchmarks.truth.worlds import Endpoint, World
from benchmarks.twin import Cell, cells, figures, is_correlated, judged, off, spread

from unbreakable.policies import Backoff, Hedge, Plan, Retry, Timeout
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.model import Model
from unbreakable.stats import Traffic

LAW = mixture(lognormal(0.02, 0.008), lognormal(0.4, 0.1), 0.15)  # three answers in twenty are slow
WORLD = World("x", "", (Endpoint(LAW, 0.1, 0.1, fault=0.02),), 500.0, 1.0)
PLAN = Plan(effects="none", retry=Retry(3, backoff=Backoff(0.05, jitter=False)), budget=None, deadline=1.0)
PLANS = {
    "retries": PLAN,
    "copies": replace(PLAN, retry=None, hedge=Hedge(0.05, most=2)),
    "retries and copies": replace(PLAN, hedge=Hedge(0.05)),
    "a soft limit": replace(PLAN, timeout=Timeout(0.6, learned=True)),
    "a hard limit": replace(PLAN, timeout=Timeout(0.3), hedge=Hedge(0.06)),
}


SLOW = World(
    "y", "", (Endpoint(mixture(lognormal(0.02, 0.008), lognormal(0.3, 0.1), 0.05), 0.3, 0.3, fault=0.3),), 500.0, 2.0
)
EVEN = World("z", "", (Endpoint(lognormal(0.031, 0.0015), 0.16, 0.16, fault=0.031),), 500.0, 0.35)
BARE = Plan(effects="none", budget=None, retry=PLAN.retry, deadline=2.0)
FAILING = {  # what fails does so late: after copies were sent, or another attempt was begun
    "beside a late failure": (SLOW, replace(BARE, timeout=Timeout(0.2, learned=True))),
    "beside a late failure and its copy": (SLOW, replace(BARE, timeout=Timeout(0.2, learned=True), hedge=Hedge(0.06))),
    "copies of repeats": (
        EVEN,
        replace(BARE, retry=Retry(4, backoff=Backoff(0.016, factor=6.0)), hedge=Hedge(0.0335, most=2)),
    ),
}


@functools.cache
def model(world: World) -> Model:
    luck, traffic = Luck(world, 30_000, 5), Traffic()
    fault, takes, notices = luck.draws(0, 0)
    fails = world.endpoints[0].fails
    traffic.update(ok=takes[fault >= fails].tolist(), failed=notices[fault < fails].tolist())
    return Model(traffic)


@pytest.mark.parametrize("name", [*PLANS, *FAILING])
def test_the_policies_do_what_was_predicted(name):
    """Success, requests, median, p90 and p99 of 40,000 calls by the same rules are foretold, or quantiles near them."""
    world, plan = FAILING[name] if name in FAILING else (WORLD, PLANS[name])
    (told,) = evaluate(model(world), [plan], world.deadline)
    run = Paces(Luck(world, 40_000, 6), paced(plan)).run()
    true = figures(run)

    assert told.success == pytest.approx(true["success"], abs=0.005)
    assert told.load == pytest.approx(true["load"], rel=0.01)
    for figure, at, beside in (("p50", 0.5, 0.003), ("p90", 0.9, 0.003), ("p99", 0.99, 0.002)):
        low, high = np.quantile(run.took[run.fine], [at - beside, at + beside])
        assert 0.97 * low < getattr(told, figure) < 1.03 * high, figure


@pytest.mark.parametrize("name", PLANS)
def test_the_policies_play_by_the_rules(name):
    """Success, median, p90, p99 and requests of 800 real calls are those by the rules, with the same luck."""
    luck = Luck(WORLD, 800, 7)
    real, rules = figures(hold(luck, PLANS[name])[0]), figures(Paces(luck, paced(PLANS[name])).run())

    for figure in ("p50", "p90", "p99", "load"):
        assert real[figure] == pytest.approx(rules[figure], rel=0.01), figure
    assert real["success"] == pytest.approx(rules["success"], abs=0.002)


def test_a_world_is_judged_by_the_bounds():
    """The benchmark finds the errors of a small run, and says which bound does not hold."""
    found = list(cells("W4", 1, learn=1_500, copies=False, played=2_000))

    assert 7 == len(found)
    assert all(abs(cell.error("p50")) < 5.0 and abs(cell.noise("p50")) < 5.0 for cell in found)
    wrong = [
        cell._replace(truths=({**cell.truths[0], "p99": 2.0 * cell.truths[0]["p99"]}, cell.truths[1])) for cell in found
    ]
    assert not judged(wrong)


def test_errors_are_in_percent_and_those_of_success_in_points():
    """Twice as much is 100 % more; nothing for something has no percentage."""
    assert (100.0, 1.0, float("inf")) == (
        off("p99", 2.0, 1.0),
        pytest.approx(off("success", 0.99, 0.98)),
        off("p99", 1.0, 0.0),
    )
    assert (2.0, pytest.approx(2.8), 3.0) == spread([-3.0, 1.0, 2.0])
    assert is_correlated(WORLD._replace(endpoints=(Endpoint(LAW, good=1.0, bad=1.0, slower=2.0),)))
    assert not is_correlated(WORLD)
    assert np.isfinite(Cell._fields.index("same"))
