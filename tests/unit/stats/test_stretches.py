"""Whether what is counted comes together, as it shows in stretches of a course."""

from __future__ import annotations

import random

import pytest

from unbreakable.stats import Quantile, Stretches
from unbreakable.stats.stretches import Course


def seen(durations: list[float], share: float = 0.9, batch: int = 100) -> Stretches:
    """Return what is counted of these durations, which come in batches, when as many were known before."""
    found, course, known = Stretches(), Course(share), Quantile()
    known.update_many(durations)
    for begin in range(0, len(durations), batch):
        course.follow(found, durations[begin : begin + batch], known)
    return found


def alone(seed: int, count: int = 16_384) -> list[float]:
    dice = random.Random(seed)
    return [dice.expovariate(1.0) for _ in range(count)]


def times(seed: int, length: float, share: float = 0.1, count: int = 16_384) -> list[float]:
    """Return durations that are ten times as long in bad times, of so many calls as a mean."""
    dice, found = random.Random(seed), list[float]()
    while len(found) < count:
        found += [dice.expovariate(1.0) for _ in range(1 + int(dice.expovariate(1.0 / (length * (1.0 / share - 1.0)))))]
        found += [10.0 + dice.expovariate(1.0) for _ in range(1 + int(dice.expovariate(1.0 / length)))]
    return found[:count]


def test_what_comes_alone_counts_each_for_itself():
    """In most of ten runs, and next to it in the others, chance makes nothing look as if it came together."""
    found = sorted(seen(alone(seed), share).value() for seed in range(5) for share in (0.9, 0.99))

    assert 1.0 == found[5]
    assert found[-1] < 6.0


@pytest.mark.parametrize(("length", "within"), [(20.0, 0.3), (80.0, 0.5)])
def test_what_comes_together_counts_for_less(length, within):
    """Bad times of n calls as a mean make about 2 n (1 - share) calls tell as much as one does that comes alone."""
    found = [seen(times(seed, length)).value() for seed in range(6)]

    assert sum(found) / len(found) == pytest.approx(2.0 * length * 0.9, rel=within)


def test_batches_of_any_size_tell_the_same():
    """Stretches go on from one batch to the next."""
    durations = times(1, 20.0)

    assert seen(durations, batch=7).to_dict() == seen(durations, batch=4_096).to_dict()


def test_a_border_that_would_move_does_not():
    """What is long is said once, and anew when eight times as much is known or what was known is forgotten."""
    found, course, known = Stretches(), Course(0.5), Quantile()
    known.update_many([1.0, 3.0] * 500)
    course.follow(found, [2.0], known)
    known.update_many([9.0] * 4_000)
    course.follow(found, [2.0], known)
    assert 2 == found.to_dict()["levels"][0][2]

    known.update_many([9.0] * 4_000)
    course.follow(found, [2.0], known)
    assert 2 == found.to_dict()["levels"][0][2]


def test_nothing_is_counted_of_a_target_that_nothing_is_known_of():
    """There is no saying what is slow before a thousand were seen."""
    found, known = Stretches(), Quantile()
    known.update_many([1.0] * 999)
    Course(0.9).follow(found, [1.0, 2.0], known)

    assert {"levels": []} == found.to_dict()
    assert 1.0 == found.value()


def test_half_of_what_was_counted_says_the_same():
    """And it can be stored."""
    found = seen(times(2, 40.0))
    before = found.value()
    found.halve()

    assert before == pytest.approx(found.value(), rel=0.1)
    assert found.value() == Stretches.from_dict(found.to_dict()).value()


@pytest.mark.parametrize("row", [[14, 1, 0, 0], [0, 1, 2, 2], [1, 1, 1, 3], [-1, 1, 0, 0]])
def test_counts_that_cannot_be_are_refused(row):
    """A stretch of two holds no three."""
    with pytest.raises(ValueError, match="levels"):
        Stretches.from_dict({"levels": [row]})
