"""The terms of a circuit: what is refused where it is written, and what each of them means."""

from __future__ import annotations

import math
import re

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.policies import CircuitBreaker
from unbreakable.policies.terms import MOST_LAST, Slow, Terms


@pytest.mark.parametrize(
    ("terms", "failures", "seconds", "is_outage"),
    [
        (Terms(5), 5, 0.0, True),
        (Terms(5), 4, 60.0, False),
        (Terms(8, learned=True, rest=3.0), 8, 1.4, False),
        (Terms(8, learned=True, rest=3.0), 8, 1.5, True),
        (Terms(8, learned=True, rest=3.0), 7, 4.9, False),
        (Terms(8, learned=True, rest=3.0), 5, 5.0, True),
        (Terms(8, learned=True, rest=3.0), 4, 60.0, False),
        (Terms(8, learned=True, rest=30.0), 8, 4.9, False),
        (Terms(8, learned=True, rest=30.0), 8, 5.0, True),
        (Terms(5, learned=True, rest=3.0), 5, 1.4, False),
        (Terms(4, learned=True, rest=3.0), 4, 0.0, True),
    ],
)
def test_a_learned_row_of_failures_lasts_as_long_as_answers_take(terms, failures, seconds, is_outage):
    """Where failures come at once, dozens fail before the first answer is back; fewer than five need not last."""
    assert is_outage == terms.is_outage(failures, seconds)


def test_what_is_not_said_is_as_the_pages_promise():
    """Five failures in a row, and thirty seconds of rest."""
    terms = Terms()

    assert {
        "failures": 5,
        "ratio": None,
        "window": 30.0,
        "last": None,
        "minimum": 10,
        "rest": 30.0,
        "most_rest": None,
        "jitter": 0.0,
        "permits": 1,
        "ramp": 0.0,
        "slow": None,
        "wait": 0.0,
        "learned": False,
    } == {name: getattr(terms, name) for name in Terms.__dataclass_fields__}
    assert (2.0, 0.5) == (Slow(2.0).seconds, Slow(2.0).ratio)
    assert 7 == CircuitBreaker(7).failures


SECONDS, SHARE = "must be more than 0 seconds, not", "must be a share from 0 to 1"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        *(
            ({name: 0}, f"{name} must be a whole number from 1 up, not 0")
            for name in ("failures", "minimum", "permits")
        ),
        *(({name: 1.5}, f"{name} must be a whole number from 1 up, not 1.5") for name in ("failures", "permits")),
        *(({name: 0.0}, f"{name} {SECONDS} 0.0") for name in ("window", "rest", "most_rest", "slow")),
        *(({name: math.inf}, f"{name} {SECONDS} inf") for name in ("window", "rest", "most_rest", "slow")),
        *(({name: -1.0}, f"{name} must be 0 or more seconds") for name in ("ramp", "wait")),
        ({"ramp": math.inf}, "ramp must be 0 or more seconds, not inf"),
        ({"wait": math.nan}, "wait must be 0 or more seconds (or math.inf), not nan"),
        *(({"jitter": value}, f"jitter {SHARE}, not {value}") for value in (-0.1, 1.1)),
        *(({"ratio": value}, f"ratio {SHARE} (above 0), not {value}") for value in (0.0, 1.1)),
        ({"ratio": 0.5, "last": 0}, "last must be a whole number from 1 up, not 0"),
        ({"ratio": 0.5, "last": MOST_LAST + 1}, f"last must be 10000 or less, not {MOST_LAST + 1}"),
        ({"last": 5}, "last must be None without ratio or ub.Slow(…): a share is what it is for, not 5"),
        ({"last": 5, "slow": 2.0}, "last must be None without ratio"),
        ({"rest": 9.0, "most_rest": 8.0}, "most_rest must be at least the first rest, 9.0 s, not 8.0"),
    ],
    ids=str,
)
def test_a_wrong_term_is_refused_with_what_was_expected(wrong, message):
    """By the name under which it is written."""
    with pytest.raises(ConfigurationError, match=re.escape(f"CircuitBreaker.{message}")):
        CircuitBreaker(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [((0.0,), f"seconds {SECONDS} 0.0"), ((1.0, 0.0), f"ratio {SHARE} (above 0)"), ((1.0, 2.0), f"ratio {SHARE}")],
)
def test_a_wrong_share_of_slow_attempts_is_refused(wrong, message):
    """A share of none would open it at once."""
    seconds, *ratio = wrong
    with pytest.raises(ConfigurationError, match=re.escape(f"Slow.{message}")):
        Slow(seconds, **({"ratio": ratio[0]} if ratio else {}))


@pytest.mark.parametrize(
    "right",
    [
        {"ratio": 1.0, "last": MOST_LAST},
        {"ratio": 0.001, "last": 1},
        {"slow": Slow(0.1, ratio=1.0), "last": 5},
        {"wait": math.inf},
        {"jitter": 1.0},
        {"rest": 9.0, "most_rest": 9.0},
    ],
    ids=str,
)
def test_what_is_at_the_edge_is_taken(right):
    """As it was written."""
    terms = CircuitBreaker(**right)

    assert right == {name: getattr(terms, name) for name in right}


@pytest.mark.parametrize(
    ("terms", "counts", "least", "fails", "watches"),
    [
        (Terms(), False, 10, None, False),
        (Terms(ratio=0.5), True, 10, None, True),
        (Terms(ratio=0.5, last=20), True, 10, None, True),
        (Terms(ratio=0.5, last=4), True, 4, None, True),
        (Terms(slow=2.0), False, 10, 2.0, True),
        (Terms(slow=Slow(2.0)), True, 10, None, True),
        (Terms(slow=Slow(2.0), last=4, minimum=3), True, 3, None, True),
    ],
)
def test_what_is_watched_follows_from_what_was_written(terms, counts, least, fails, watches):
    """A share needs a window, and enough of it; only where a success can matter is it looked at."""
    assert (counts, least) == (terms.counts_shares, terms.least)
    assert (fails, watches) == (terms.fails_if_slower, terms.watches_successes)


@pytest.mark.parametrize(
    ("slow", "seconds", "expected"),
    [(None, 9.0, False), (2.0, 9.0, False), (Slow(2.0), 2.0, False), (Slow(2.0), 2.1, True)],
)
def test_a_slow_attempt_takes_longer_than_is_said(slow, seconds, expected):
    """Where a share of slow ones is counted."""
    assert expected is Terms(slow=slow).is_slow(seconds)


@pytest.mark.parametrize(
    ("terms", "vain", "u", "seconds"),
    [
        (Terms(rest=10.0), 0, 0.5, 10.0),
        (Terms(rest=10.0), 3, 0.5, 10.0),
        (Terms(rest=10.0, most_rest=60.0), 0, 0.5, 10.0),
        (Terms(rest=10.0, most_rest=60.0), 1, 0.5, 20.0),
        (Terms(rest=10.0, most_rest=60.0), 2, 0.5, 40.0),
        (Terms(rest=10.0, most_rest=60.0), 3, 0.5, 60.0),
        (Terms(rest=10.0, most_rest=60.0), 10**6, 0.5, 60.0),
        (Terms(rest=10.0, most_rest=1e300), 10**6, 0.5, 10.0 * 2.0**64),
        (Terms(rest=10.0, jitter=0.2), 0, 0.0, 10.0),
        (Terms(rest=10.0, jitter=0.2), 0, 0.5, 11.0),
        (Terms(rest=10.0, jitter=0.2), 0, 1.0, 12.0),
        (Terms(rest=10.0, most_rest=60.0, jitter=0.2), 9, 1.0, 72.0),
    ],
)
def test_a_rest_doubles_up_to_its_most_and_jitter_comes_on_top(terms, vain, u, seconds):
    """However long the target is away, no number is too large."""
    assert seconds == pytest.approx(terms.rest_after(vain, u))


@pytest.mark.parametrize(
    ("slow", "tally", "failing", "expected"),
    [
        (None, (10, 5, 0), 0.5, True),
        (None, (10, 4, 0), 0.5, False),
        (None, (10, 10, 10), None, False),
        (Slow(2.0), (10, 0, 5), 0.5, True),
        (Slow(2.0), (10, 0, 4), 0.5, False),
        (Slow(2.0, ratio=0.3), (10, 0, 3), None, True),
        (Slow(2.0, ratio=0.3), (10, 9, 2), None, False),
        (2.0, (10, 0, 10), 0.5, False),
    ],
)
def test_so_many_failures_or_slow_ones_are_too_much(slow, tally, failing, expected):
    """From the share on that is said, each for itself."""
    assert expected is Terms(slow=slow).is_too_much(*tally, failing=failing)


@pytest.mark.parametrize(
    ("terms", "seconds", "waiting"),
    [
        ({}, 30.0, 1_000),
        ({"rest": 2.0, "most_rest": 8.0}, 2.0, 1_000),
        ({"rest": 2.0, "most_rest": 8.0, "learned": True}, 8.0, 16),
        ({"rest": 2.0, "learned": True}, 2.0, 16),
    ],
)
def test_a_learned_one_rests_for_its_longest_where_it_has_to_at_once_and_lets_few_wait(terms, seconds, waiting):
    """Its first rest is short, for a target whose failures come in bursts."""
    found = Terms(**terms)

    assert (seconds, waiting) == (found.whole_rest, found.most_waiting)


def test_that_it_was_learned_is_no_term_to_be_read():
    """It reads as what somebody could write who wants the same."""
    assert repr(CircuitBreaker(3)) == repr(CircuitBreaker(3, learned=True))
