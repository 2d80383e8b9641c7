"""Who cleans up has time of its own, and who only happens to be called while something was handled before has none."""

from __future__ import annotations

from unbreakable.policies import Context, Plan
from unbreakable.policies.fallback import GRACE
from unbreakable.policies.grace import has_grace
from unbreakable.runtime import BLOCKING
from unbreakable.testing import virtual_time


def called_inside(around, **facts):
    """Return a call whose deadline, that of what is *around* it, is over."""
    ctx = Context()
    ctx.runtime, ctx.plan, ctx.started = BLOCKING, Plan(deadline=30.0), BLOCKING.now()
    ctx.until, ctx.deadline_is_ours, ctx.above = ctx.started, False, around
    vars(ctx).update(facts)
    return ctx


def test_what_is_called_in_an_except_has_a_second():
    """All of it together, from the first call on."""
    with virtual_time() as clock:
        around = Context()
        try:
            raise ConnectionError
        except ConnectionError:
            first = has_grace(called_inside(around))
        clock.advance(GRACE / 2)
        second = has_grace(called_inside(around))
        clock.advance(GRACE / 2)
        third = has_grace(called_inside(around))

    assert (True, True, False) == (first, second, third)


def test_what_was_handled_before_gives_no_time():
    """Its handler called what is around, or what is around that."""
    outer, around = Context(), Context()
    around.above = outer
    told = []
    with virtual_time():
        for begun in (around, outer):
            try:
                raise ConnectionError
            except ConnectionError as error:
                begun.handled = id(error)
                told.append(has_grace(called_inside(around)))
            around.handled = outer.handled = 0
        told.append(has_grace(called_inside(around)))
        try:
            raise ConnectionError
        except ConnectionError:
            told += [has_grace(called_inside(around, deadline_is_ours=True)), has_grace(called_inside(None))]

    assert [False] * 5 == told
