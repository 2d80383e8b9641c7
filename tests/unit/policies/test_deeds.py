"""What is told of what a call has done."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest

from unbreakable.errors import Kind, NotSent
from unbreakable.outcome import Failure
from unbreakable.policies import Context, Plan
from unbreakable.policies.deeds import (
    Deeds,
    call_of,
    cancelled,
    failed,
    failed_before,
    may_be_left,
    overtaken,
    succeeded,
    succeeded_inside,
    tell_outside,
)


def test_what_is_settled_can_be_sent_elsewhere():
    """A worker process tells the one that it works for, whatever it has left at work."""

    class Call:
        live, idle, plan = True, False, SimpleNamespace(effects="once")

    deeds = Deeds()
    deeds.at_work.add(Call())
    copy = pickle.loads(pickle.dumps(deeds.settle()))  # noqa: S301 - our own

    assert {"acted": False, "doubtful": True, "unrepeatable": True} == copy.flags()
    assert (True, set(), set()) == (copy.touched, copy.at_work, copy.left)


# ── what one attempt has done ────────────────────────────────────────────────────────────

FLAGS = {"T": "touched", "A": "acted", "D": "doubtful", "U": "unrepeatable"}
LOST, SAID = Failure(TimeoutError("lost"), Kind.TIMEOUT), Failure(ValueError("no such card"))
CUT = Failure(TimeoutError("cut"), Kind.TIMEOUT, cut=True)
UNSENT = Failure(NotSent("no line"))
REFUSED = Failure(ValueError("full"), refused=True)


class Work:
    """Stand for work of ours that is no call: it has nothing to tell."""

    live = idle = False


def told(deeds):
    """Return a letter for each thing that is known: T for touched, and so on."""
    return "".join(letter for letter, flag in FLAGS.items() if getattr(deeds, flag))


def call(effects="unknown", above=None, **fields):
    """Return the context of a call with those effects."""
    ctx = Context()
    ctx.plan, ctx.above = Plan(effects=effects), above
    for name, value in fields.items():
        setattr(ctx, name, value)
    return ctx


def attempt(of, inside="", **fields):
    """Return the context of an attempt in which calls have done what the letters say."""
    scope = of.scope(**fields)
    if inside:
        scope.deeds.add(acted="A" in inside, doubtful="D" in inside, unrepeatable="U" in inside)
    return scope


@pytest.mark.parametrize(
    ("effects", "inside", "fields", "known"),
    [
        ("none", "", {}, ""),
        ("none", "TADU", {}, ""),
        ("unknown", "", {}, "T"),
        ("unknown", "T", {}, "T"),
        ("unknown", "TA", {}, "TA"),
        ("unknown", "TU", {}, "TU"),
        ("idempotent", "", {}, "TA"),
        ("idempotent", "TU", {}, "TA"),
        ("once", "", {}, "TAU"),
        ("once", "", {"undone": True}, ""),
        ("once", "", {"is_aside": True}, ""),
        ("once", "", {"vouched": True}, "TA"),
        ("once", "T", {"undone": True}, "T"),
        ("unknown", "TA", {"undone": True}, "TA"),
        ("unknown", "TU", {"undone": True}, "TU"),
        ("unknown", "TU", {"is_aside": True}, "TU"),
        ("once", "TU", {"vouched": True}, "TAU"),
        ("idempotent", "TU", {"vouched": True}, "TA"),
    ],
)
def test_a_success_has_done_what_its_effects_say_and_what_calls_inside_have(effects, inside, fields, known):
    """What is undone, or vouched for, is so for the operation's own doing alone."""
    one = call(effects)
    succeeded(attempt(one, inside, **fields))

    assert known == told(one.deeds)


@pytest.mark.parametrize(
    ("effects", "inside", "fields", "failure", "known"),
    [
        ("unknown", "", {}, SAID, "T"),
        ("unknown", "", {}, LOST, "TD"),
        ("unknown", "", {}, CUT, "TDU"),
        ("unknown", "", {}, UNSENT, ""),
        ("unknown", "", {}, REFUSED, ""),
        ("unknown", "TA", {}, SAID, "TA"),
        ("unknown", "TA", {"refuted": True}, SAID, "T"),
        ("unknown", "T", {}, UNSENT, "T"),
        ("none", "TADU", {}, CUT, ""),
        ("idempotent", "", {}, CUT, "TD"),
        ("once", "", {}, SAID, "TU"),
        ("once", "", {}, UNSENT, ""),
        ("once", "", {"vouched": True}, SAID, "T"),
        ("once", "", {"undone": True}, LOST, ""),
        ("once", "TD", {"undone": True}, LOST, "TD"),
        ("once", "TD", {"is_aside": True}, SAID, "T"),
        ("once", "TU", {"undone": True}, LOST, "TU"),
    ],
)
def test_a_failure_has_done_what_nobody_can_rule_out(effects, inside, fields, failure, known):
    """One that was never sent has done nothing, and of one that was cut nobody knows."""
    one = call(effects)
    failed(attempt(one, inside, **fields), failure)

    assert known == told(one.deeds)


@pytest.mark.parametrize(
    ("effects", "inside", "fields", "known"),
    [
        ("unknown", "", {}, "TDU"),
        ("idempotent", "", {}, "TD"),
        ("idempotent", "TA", {}, "TAD"),
        ("none", "TA", {}, ""),
        ("once", "", {"vouched": True}, "TD"),
        ("once", "", {"undone": True}, ""),
    ],
)
def test_of_an_attempt_that_was_cancelled_nobody_knows(effects, inside, fields, known):
    """It may have come to its end, or to nothing."""
    one = call(effects)
    cancelled(attempt(one, inside, **fields))

    assert known == told(one.deeds)


def test_a_success_says_what_came_of_the_attempts_before_it():
    """Their doubt is over, while what they have done is done; only its own doubt stays."""
    for inside, known in (("", "TU"), ("TD", "TDU")):
        one = call()
        failed(attempt(one), CUT)
        succeeded(attempt(one, inside))

        assert known == told(one.deeds)


def test_a_success_has_left_calls_at_work_on_purpose():
    """They leave no doubt of it, and only what must happen once is not to be begun again."""
    for effects, known in (("unknown", "T"), ("once", "TU")):
        one = call()
        scope, left = attempt(one), call(effects)
        scope.deeds.at_work.add(left)
        succeeded(scope)

        assert (known, {left}) == (told(one.deeds), one.deeds.left)


@pytest.mark.parametrize(("before", "known"), [(SAID, "TU"), (LOST, "TDU")])
def test_who_was_overtaken_leaves_no_new_doubt(before, known):
    """Another has won, so what came of the call is known; but it may have done it twice."""
    one = call()
    failed(attempt(one), before)
    overtaken(attempt(one))

    assert known == told(one.deeds)


def test_an_attempt_and_its_copies_tell_the_call():
    """However deep the copy, and a call is its own."""
    one = call()
    scope = one.scope().scope()

    assert one is call_of(scope) is call_of(one)
    assert "bare" == call_of("bare")


# ── calls that are left at work ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("effects", "well", "known"),
    [
        ("none", False, ""),
        ("none", True, ""),
        ("idempotent", False, "TD"),
        ("unknown", False, "TDU"),
        ("once", False, "TDU"),
        ("idempotent", True, "T"),
        ("unknown", True, "T"),
        ("once", True, "TU"),
    ],
)
def test_of_calls_that_are_left_at_work_nobody_knows(effects, well, known):
    """An attempt that ended well has left them so on purpose; only what must happen once is not begun again."""
    deeds, left = Deeds(), call(effects)
    deeds.at_work.add(left)

    assert deeds is deeds.settle(well=well)
    assert known == told(deeds)
    assert (set(), {left} if known else set()) == (deeds.at_work, deeds.left)


def test_a_call_that_is_over_or_rests_has_done_what_it_tells():
    """Nothing is guessed of either, and a call inside one that rests is left at work."""
    over, resting, inner = call(live=False), call(idle=True), call("idempotent")
    resting.deeds.add(acted=True)
    resting.deeds.at_work.add(inner)
    deeds = Deeds()
    deeds.at_work.update({over, resting})
    deeds.settle()

    assert ("TAD", {inner}) == (told(deeds), deeds.left)


def test_what_came_meanwhile_stays_at_work():
    """Another thread may begin a call while what is at work is looked at."""
    deeds, late = Deeds(), call()

    class Begins(Context):
        @property
        def plan(self):
            deeds.at_work.add(late)
            return Plan(effects="once")

    deeds.at_work.add(Begins())
    deeds.settle()

    assert {late} == deeds.at_work


@pytest.mark.parametrize("letter", ["T", "A", "D", "U"])
def test_what_another_tells_is_taken_as_it_is(letter):
    """Each thing for itself, and nothing is taken back."""
    one, other = Deeds(), Deeds()
    other.add(acted=letter == "A", doubtful=letter == "D", unrepeatable=letter == "U")
    one.take(other)
    one.take(Deeds())

    assert {"T", letter} == set(told(one))


def test_of_what_is_left_only_what_goes_on_is_taken():
    """What has ended meanwhile is let go of, on both sides; who has left others at work leads on to them."""
    ended, goes_on, leads, further = call(live=False), call(), call(live=False), call()
    leads.deeds.left.add(further)
    one, other = Deeds(), Deeds()
    one.left.add(ended)
    other.left.update({ended, goes_on, leads})
    one.take(other)

    assert {goes_on, leads} == one.left
    further.live = False
    one.take(other)
    assert {goes_on} == one.left


def test_calls_under_way_are_found_however_they_were_left():
    """At work now, or left so by those that are over, rest, or are left out; not what does nothing."""
    deeds, deep, left, at_work, looks = Deeds(), call("once"), call(), call("idempotent"), call("none")
    resting, out = call(idle=True), call()
    resting.deeds.at_work.add(deep)
    out.deeds.left.add(left)
    deeds.at_work.update({resting, at_work, looks})
    deeds.left.update({out, Work()})

    assert {deep, left, at_work} == set(deeds.under_way(lambda one: one is out))
    assert {deep, out, at_work} == set(deeds.under_way())


@pytest.mark.parametrize(("effects", "left"), [("none", False), ("unknown", True)])
def test_an_attempt_in_a_thread_may_go_on_when_its_call_is_over(effects, left):
    """Until its end, unless it does nothing, or is no attempt."""
    one = call(effects)
    scope = one.scope()
    may_be_left(scope)
    may_be_left(one)

    assert ({scope} if left else set()) == one.deeds.left
    scope.end()
    assert set() == one.deeds.left


def test_what_a_call_without_attempts_has_left_is_told():
    """The quick path makes no context for its first attempt, so what is known of it is known of the call."""
    one, further = call(), call("idempotent")
    one.deeds.at_work.add(further)
    cancelled(one)

    assert ("TDU", {further}) == (told(one.deeds), one.deeds.left)


# ── calls inside of calls ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("effects", "fields", "known"),
    [
        ("none", {}, ""),
        ("unknown", {}, "T"),
        ("idempotent", {}, "TA"),
        ("once", {}, "TAU"),
        ("once", {"undone": True}, ""),
        ("once", {"vouched": True}, "TA"),
        ("unknown", {"inside": "TU"}, "TU"),
    ],
)
def test_a_quick_success_tells_the_attempt_around_it(effects, fields, known):
    """Done in one attempt or not, the same is known, and it is no longer at work."""
    outer = call("none")
    one = call(effects, outer, **{name: value for name, value in fields.items() if name != "inside"})
    if "inside" in fields:
        one.deeds.add(unrepeatable=True)
    outer.deeds.at_work.add(one)
    succeeded_inside(one, outer)

    assert (known, set()) == (told(outer.deeds), outer.deeds.at_work)


@pytest.mark.parametrize(
    ("effects", "fields", "failure", "known"),
    [
        ("none", {}, CUT, ""),
        ("unknown", {}, SAID, "T"),
        ("unknown", {}, LOST, "TD"),
        ("unknown", {}, UNSENT, ""),
        ("unknown", {}, CUT, "TDU"),
        ("once", {}, SAID, "TU"),
        ("once", {"vouched": True}, SAID, "T"),
        ("once", {"undone": True}, SAID, ""),
        ("once", {"is_aside": True}, SAID, ""),
    ],
)
def test_a_quick_failure_has_done_what_nobody_can_rule_out(effects, fields, failure, known):
    """As any other has."""
    one = call(effects, **fields)
    failed_before(one, failure)

    assert known == told(one.deeds)


def test_a_call_that_is_over_tells_the_attempt_around_it():
    """What was done in it, and what it has left at work; where there is none, nobody is told."""
    outer, further = call(), call("idempotent")
    one = call("once", outer)
    outer.deeds.at_work.add(one)
    one.deeds.add(acted=True)
    one.deeds.at_work.add(further)
    tell_outside(one)
    tell_outside(call())

    assert ("TAD", set(), {further}) == (told(outer.deeds), outer.deeds.at_work, outer.deeds.left)
