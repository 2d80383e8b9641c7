"""Where a shade that holds load off draws the line: shares of calls, places, and what an attempt says of either."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Context, Plan
from unbreakable.policies.shade import Attempts
from unbreakable.policies.shades_of_load import ShadeOfBulkhead, ShadeOfLimit, ShadeOfThrottle

WELL = Success(7)
DOWN = Failure(ConnectionError("down"), Kind.UNREACHABLE)
LATE = Failure(TimeoutError("late"), Kind.TIMEOUT)
CUT = Failure(ConnectionError("cut"), Kind.UNREACHABLE, cut=True)
NOWHERE = Failure(LookupError("404"), Kind.INVALID)
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


@pytest.mark.parametrize(
    ("shade_of", "name", "places"),
    [
        (lambda: ShadeOfThrottle(ub.Throttle()), "throttle", ["call", "attempt"]),
        (lambda: ShadeOfBulkhead(ub.Bulkhead()), "bulkhead", ["call"]),
        (lambda: ShadeOfLimit(ub.AdaptiveLimit()), "limit", ["call", "attempt"]),
    ],
)
def test_each_looks_where_its_policy_stands(shade_of, name, places):
    """Around the call; what goes by the answers looks at each attempt, too."""
    shade = shade_of()

    assert (name, places, shade) == (shade.name, [*shade.stands()], shade.stands()["call"])


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


@pytest.mark.parametrize(
    ("end", "on", "refused"),
    [(NOWHERE, Exception, 0), (WELL, Exception, 0), (DOWN, Exception, 2), (DOWN, KeyError, 0), (BUSY, KeyError, 2)],
)
def test_a_no_proves_that_the_target_is_back_as_an_answer_does(bench, end, on, refused):
    """After an outage, a row of them is enough, or of what is not repeated; other failures prove nothing."""
    shade = ShadeOfThrottle(ub.Throttle(1.0))

    async def story():
        for result in (*[BUSY] * 12, *[end] * 4):
            shade.ended(bench.context(plan=Plan(retry=ub.Retry(on=on))), result, 0.1, bench.runtime.now())
        for _ in range(3):
            await shade.run(bench.inner(7), bench.context())

    bench.play(story)
    assert refused == shade.value()["would_refuse"]


@pytest.mark.parametrize("end", [None, BUSY, WELL])
def test_an_attempt_of_a_call_that_would_not_have_been_made_says_nothing(bench, end):
    """The throttle would not know of it."""
    shade, late = called(bench, 12, BUSY, of_the_unsent=end)

    assert [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 7] == late
    assert set() == shade.unsent


# ── places ───────────────────────────────────────────────────────────────────────────────


def nested(bench, shade, deep, happens=lambda number: None):
    """Return a call inside of which there are others, so many in all; inside of each of them something *happens*."""

    async def inner(ctx):
        ctx.made += 1
        happens(ctx.made)
        return await shade.run(inner, ctx) if ctx.made < deep else WELL

    return shade.run(inner, bench.context())


def interrupt(number):
    """Break off the fifth one."""
    if number == 5:
        raise KeyboardInterrupt


@pytest.mark.parametrize("wait", [0.0, 1.0])
@pytest.mark.parametrize(
    "shade_of",
    [lambda wait: ShadeOfBulkhead(ub.Bulkhead(2, wait=wait)), lambda wait: ShadeOfLimit(limit_of(2, wait=wait))],
    ids=["bulkhead", "limit"],
)
def test_who_would_not_have_been_let_in_takes_no_place(bench, shade_of, wait):
    """Of five inside of each other two have one; and all are free again however they ended."""
    shade, late = shade_of(wait), "would_wait" if wait else "would_refuse"

    async def story():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                await nested(bench, shade, 5, interrupt)

    bench.play(story)
    told = shade.value()
    assert 0 == told.pop("would_cut", 0)
    assert {"calls": 10, "would_refuse": 0, "would_wait": 0, "most_in_flight": 5} | {late: 6} == told


def test_who_pauses_would_give_the_place_back_and_ask_for_another(bench):
    """Others have it meanwhile; nothing changes for who is no call of its own, does not pause, or had none."""
    shade, taken = ShadeOfBulkhead(ub.Bulkhead(1)), []

    async def pausing(ctx):
        shade.come_back(ctx)  # it has not paused
        shade.step_out(bench.context())  # nobody knows of that
        shade.come_back(bench.context())
        shade.step_out(ctx)
        taken.append((shade.inside, shade.in_flight))
        await shade.run(staying, bench.context())
        return await bench.inner(7)(ctx)

    async def staying(ctx):
        taken.append((shade.inside, shade.in_flight))
        shade.step_out(ctx)
        shade.come_back(ctx)
        return await bench.inner(7)(ctx)

    async def late(ctx):
        shade.step_out(ctx)
        await shade.run(coming, bench.context())
        return await bench.inner(7)(ctx)

    async def coming(ctx):
        shade.come_back(tardy[0])
        shade.step_out(tardy[0])
        return await bench.inner(7)(ctx)

    tardy = [bench.context()]
    bench.play(lambda: shade.run(pausing, bench.context()))
    bench.play(lambda: shade.run(late, tardy[0]))

    assert [(0, 0), (1, 1)] == taken
    assert (0, 0, {}) == (shade.inside, shade.in_flight, shade.stays)
    assert {"calls": 4, "would_refuse": 0, "would_wait": 1, "most_in_flight": 2} == shade.value()


def test_after_a_fork_all_places_are_free_again(bench):
    """And nobody is in flight: none of them comes back."""
    shade = ShadeOfBulkhead(ub.Bulkhead(2))
    bench.play(lambda: nested(bench, shade, 5, lambda number: shade.clear() if number == 2 else None))

    assert {"calls": 5, "would_refuse": 1, "would_wait": 0, "most_in_flight": 3} == shade.value()


def limit_of(first, wait=0.0):
    """Return a limit that begins with so many."""
    return ub.AdaptiveLimit(first=first, wait=wait)


@pytest.mark.parametrize(("crowd", "late"), [(12, 0), (3, 7)])
def test_a_limit_grows_only_while_somebody_finds_no_place(bench, crowd, late):
    """How many of twelve would be late in the end: nobody has asked for more places where three came at a time."""
    shade = ShadeOfLimit(limit_of(5))

    async def story():
        for _ in range(12):
            for _ in range(40):
                shade.ended(bench.context(), WELL, 0.4, bench.runtime.now())
            await nested(bench, shade, crowd)
            await bench.runtime.sleep(2.0)
        before = shade.value()["would_refuse"]
        await nested(bench, shade, 12)
        return shade.value()["would_refuse"] - before

    assert late == bench.play(story)


# ── a limit ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("end", "cuts"), [(BUSY, True), (LATE, True), (CUT, True), (DOWN, False), (UNSENT, False), (WELL, False)]
)
def test_a_limit_is_told_of_what_its_target_cannot_take(end, cuts):
    """Whether or not a call has come meanwhile; other failures are no word on how much it takes."""
    shade, node = ShadeOfLimit(ub.AdaptiveLimit()), Context()
    node.node = node
    node.__dict__.update(listeners=(), plan=Plan())
    for now in range(8):
        for number in range(40):
            shade.ended(node, end if now > 2 and number % 2 else WELL, 0.1, 2.0 * now)

    told = shade.value()
    assert cuts == (told["would_cut"] > 0)
    assert {"calls", "would_refuse", "would_wait", "would_cut", "most_in_flight"} == {*told}


@pytest.mark.parametrize(
    ("end", "on", "answers"),
    [(NOWHERE, Exception, 1), (DOWN, Exception, 0), (UNSENT, Exception, 0), (DOWN, KeyError, 1), (UNSENT, OSError, 0)],
)
def test_a_limit_is_told_of_a_no_and_of_what_is_not_repeated(bench, end, on, answers):
    """It was in flight until it came; other failures are no health."""
    shade = ShadeOfLimit(ub.AdaptiveLimit())
    shade.ended(bench.context(plan=Plan(retry=ub.Retry(on=on))), end, 0.1, bench.runtime.now())

    assert answers == shade.limiter.meter.answers


@pytest.mark.parametrize(("stream", "held"), [(None, 0.0), (object(), 3 * 2.0)])
def test_only_a_place_that_is_held_beyond_its_attempt_is_counted_as_such(bench, stream, held):
    """A generator's, which has its first item now; of others it is known by how long they took."""
    shade = ShadeOfLimit(ub.AdaptiveLimit())

    async def story():
        shade.ended(bench.context(), WELL, 0.1, 0.0)
        shade.in_flight = 3
        shade.ended(bench.context(stream=stream), WELL, 0.1, 2.0)

    bench.play(story)
    assert held == shade.limiter.meter.held


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
