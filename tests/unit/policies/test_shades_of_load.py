"""Where a shade that holds load off draws the line: shares of calls, places, and what an attempt says of either."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Context
from unbreakable.policies.shades_of_load import Attempts, ShadeOfBulkhead, ShadeOfLimit, ShadeOfThrottle

WELL = Success(7)
DOWN = Failure(ConnectionError("down"), Kind.UNREACHABLE)
LATE = Failure(TimeoutError("late"), Kind.TIMEOUT)
CUT = Failure(ConnectionError("cut"), Kind.UNREACHABLE, cut=True)
BUSY = Failure(ValueError("429"), Kind.THROTTLED)
UNSENT = Failure(ConnectionError("not even tried"), Kind.REJECTED, refused=True)


def called(bench, number, *ends, answer=7, of_the_unsent=None):
    """Return the shade of a throttle, and after which of so many calls, at one moment, it would have refused one more.

    It was told before of five attempts that were well, and of six that came to those *ends*.
    """
    shade, late = ShadeOfThrottle(ub.Throttle(1.0)), []

    async def inner(ctx):
        if of_the_unsent is not None and shade.unsent:
            shade.ended(ctx.scope(), of_the_unsent, 0.1, bench.runtime.now())
        return await bench.inner(answer)(ctx)

    async def story():
        for result in (*[WELL] * 5, *ends * (6 // len(ends))):
            shade.ended(bench.context(), result, 0.1, bench.runtime.now())
        for _ in range(number):
            await shade.run(inner, bench.context())
            late.append(shade.value()["would_refuse"])

    bench.play(story)
    return shade, late


# ── a throttle ───────────────────────────────────────────────────────────────────────────


def test_a_call_is_refused_when_the_shares_of_those_before_it_add_up_to_one(bench):
    """Half of them at first, exactly, and a little more with each that would not have been sent."""
    assert [0, 1, 1, 2, 2, 3] == called(bench, 6, BUSY)[1]


@pytest.mark.parametrize(("answer", "in_error"), [(7, 3), (ConnectionError("down"), 0)])
def test_only_a_call_that_succeeded_would_have_been_refused_in_error(bench, answer, in_error):
    """Who would have failed anyway has lost nothing."""
    shade, _ = called(bench, 6, BUSY, answer=answer)

    assert {"calls": 6, "would_refuse": 3, "refused_in_error": in_error} == shade.value()


def test_the_more_important_would_be_refused_later(bench):
    """As the throttle in force has it."""
    with ub.priority("critical"):
        assert [0] * 6 == called(bench, 6, BUSY)[1]


@pytest.mark.parametrize(
    ("ends", "refused"),
    [
        ((BUSY,), 3),
        ((LATE,), 3),
        ((CUT,), 3),
        ((LATE, BUSY), 3),
        ((DOWN,), 0),
        ((WELL,), 0),
        ((UNSENT,), 0),
        ((UNSENT, BUSY), 0),
    ],
)
def test_what_a_target_cannot_take_is_what_it_refuses_or_does_not_answer_in_time(bench, ends, refused):
    """Another failure is an answer, and what was never sent is no word at all."""
    assert refused == called(bench, 6, *ends)[1][-1]


@pytest.mark.parametrize("end", [None, BUSY, WELL])
def test_an_attempt_of_a_call_that_would_not_have_been_made_says_nothing(bench, end):
    """The throttle would not know of it."""
    shade, late = called(bench, 12, BUSY, of_the_unsent=end)

    assert [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 7] == late
    assert set() == shade.unsent


# ── places ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "shade_of", [lambda: ShadeOfBulkhead(ub.Bulkhead(2)), lambda: ShadeOfLimit(ub.AdaptiveLimit(first=2, wait=0.0))]
)
def test_who_would_not_have_been_let_in_takes_no_place(bench, shade_of):
    """Of five inside of each other two have one; and all are free again however they ended."""
    shade = shade_of()

    async def nested(ctx):
        ctx.made += 1
        if ctx.made == 5:
            raise KeyboardInterrupt
        return await shade.run(nested, ctx)

    async def story():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                await shade.run(nested, bench.context())

    bench.play(story)
    told = shade.value()
    assert (10, 6, 5) == tuple(told[each] for each in ("calls", "would_refuse", "most_in_flight"))


# ── a limit ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("end", "cuts"), [(BUSY, True), (LATE, True), (CUT, True), (DOWN, False), (UNSENT, False), (WELL, False)]
)
def test_a_limit_is_told_of_what_its_target_cannot_take(end, cuts):
    """Whether or not a call has come meanwhile; other failures are no word on how much it takes."""
    shade, node = ShadeOfLimit(ub.AdaptiveLimit()), Context()
    node.node = node
    node.__dict__["listeners"] = ()
    for now in range(8):
        for number in range(40):
            shade.ended(node, end if now > 2 and number % 2 else WELL, 0.1, 2.0 * now)

    assert cuts == (shade.value()["would_cut"] > 0)


@pytest.mark.parametrize("aside", [0.0, 1.5])
def test_an_attempt_is_told_of_with_the_time_that_its_target_took(bench, aside):
    """And not with that for which it waited aside from it."""
    told = []

    class Noted:
        def ended(self, ctx, result, seconds, now):
            told.append((result, seconds, now - ctx.started))

    async def inner(ctx):
        ctx.aside = aside
        return await bench.inner((2.0, WELL))(ctx)

    bench.play(lambda: Attempts(Noted()).run(inner, bench.context()))
    assert [(WELL, 2.0 - aside, 2.0)] == told
