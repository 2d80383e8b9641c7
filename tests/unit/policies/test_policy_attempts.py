"""What the context of an attempt has from its call, and what it begins anew."""

from __future__ import annotations

import math

from unbreakable.policies import Context
from unbreakable.policies.bounded import Bounded
from unbreakable.policies.policy import OF_ONE_ATTEMPT

ANEW = {
    "what it and the calls in it have done": {"own_deeds", "undone", "vouched", "refuted", "makeshift"},
    "what those calls are named, and ended with": {"parts", "spent", "passed", "broken", "fails_inside", "over_others"},
    "how long it takes": {"asked", "given_up", "is_aside", "aside", "counts_from", "laggard", "pursuit", "idle"},
    "who is told of what": {"blameless", "when_judged", "bells", "kept_by"},
    "how it was begun, and beside what": {"entry", "racing"},
    "when it would be due by itself": {"own_due", "put_off", "grace"},
}
PLACE = {"whole", "above"}
KNOWN = {*vars(Bounded)["__annotations__"], *vars(Context)["__annotations__"]}


def call(**facts):
    """Return the context of a call of which these *facts* are known."""
    ctx = Context()
    vars(ctx).update({"until": 7.0, "arguments": {"page": 2}, **facts})
    return ctx


def test_of_a_call_that_begins_nothing_is_known():
    """It has all the time that there is, and its first attempt is its own."""
    facts = {fact: getattr(Context, fact) for fact in KNOWN if hasattr(Context, fact)}
    told = {"live": True, "until": math.inf, "deadline_is_ours": True, "attempt": 1, "patience": 1.0}

    assert {**told, "given": ((), {}), "counts_from": -math.inf} == {fact: it for fact, it in facts.items() if it}


def test_an_attempt_begins_with_what_the_class_says_of_it():
    """Whatever an attempt before has left on the call, the next one knows nothing of it."""
    left = object()
    scope = call(**dict.fromkeys(OF_ONE_ATTEMPT, left)).scope()

    assert [] == [fact for fact in OF_ONE_ATTEMPT if getattr(scope, fact) is not getattr(Context, fact)]


def test_an_attempt_knows_all_of_its_call_but_what_is_of_one_attempt():
    """Each fact of a context is one or the other."""
    facts, known = {*KNOWN, "due", "cut"}, object()
    scope = call(**dict.fromkeys(facts, known)).scope()

    assert set().union(*ANEW.values()) == {fact for fact in facts if vars(scope).get(fact) is not known} - PLACE


def test_an_attempt_has_the_rest_from_its_call():
    """It knows its deadline, and what a remedy has changed; what is said of it alone changes nothing of the call."""
    ctx = call()
    scope = ctx.scope(due=3.0, idle=True)
    facts = (scope.whole, scope.above, scope.deadline, scope.arguments, scope.due, scope.idle)

    assert (ctx, ctx, 7.0, {"page": 2}, 3.0, True) == facts
    assert (float("inf"), False) == (ctx.due, ctx.idle)


def test_what_is_done_in_an_attempt_is_its_own():
    """Two attempts of one call, and the call itself, have ledgers of their own, made when they are first asked for."""
    ctx = call()
    one, other = ctx.scope(), ctx.scope()

    assert 3 == len({id(each.deeds) for each in (ctx, one, other)})
    assert one.deeds is one.deeds
