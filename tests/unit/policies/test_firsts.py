"""What a call would have come to by its first attempt alone."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from unbreakable.outcome import Failure
from unbreakable.policies import Context
from unbreakable.policies.firsts import failed, given_up

FAILED, REFUSED = Failure(OSError("gone")), Failure(OSError("full"), refused=True)


def of_a_call(*, attempt=1, rival=0, deadline=100.0):
    """Return a call that is 3 seconds old, and one of its attempts."""
    call = Context()
    call.runtime, call.deadline, call.started, call.attempt = SimpleNamespace(now=lambda: 13.0), deadline, 10.0, attempt
    return call, call.scope(rival=rival)


@pytest.mark.parametrize(
    ("of", "failure", "seconds"),
    [
        ({}, FAILED, math.inf),
        ({"attempt": 2}, FAILED, 0.0),
        ({"rival": 1}, FAILED, 0.0),
        ({}, REFUSED, 0.0),
    ],
)
def test_a_first_attempt_that_failed_would_never_have_ended_well(of, failure, seconds):
    """A repeat, a copy, and one that was never made say nothing of it."""
    call, attempt = of_a_call(**of)
    failed(attempt, failure)

    assert seconds == call.first_came_to


@pytest.mark.parametrize(
    ("of", "number", "seconds"),
    [
        ({}, None, -3.0),
        ({}, 2, 0.0),
        ({"attempt": 2}, None, 0.0),
        ({"attempt": 2}, 1, -3.0),
        ({"rival": 1}, None, 0.0),
        ({"deadline": 13.5}, None, -3.0),
        ({"deadline": 13.0}, None, math.inf),
        ({"deadline": 12.0}, None, math.inf),
    ],
)
def test_a_first_attempt_that_was_given_up_would_have_taken_longer(of, number, seconds):
    """How long it had is told by a number below zero, unless the call had no more time for it."""
    call, attempt = of_a_call(**of)
    given_up(attempt, number)

    assert seconds == call.first_came_to
