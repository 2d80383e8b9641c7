"""Where no attempt follows a remedy, the next failure says whether it has helped."""

from __future__ import annotations

import unbreakable as ub
from unbreakable.fractal.experience import Experience
from unbreakable.fractal.remedies import Remedy
from unbreakable.testing import virtual_time

REFRESH = Remedy("refresh", lambda failure: True, lambda failure: None)


def test_verdicts_that_are_owed_are_bounded():
    """Of a thousand sorts of failures that never come again nothing is kept for ever."""
    experience = Experience()
    for number in range(1_000):
        experience.owe(f"failure {number}", REFRESH, 0.0, 0)

    assert len(experience._owed) <= 51


def test_a_success_counts_for_a_repair_only_where_nothing_had_succeeded_before_it():
    """Two failures in a row, the repair, a success: it helped; a failure with no success since: it did not."""
    experience, verdicts = Experience(), []
    for successes in (0, 0, 1, 1, 5):
        experience.settle("timeout", 0.0, lambda successes=successes: successes)
        experience.owe("timeout", REFRESH, 0.0, successes)
        known = experience.to_dict().get("timeout", {}).get("refresh", {"tried": 0, "worked": 0})
        verdicts.append((round(known["tried"], 2), round(known["worked"], 2)))

    experience.settle("timeout", -1.0, lambda: 5)  # it was under way before

    assert [(0, 0), (1.0, 0.0), (1.95, 1.0)] == verdicts[:3]
    assert verdicts[3][1] < 1.0 < verdicts[3][0]
    assert verdicts[4][0] > verdicts[3][0]


def test_a_remedy_after_which_no_attempt_can_be_paid_is_judged_by_the_next_call():
    """Else the first of two would be applied call after call, and the one that helps never."""
    valid, applied = [], []

    @ub.protect("partner", effects="idempotent", breaker=False, budget=ub.RetryBudget(start=0, floor=0))
    def ask():
        if not valid:
            raise PermissionError("401")

    @ask.remedy(PermissionError)
    def clear_session(failure):
        applied.append("clear_session")

    @ask.remedy(PermissionError)
    def refresh(failure):
        applied.append("refresh")
        valid.append(True)

    with virtual_time():
        assert [False, False, True] == [ask.outcome().ok for _ in range(3)]
    assert ["clear_session", "refresh"] == applied
