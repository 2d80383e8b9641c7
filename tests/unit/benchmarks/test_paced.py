"""The truth that plans are judged by: a whole plan, played on all calls at once."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.truth.held import hold, paced
from benchmarks.truth.laws import mixture, shifted
from benchmarks.truth.luck import Luck
from benchmarks.truth.paced import Paced, Paces
from benchmarks.truth.worlds import Endpoint, World

from unbreakable.policies import Backoff, Hedge, Plan, Retry, Timeout

CALLS = 4_000


def always(seconds):
    return lambda dice, inherent: 0.0 * inherent + seconds


def played(law, plan, *, fails=0.0, deadline=1.0, calls=CALLS):
    return Paces(Luck(World("x", "", (Endpoint(law, fails, fails),), 100.0, deadline), calls, 1), plan).run()


TWO_SPEEDS = mixture(always(0.01), always(0.5), 0.1)


def test_a_soft_limit_lets_the_next_attempt_begin_beside_the_one_that_is_late():
    """Late is 0.1; the second attempt, begun at 0.1, is quick in nine of ten; the third one begins 0.2 later."""
    run = played(TWO_SPEEDS, Paced("x", 3, (9.0, 9.0), limit=0.1, soft=True))

    assert {round(each, 3) for each in run.took} == {0.01, 0.11, 0.31, 0.5}
    assert run.made.mean() == pytest.approx(1.11, abs=0.02)


def test_a_hard_limit_cuts_and_the_next_attempt_comes_after_a_pause():
    """Cut at 0.1, a pause of 0.05, then quick; and after that again."""
    run = played(TWO_SPEEDS, Paced("x", 2, (0.05,), jitter=False, limit=0.1))

    assert {round(each, 3) for each in run.took[run.fine]} == {0.01, 0.16}
    assert run.fine.mean() == pytest.approx(0.99, abs=0.006)


def test_copies_are_sent_while_nothing_has_come():
    """One at 0.1 and one at 0.2, each quick in nine of ten."""
    run = played(TWO_SPEEDS, Paced("x", copies=(0.1, 0.2)))

    assert {round(each, 3) for each in run.took} == {0.01, 0.11, 0.21, 0.5}
    assert run.made.mean() == pytest.approx(1.11, abs=0.02)


def test_no_copy_follows_an_attempt_that_has_failed():
    """A failure shows after some 3 ms, before any copy; repeats are tried until the deadline forbids their pause."""
    run = played(always(0.01), Paced("x", 9, (0.4,) * 8, jitter=False, copies=(0.1,)), fails=0.5)

    assert run.fine.mean() == pytest.approx(1 - 0.5**3, abs=0.02)
    assert run.made.mean() == pytest.approx(1 + 0.5 + 0.25, abs=0.05)


FULL = Plan(effects="none", retry=Retry(3, backoff=Backoff(0.02, jitter=False)), hedge=Hedge(0.03, most=2))
PLANS = {
    "one attempt": Plan(effects="none", retry=Retry(1)),
    "copies and pauses": FULL,
    "a hard limit": Plan(effects="none", retry=FULL.retry, hedge=Hedge(0.03), timeout=Timeout(0.3)),
    "a soft limit": Plan(effects="none", retry=FULL.retry, timeout=Timeout(0.35, learned=True)),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_policies_do_as_the_rules_say(name):
    """Call by call both take as long, and make as many requests, whatever fails, is slow or never comes."""
    law = mixture(mixture(always(0.01), always(0.2), 0.2), shifted(always(0.0), 50.0), 0.02)
    luck = Luck(World("x", "", (Endpoint(law, 0.2, 0.2, fault=0.05),), 100.0, 1.0), 300, 1)
    rules, (ours, _) = Paces(luck, paced(PLANS[name])).run(), hold(luck, PLANS[name])

    same = (rules.fine == ours.fine) & (rules.made == ours.made)
    same &= ~rules.fine | np.isclose(rules.took, ours.took)

    # A soft limit that is put in force anew is not doubled for the few second attempts that are under way then.
    assert same.mean() >= (0.99 if name == "a soft limit" else 1.0)
