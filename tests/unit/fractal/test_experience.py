"""What is known of remedies: those that work are chosen, and what was once true is not believed for ever."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from unbreakable.fractal.remedies import Experience, Remedy
from unbreakable.fractal.survey import remedies_of

REFRESH, OTHER = (Remedy(name, lambda failure: True, lambda failure: None) for name in ("refresh", "other"))


def taught(*lessons):
    """Return an experience of verdicts: how often in a row a remedy (None: waiting) worked or did not."""
    experience = Experience()
    for remedy, worked, times in lessons:
        for _ in range(times):
            experience.update("timeout", remedy, worked=worked)
    return experience


def test_a_remedy_that_stops_working_is_soon_demoted():
    """A hundred successes long ago weigh less than twenty failures now."""
    experience = taught((REFRESH, True, 100), (REFRESH, False, 20))

    assert experience.choose("timeout", [REFRESH], u=0.9) is None


@pytest.mark.parametrize(("u", "chosen"), [(0.04, OTHER), (0.06, None)])
def test_where_nothing_works_the_second_best_is_tried_now_and_then(u, chosen):
    """One time in twenty: it may have come back, and nobody would ever know."""
    experience = taught((None, False, 3), (OTHER, False, 30), (REFRESH, False, 40))

    assert chosen is experience.choose("timeout", [REFRESH, OTHER], u)


def test_what_several_targets_know_of_a_remedy_is_weighed_by_how_much_that_is():
    """In a status, a hundred tries here count for more than one there."""
    often, once = taught((REFRESH, True, 100)), taught((REFRESH, False, 1))
    targets: list[Any] = [SimpleNamespace(experience=each) for each in (often, once, often)]  # twins share theirs
    told = remedies_of(targets)["timeout"]["refresh"]

    assert pytest.approx((20.9, 19.9), abs=0.2) == (told["tried"], told["worked"])
    assert often.value("timeout", REFRESH) - told["estimate"] < 0.03
