"""What is put right when a call is broken off: its place, its attempts, its prepaid tokens, and what is known of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unbreakable.policies import Context, Plan
from unbreakable.policies.abandoning import abandon, begin_inside
from unbreakable.policies.deeds import Deeds
from unbreakable.policies.policy import enter
from unbreakable.runtime import Gate

FLAGS = {"T": "touched", "A": "acted", "D": "doubtful", "U": "unrepeatable"}


def told(deeds):
    """Return a letter for each thing that is known: T for touched, and so on."""
    return "".join(letter for letter, flag in FLAGS.items() if getattr(deeds, flag))


def call(effects="unknown", above=None, **fields):
    """Return the context of a call with those effects, which is under way."""
    ctx = Context()
    ctx.plan, ctx.above = Plan(effects=effects), above
    for name, value in fields.items():
        setattr(ctx, name, value)
    if above is not None:
        above.deeds.at_work.add(ctx)
    return ctx


class Breaking:
    """Stand for what breaks off whatever it is asked, as a signal does, or a stack that is used up."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        raise self.error


@pytest.mark.parametrize("nobody", [None, "work", SimpleNamespace(live=True, permit=None)])
def test_what_is_no_call_is_left_alone(nobody):
    """The doors hand over whatever they had when the exception came up."""
    before = dict(getattr(nobody, "__dict__", {}))
    abandon(nobody)

    assert before == getattr(nobody, "__dict__", {})


def test_a_call_that_is_pursued_goes_on():
    """Its script has yet to end, and ends it."""
    gate = Gate(1)
    one = call(permit=gate, due=5.0, pursuit=SimpleNamespace(is_over=False))
    assert gate.enter_nowait()
    abandon(one)

    assert (True, 5.0, gate, 1) == (one.live, one.due, one.permit, gate.inside)


@pytest.mark.parametrize(("has_begun", "known"), [(True, "TDU"), (False, "")])
def test_nobody_knows_what_was_done_unless_it_had_not_begun(has_begun, known):
    """The attempt around it is told, and has it no longer at work; it has no limit and no arguments any more."""
    outer = call("none")
    one = call(above=outer, due=5.0, given=(("secret",), {}))
    abandon(one, has_begun=has_begun)

    assert (known, set(), not has_begun) == (told(outer.deeds), outer.deeds.at_work, one.undone)
    assert (False, float("inf"), ((), {})) == (one.live, one.due, one.given)


def test_who_is_over_already_is_not_told_of_again():
    """It has told the attempt around it how it ended."""
    outer = call("none")
    one = call(above=outer, live=False)
    abandon(one)

    assert ("", {one}) == (told(outer.deeds), outer.deeds.at_work)


@pytest.mark.parametrize("is_missed", [True, False])
def test_a_place_is_given_back_once(is_missed):
    """And not where it was free all the time: the exception came up before the call had it, or after it had left."""
    gate = Gate(2)
    assert gate.enter_nowait()
    assert gate.enter_nowait()
    if not is_missed:
        gate.leave()
        gate.leave()
    one = call(permit=gate)
    abandon(one)
    abandon(one)

    assert (1 if is_missed else 0, None) == (gate.inside, one.permit)


@pytest.mark.parametrize("line", [(), ("somebody",)])
def test_who_waits_for_the_place_is_let_in_and_where_nobody_does_nothing_is_called(line):
    """There may be no stack for it."""
    admitted = []
    gate = SimpleNamespace(free=[], made=1, line=line, admit=lambda: admitted.append(len(gate.free)))
    abandon(call(permit=gate))

    assert [1] * len(line) == admitted


@pytest.mark.parametrize("prepaid", [0.0, 1.0])
def test_what_was_paid_in_advance_is_given_back(prepaid):
    """For a repeat that will never be made."""
    returned = []
    one = call(prepaid=prepaid, node=SimpleNamespace(give_back=returned.append))
    abandon(one)

    assert [one] * bool(prepaid) == returned


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_the_attempts_end_that_the_code_is_still_in(depth):
    """Of the call itself, with their copies: not those around it, or of calls inside, or where a thread is at work."""
    outer = call()
    around = outer.scope()
    one = call(above=around)
    attempt = one.scope()
    copy = attempt.scope()
    threaded = copy.scope(whole=attempt, in_a_thread=True)
    inner = call(above=threaded)
    foreign = inner.scope()
    chain = [around, attempt, copy, threaded, foreign]
    enter([foreign, threaded, copy, attempt][depth])
    try:
        abandon(one)
    finally:
        enter(None)

    ended = {0: [attempt, copy], 1: [attempt, copy], 2: [attempt, copy], 3: [attempt]}[depth]
    assert ended == [each for each in chain if not each.live]
    assert (True, True, False) == (outer.live, inner.live, one.live)


@pytest.mark.parametrize(
    ("effects", "undone", "known"),
    [
        ("none", False, ""),
        ("idempotent", False, "TD"),
        ("unknown", False, "TDU"),
        ("once", False, "TDU"),
        ("once", True, ""),
    ],
)
@pytest.mark.parametrize("before", ["", "TU"])
def test_without_stack_the_attempt_around_it_is_told_all_the_same(effects, undone, known, before):
    """Of a call that does something it is in doubt, and what may not be done twice stays so."""
    outer = call("none")
    if before:
        outer.deeds.add(unrepeatable=True)
    one = call(effects, outer, undone=undone, own_deeds=Breaking(RecursionError()))
    abandon(one)

    assert set(known + before) == set(told(outer.deeds))
    assert set() == outer.deeds.at_work


@pytest.mark.parametrize("above", [None, call()])
def test_without_stack_and_without_anybody_to_tell_nothing_is_raised(above):
    """The exception that is on its way says it."""
    one = call(own_deeds=Breaking(RecursionError()))
    one.above = above
    abandon(one)

    assert not one.live
    assert above is None or above.own_deeds is None


# ── a call inside another one ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("theirs", "deadline", "is_ours"), [(5.0, 5.0, False), (9.0, 9.0, True), (12.0, 9.0, True)])
def test_a_call_has_the_time_of_the_attempt_around_it(theirs, deadline, is_ours):
    """Its own deadline counts when it is not the later one; and it is at work there."""
    outer, one = call(deadline=theirs), call(deadline=9.0)
    begin_inside(one, outer)

    assert (deadline, is_ours, {one}) == (one.deadline, one.deadline_is_ours, outer.deeds.at_work)


def test_a_call_around_which_there_is_none_begins_as_it_is():
    """It is told to nobody."""
    one = call(deadline=9.0)
    begin_inside(one, None)

    assert (9.0, True, True) == (one.deadline, one.deadline_is_ours, one.live)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RecursionError])
def test_an_exception_as_a_call_begins_breaks_it_off_before_it_has_done_anything(error):
    """Where it is put at work; the exception passes."""
    outer, one = call(), call("once")
    outer.own_deeds = SimpleNamespace(at_work=Breaking(error()))
    one.above = None
    with pytest.raises(error):
        begin_inside(one, outer)

    assert (False, True) == (one.live, one.undone)
    assert "" == told(one.deeds)
    assert isinstance(one.deeds, Deeds)
