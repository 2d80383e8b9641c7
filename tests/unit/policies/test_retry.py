"""Whether an operation is run again: by count, type, kind and effects."""

from __future__ import annotations

import math
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.errors import (
    AttemptTimeout,
    BulkheadFull,
    CircuitOpen,
    DeadlineExceeded,
    Kind,
    NotSent,
    VerificationFailed,
    WorkerLost,
)
from unbreakable.outcome import Failure
from unbreakable.policies import Backoff, Retry
from unbreakable.policies.effects import checked, may_repeat, may_run_twice_at_once

EFFECTS = ["none", "idempotent", "unknown", "once"]


@given(st.integers(1, 50), st.integers(1, 60), st.booleans())
def test_no_more_attempts_than_were_asked_for(attempts, attempt, remedied):
    """The last attempt is the last one, whatever was mended."""
    wants = Retry(attempts).wants(Failure(OSError(), attempt=attempt), remedied=remedied)

    assert (attempt < attempts) == wants


@pytest.mark.parametrize("remedied", [False, True])
def test_only_the_types_that_were_named_are_repeated(remedied):
    """Other exceptions are not, even if something was mended."""
    retry = Retry(on=(ConnectionError, LookupError))

    assert [True, True, False] == [
        retry.wants(Failure(error), remedied=remedied) for error in (ConnectionResetError(), KeyError(), ValueError())
    ]


@pytest.mark.parametrize("kind", Kind)
def test_what_does_not_pass_by_itself_is_repeated_only_when_something_was_mended(kind):
    """A wrong request, wrong credentials, a bug and a refusal of ours stay what they are."""
    failure = Failure(OSError(), kind)
    permanent = kind in {Kind.INVALID, Kind.CREDENTIALS, Kind.BUG, Kind.REJECTED}

    assert (not permanent, True) == tuple(Retry().wants(failure, remedied=remedied) for remedied in (False, True))


@pytest.mark.parametrize("kind", Kind)
def test_what_is_named_is_repeated(kind):
    """Whoever names just this sort of failure wants it repeated, but for a call that is written wrongly."""
    assert (kind is not Kind.BUG) is Retry().wants(Failure(OSError(), kind), remedied=False, named=True)


def test_what_was_repeated_below_is_repeated_only_when_something_was_mended():
    """Attempts do not multiply over layers."""
    failure = Failure(OSError(), exhausted=True)

    assert [False, True] == [Retry().wants(failure, remedied=remedied) for remedied in (False, True)]


@given(st.floats(0.0, 100.0), st.one_of(st.none(), st.floats(0.0, 1000.0)), st.floats(0.0, 1.0, exclude_max=True))
def test_the_target_is_given_the_time_it_asked_for(first, asked, u):
    """The pause is what the backoff says, after what the target asked for: else all that it told come at once."""
    backoff = Backoff(first, most=100.0)
    failure = Failure(OSError(), retry_after=asked)

    assert (asked or 0.0) + first * u == pytest.approx(Retry(backoff=backoff).pause(failure, u))
    assert (asked or 0.0) <= Retry(backoff=backoff).pause(failure, u)


@given(st.floats(0.0, 100.0), st.floats(0.0, 60.0), st.floats(0.0, 1.0, exclude_max=True))
def test_chance_lets_nobody_come_too_late(asked, left, u):
    """Whoever has time for what the target asked for has time for the pause; whoever has not is told the former."""
    pause = Retry(backoff=Backoff(30.0)).pause(Failure(OSError(), retry_after=asked), u, left)

    assert pause == asked if asked >= left else asked <= pause <= left
    assert math.inf == Retry().pause(Failure(OSError(), retry_after=math.inf), u, left)


@pytest.mark.parametrize(
    ("jitter", "asked", "left", "pause"),
    [
        (True, None, 6.0, 15.0),
        (True, 2.0, math.inf, 17.0),
        (True, 2.0, 6.0, 3.0),
        (True, 6.0, 6.0, 6.0),
        (False, None, 6.0, 30.0),
        (False, 2.0, 60.0, 30.0),
        (False, 40.0, 60.0, 40.0),
        (False, 6.0, 6.0, 6.0),
        (False, 7.0, 6.0, 7.0),
    ],
)
def test_a_pause_is_made_of_what_was_asked_for_and_what_the_backoff_says(jitter, asked, left, pause):
    """By chance, of no more than half of the time that is left then; without it, the longer of the two."""
    backoff = Backoff(30.0, jitter=jitter)

    assert pause == Retry(backoff=backoff).pause(Failure(OSError(), retry_after=asked), 0.5, left)


@pytest.mark.parametrize("kind", Kind)
def test_a_target_that_throttles_is_given_longer_pauses(kind):
    """The first pause is a second there, a tenth of one after any other failure; what is asked for counts in both."""
    paced = Retry(backoff=Backoff(jitter=False), throttled=Backoff(1.0, jitter=False))
    usual = 1.0 if kind is Kind.THROTTLED else 0.1

    failures = [
        Failure(OSError(), kind, attempt=number, retry_after=asked) for number, asked in ((1, None), (2, None), (1, 7))
    ]
    assert [usual, usual * 2, 7.0] == [paced.pause(failure, 0.5) for failure in failures]


def test_by_default_a_throttled_repeat_waits_up_to_a_second():
    """With full jitter, as everywhere."""
    assert (1.0, True) == (Retry().throttled.first, Retry().throttled.jitter)


CUT = Failure(AttemptTimeout("cut"), Kind.TIMEOUT, cut=True)
REPORTED = Failure(ConnectionResetError())

TABLE = [
    # what it ended in, and whether an operation of these effects may be run again
    (REPORTED, {"none": True, "idempotent": True, "unknown": True, "once": False}),
    (Failure(TimeoutError("the user's own")), {"none": True, "idempotent": True, "unknown": True, "once": False}),
    (Failure(VerificationFailed()), {"none": True, "idempotent": True, "unknown": True, "once": False}),
    (CUT, {"none": True, "idempotent": True, "unknown": False, "once": False}),
    (Failure(WorkerLost()), {"none": True, "idempotent": True, "unknown": False, "once": False}),
    (Failure(NotSent()), dict.fromkeys(EFFECTS, True)),
    (Failure(ConnectionRefusedError()), dict.fromkeys(EFFECTS, True)),
    (Failure(socket.gaierror()), dict.fromkeys(EFFECTS, True)),
    (Failure(CircuitOpen(), refused=True), dict.fromkeys(EFFECTS, False)),
    (Failure(BulkheadFull(), refused=True), dict.fromkeys(EFFECTS, False)),
    (Failure(DeadlineExceeded(), refused=True), dict.fromkeys(EFFECTS, False)),
    (Failure(BulkheadFull("elsewhere")), {"none": True, "idempotent": True, "unknown": True, "once": False}),
    (Failure(OSError(), unrepeatable=True), {"none": True, "idempotent": True, "unknown": False, "once": False}),
    (Failure(NotSent(), unrepeatable=True), {"none": True, "idempotent": True, "unknown": False, "once": False}),
]


@pytest.mark.parametrize(("failure", "allowed"), TABLE, ids=lambda each: str(each)[:40])
def test_effects_decide_what_may_be_repeated(failure, allowed):
    """The table of the public face, row by row."""
    assert allowed == {effects: may_repeat(effects, failure) for effects in EFFECTS}


def test_effects_decide_what_may_run_twice_at_once():
    """Only what changes nothing when repeated."""
    assert ["none", "idempotent"] == [effects for effects in EFFECTS if may_run_twice_at_once(effects)]


def test_unknown_words_for_effects_are_refused():
    """The message lists the four words."""
    assert EFFECTS == [checked(effects) for effects in EFFECTS]
    with pytest.raises(ValueError, match="'none', 'idempotent', 'unknown', 'once'"):
        checked("harmless")
