"""A limit by what a target refuses: found, taken back when it was raised too far, held down by nothing else."""

from __future__ import annotations

import itertools

import pytest
from tests.dense import most
from tests.unit.policies.test_limiter import Model

SEEDS = range(most(10, 3))


class Full(Model):
    """Refuse what is beyond so many places; a refused call is soon followed by another one."""

    def __init__(self, seed: int = 1, places: int = 15) -> None:
        super().__init__(seed)
        self.places, self.workers = places, 1_000.0

    def _take(self, batch: list[float], part: float, scale: float) -> None:
        over = 5.0 * max(0, self.limit - self.places)
        self.refused = over / (over + min(self.limit, self.places))
        super()._take(batch, part, scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_target_that_refuses_what_is_too_much_is_given_as_much_as_it_takes(seed):
    """Nine tenths and more of its places are in use, most windows have no refusals, and so it is after each change."""
    model = Full(seed)
    for model.places in (15, 30, 10):
        model.play(10)
        limits, places = model.play(50), model.places

        assert sum(min(limit, places) for limit in limits) >= 0.9 * 50 * places
        assert sum(limit > places for limit in limits) <= 20


def test_raising_the_limit_is_taken_back_in_the_window_in_which_it_is_refused():
    """What came of it is known at once, and needs no trial; it is tried again, ever more rarely."""
    model = Full()
    limits = model.play(100)[40:]
    tries = [index for index in range(1, 60) if limits[index] > 15 >= limits[index - 1]]
    between = [later - sooner for sooner, later in itertools.pairwise(tries)]

    assert sum(limit > 15 for limit in limits) <= 15
    assert 4 <= min(between) <= max(between) <= 10


@pytest.mark.parametrize("refused", [0.04, 0.08])
def test_a_few_refusals_that_have_nothing_to_do_with_the_limit_do_not_hold_it_down(refused):
    """That they stay when less is tried is found out once a minute; then the limit grows in spite of them."""
    model = Model()
    model.refused = refused
    model.play(200)

    assert sum(model.limits[-20:]) / 20 >= 0.9 * model.workers
