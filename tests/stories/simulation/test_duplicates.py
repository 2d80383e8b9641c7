"""What must not be done twice is not done twice, whichever door it goes through and whatever is cut or cancelled."""

from __future__ import annotations

from collections import Counter

import pytest
from benchmarks._doors import RULES, Scene, inside, mutated
from tests.dense import most

SEEDS = range(1, 1 + most(40, 4))


def played(seeds: range, rule: str | None = None, kinds=()) -> tuple[Counter[str], Counter[tuple[str, str, str]]]:
    """Return what was counted in the scenes of *seeds*, and what was done twice."""
    counts, breaches = Counter(), Counter()
    with mutated(rule):
        for seed in seeds:
            scene = Scene(seed, 80, kinds)
            scene.play()
            counts, breaches = counts + scene.server.counts, breaches + scene.server.breaches
    return counts, breaches


def test_nothing_unsafe_is_doubled():
    """No request is made while an earlier one may have arrived; what had not, or failed, is repeated all the same."""
    counts, breaches = played(SEEDS)

    assert {} == breaches
    assert counts["repeats"] > 15
    assert counts["cut"] > 15
    assert counts["cancelled"] > 15


@pytest.mark.parametrize(
    ("rule", "kinds"), [("repeats", ()), ("cuts", ()), ("copies", ()), ("inside", [inside])], ids=RULES
)
def test_a_rule_that_is_missing_is_noticed(rule, kinds):
    """Without the mask of repeats, of what was cut, of copies or of what was done inside something is doubled."""
    assert {} != played(range(1, 3), rule, kinds)[1]
