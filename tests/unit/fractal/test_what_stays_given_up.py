"""What no repeat helps against stays given up as long as it comes as often, and not when it has become rare."""

from __future__ import annotations

import random

import pytest

from unbreakable.fractal.experience import Experience


def lost(times, between):
    """Return what is known after so many lost calls, and the successes of the target by then."""
    experience = Experience()
    for number in range(times):
        experience.lost("bad", between * number)
    return experience, between * (times - 1)


def repeated(experience, gaps, successes=0):
    """Let the failure come back after each of *gaps*, in successes; return which calls were repeated, in vain."""
    repeats = []
    for number, gap in enumerate(gaps):
        successes += gap
        if not experience.gives_up("bad", [], lambda so_far=successes: so_far):
            repeats.append(number)
            experience.lost("bad", successes)
    return repeats


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.06, 0.1, 0.3])
def test_a_share_of_calls_that_always_fails_is_looked_at_once_in_twenty(share, seed):
    """Who is denied its repeats proves nothing, but shows that the failure is there; others succeed all the time."""
    dice = random.Random(seed)
    gaps = [int(dice.expovariate(1.0) * (1.0 - share) / share) for _ in range(1_200)]
    experience, successes = lost(12, between=round(1 / share) - 1)

    looked = len(repeated(experience, gaps, successes))

    assert looked <= 80  # 60 at least


def test_what_has_become_rare_is_repeated_again():
    """A failure that came after each 20 successes, and comes after 1,000 now, may be another one."""
    experience, successes = lost(12, between=20)

    assert 0 in repeated(experience, [1_000], successes)


@pytest.mark.parametrize("gap", [100, 150, 400])
def test_after_a_long_time_of_trouble_hiccups_are_repeated_soon(gap):
    """Most calls failed for long, some did not: the hiccups of the health after that are not taken for the same."""
    experience, successes = lost(80, between=1)

    assert min(repeated(experience, [gap] * 19, successes)) <= 6


def test_a_call_that_is_denied_does_not_count_as_lost():
    """It was not repeated, so it proves nothing: the next failure with no success since is judged as before."""
    experience, successes = lost(12, between=20)
    repeated(experience, [20] * 10, successes)
    (before,) = [row["give_up"]["worked"] for row in experience.to_dict().values()]
    repeated(experience, [20] * 5, successes + 200)
    (after,) = [row["give_up"]["worked"] for row in experience.to_dict().values()]

    assert before == after
