"""What is due before its failure, over all the failures of a target."""

from __future__ import annotations

import math

from unbreakable.fractal.outlook import MOST_FORESIGHTS, Due, Outlook


def test_the_failures_that_were_mended_lately_are_known():
    """A bounded number of them: who was mended again counts as new, who was not for longest is forgotten."""
    outlook = Outlook()
    for number in range(MOST_FORESIGHTS):
        outlook.mended(f"trouble {number}", "mend", float(number), number)
    outlook.mended("trouble 0", "mend", 99.0, 99)
    outlook.mended("another", "mend", 100.0, 100)

    known = list(outlook.to_dict())

    assert MOST_FORESIGHTS == len(known)
    assert ["trouble 0", "another"] == known[-2:]
    assert "trouble 1" not in known


def test_what_is_foreseen_no_more_is_due_no_more():
    """Nor is its prevention counted, should a call be at it just then; what mended it is known."""
    outlook = Outlook()
    for life in ([9.9, 10.0, 5], [9.9, 10.0, 6], [9.9, 10.1, 7]):
        outlook.recall("trouble", "mend", life)
    outlook.mended("trouble", "mend", 0.0, 0)
    before = outlook.next(0)
    due = Due("trouble", "mend", "age")
    outlook.forget(due)
    after, told = outlook.next(0), outlook.to_dict()
    outlook.prevented(due, 10.0, 5)

    assert before < math.inf == after
    assert {} == told
    assert 0 == outlook.to_dict()["trouble"]["applied"]
