"""A retry storm in small: the budget alone holds it, over layers, too, and it does not outlive the outage."""

from __future__ import annotations

import pytest
from benchmarks.storm import Setting, by_hand, layered, ours

import unbreakable as ub

SMALL = Setting(clients=10, before=3.0, outage=15.0, after=12.0)
UNHURRIED = Setting(clients=50, before=5.0, outage=30.0, after=5.0, every=5.0)
BREAKERS = {"off": False, "on": ub.CircuitBreaker(rest=4.0)}


@pytest.fixture(scope="module")
def without_retries():
    """Return how long it takes when nobody tries again, with and without a breaker."""
    return {name: SMALL.play(ours(breaker=each, retry=False), 1).recovery for name, each in BREAKERS.items()}


@pytest.mark.parametrize("is_layered", [False, True])
@pytest.mark.parametrize("breaker", BREAKERS)
def test_a_storm_is_held_by_the_budget(without_retries, is_layered, breaker):
    """While the service is down it is asked at most a fifth more, and it is well again in at most twice the time."""
    protect = ours(breaker=BREAKERS[breaker])
    story = SMALL.play(layered(protect) if is_layered else protect, 1)

    assert story.load <= 1.2
    assert story.recovery <= 2.0 * without_retries[breaker]


def test_clients_that_seldom_call_are_held_as_well():
    """The floor is inside the ratio: who calls every five seconds is not given a repeat for every second call."""
    assert 1.05 < UNHURRIED.play(ours(breaker=False), 1).load <= 1.2


def test_the_story_tells_a_storm_from_none():
    """With three attempts by hand the same clients make three requests a call, and the service is never well again."""
    story = SMALL.play(by_hand, 1)

    assert story.load > 2.5
    assert story.recovery is None
