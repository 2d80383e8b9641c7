"""How many calls, or times, are slow, and by what factor, as races between late attempts and their copies tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unbreakable.simulation.slowness import NONE, Ended, Slowness, quick, slowness

EDGES = 0.001 * 2.0 ** (np.arange(400) / 32.0)
DELAY = 0.02


def ended(slow: Slowness, *, together: float = 1.0, races: int = 4_000, failing: float = 0.0, seed: int = 1) -> Ended:
    """Return how so many races end at a target that takes 10 ms, give or take a half, and the slow calls longer."""
    dice = np.random.default_rng(seed)
    count = 40 * races
    times = np.where(dice.random(count) < slow.share, slow.times, 1.0)
    first, copy = (times * 0.01 * dice.lognormal(0.0, 0.5, count) for _ in range(2))
    reached = np.append(0.0, np.cumsum(np.histogram(first, EDGES)[0])) / count
    late = first > DELAY
    over = np.append(np.minimum(first[late] - DELAY, copy[late]), copy[: round(failing * count)])
    over = dice.permutation(over)[:races]
    return Ended(DELAY, EDGES, reached, np.append(0.0, np.cumsum(np.histogram(over, EDGES)[0])), failing, together)


@pytest.mark.parametrize(("share", "times"), [(0.01, 12.0), (0.03, 5.0), (0.1, 3.0), (0.06, 8.0)])
def test_as_many_are_found_as_there_are_and_as_slow(share, times):
    """Within a seventh, and the band holds them."""
    found, (least, most) = slowness(ended(Slowness(share, times)))

    assert found.share == pytest.approx(share, rel=0.15)
    assert found.times == pytest.approx(times, rel=0.15)
    assert 0.9 * least.share < share < 1.1 * most.share


@pytest.mark.parametrize("seed", range(4))
def test_none_is_found_where_there_is_none(seed):
    """Stragglers are no slow calls, nor are those that fail late; and with next to no races nobody knows."""
    assert NONE == slowness(ended(NONE, seed=seed))[0]
    assert NONE == slowness(ended(NONE, seed=seed, failing=0.02))[0]
    found, (least, most) = slowness(ended(Slowness(0.05, 5.0), races=10, seed=seed))

    assert (NONE, NONE) == (found, least)
    assert most.share * most.times > 0.05


@pytest.mark.parametrize("seed", range(3))
def test_a_race_that_a_second_copy_has_ended_is_no_sign_of_slow_calls(seed):
    """One answer in twelve takes 60 ms , others 4; copies go after 6.5 and 13 ms, and the second one is back first."""
    dice, count, delay = np.random.default_rng(seed), 20_000, 0.0065
    first, copy, second = (
        np.where(dice.random(count) < 0.08, 0.06, 0.004) * dice.lognormal(0.0, 0.25, count) for _ in range(3)
    )
    reached = np.append(0.0, np.cumsum(np.histogram(first, EDGES)[0])) / count
    over = np.minimum(np.minimum(first - delay, copy), delay + second)[first > delay]
    seen = Ended(delay, EDGES, reached, np.append(0.0, np.cumsum(np.histogram(over, EDGES)[0])), 0.0, until=delay)

    assert NONE == slowness(seen)[0]
    assert NONE != slowness(seen._replace(until=math.inf))[0]


def test_races_of_few_bad_times_tell_less():
    """Where fifty races tell no more than one, the band of how many are slow is several times as wide."""
    alone, together = (slowness(ended(Slowness(0.05, 5.0), together=many)) for many in (1.0, 50.0))

    def width(band: tuple[Slowness, Slowness]) -> float:
        return math.log(band[1].share / band[0].share)

    assert together[0].share <= alone[0].share
    assert width(together[1]) > 1.5 * width(alone[1]) > 0.0


def test_what_others_take_follows_from_what_all_take():
    """Of a share b that takes k times as long, F(t) = (1 - b) G(t) + b G(t / k) is solved for G."""
    others = 1.0 - np.exp(-EDGES / 0.01)
    slow = Slowness(0.1, 6.0)
    everyone = 0.9 * others + 0.1 * (1.0 - np.exp(-EDGES / 0.06))
    found = quick(everyone, EDGES, slow)

    assert np.abs(found - others).max() < 0.01
    assert (np.diff(found) >= 0.0).all()
