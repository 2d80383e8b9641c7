"""What is counted of the last attempts: of so many calls, or of so many seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.policies.windows import LastCalls, LastSeconds, Tally

attempts = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)


@pytest.mark.parametrize(
    "recent", [LastCalls(3), LastSeconds(10.0, watches_slowness=True), LastSeconds(10.0, watches_slowness=False)]
)
def test_before_the_first_attempt_there_is_nothing(recent):
    """A tally of nothing, and no share of it."""
    assert Tally(0, 0, 0) == recent.value(5.0)


@given(attempts, st.integers(1, 9))
def test_the_last_calls_are_the_last_calls(course, most):
    """However many came before, the tally is that of the last ones, looked through from the start."""
    recent = LastCalls(most)
    for failed, slow in course:
        recent.update(0.0, failed=failed, slow=slow)
    last = course[-most:]

    assert (len(last), sum(failed for failed, _ in last), sum(slow for _, slow in last)) == recent.value(0.0)


def test_the_last_seconds_forget_a_tenth_at_a_time():
    """They are cut from the first attempt on, whatever the clock says."""
    recent = LastSeconds(10.0, watches_slowness=True)
    for moment in (1_000.5, 1_001.4, 1_005.5):
        recent.update(moment, failed=True, slow=moment > 1_005.0)

    assert [(3, 3, 1), (3, 3, 1), (1, 1, 1), (0, 0, 0)] == [
        recent.value(moment) for moment in (1_005.5, 1_010.4, 1_010.6, 1_020.0)
    ]


def test_slowness_is_not_counted_where_nobody_asks():
    """One window less to keep."""
    recent = LastSeconds(10.0, watches_slowness=False)
    recent.update(0.0, failed=True, slow=True)

    assert Tally(1, 1, 0) == recent.value(0.0)


def test_the_oldest_is_forgotten_first():
    """Call by call, round and round."""
    recent, told = LastCalls(3), []
    for number in range(9):
        recent.update(0.0, failed=number % 3 < 2, slow=number in (1, 4))
        told.append(tuple(recent.value(0.0)))
    for _ in range(3):
        recent.update(0.0, failed=False, slow=False)
        told.append(tuple(recent.value(0.0)))

    slow = [0, 1, 1, 1, 1, 1, 1, 0, 0]
    failed = [1, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [*zip([1, 2, *[3] * 7], failed, slow, strict=True), (3, 1, 0), (3, 0, 0), (3, 0, 0)] == told
