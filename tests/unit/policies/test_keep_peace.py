"""Whoever wants to begin an attempt while its target is to be left in peace waits, or is told so at once."""

from __future__ import annotations

import pytest

from unbreakable.errors import Throttled
from unbreakable.policies.peace import ENOUGH, KEEP_PEACE, MOST_WAITING, Peace


class Left(BaseException):
    """Somebody pulled the plug."""


class Slept:
    """A runtime whose dice always fall alike, in which something may happen during a sleep."""

    def __init__(self, runtime, u, events):
        self.runtime, self.u, self.events, self.preemptive = runtime, u, events, runtime.preemptive

    def now(self):
        return self.runtime.now()

    def random(self):
        return self.u

    async def sleep(self, seconds):
        await self.runtime.sleep(seconds)
        if self.events:
            self.events.pop(0)()


def keep(bench, *, asked=8.0, u=0.5, deadline=60.0, events=(), before=lambda peace: None, **fields):
    """Return what an attempt comes to that begins when its target has just asked to be left in peace; and the rest."""

    async def story():
        now, hurried = bench.runtime.now(), []
        peace = bench.target.peace = Peace()
        bench.target.hurry = lambda: hurried.append(round(bench.runtime.now() - now, 6))
        for _ in range(ENOUGH if asked else 0):
            peace.wish(asked, 0, now)
        before(peace)
        runtime = Slept(bench.runtime, u, [lambda event=event: event(peace, bench.runtime.now()) for event in events])
        ctx = bench.context(deadline=now + deadline, **fields)
        ctx.runtime = runtime
        try:
            result = await KEEP_PEACE.run(bench.inner("in"), ctx)
        except Left:
            result = None
        return result, round(bench.runtime.now() - now, 6), hurried, peace

    return bench.play(story)


@pytest.mark.parametrize(
    ("options", "at", "hurried"),
    [
        ({"asked": 0.0}, 0.0, []),
        ({}, 9.0, [9.0]),
        ({"u": 0.0}, 8.0, [8.0]),
        ({"u": 0.25, "deadline": 10.0}, 8.25, [8.25]),
        ({"pursuit": object()}, 0.0, []),
        ({"events": [lambda peace, now: peace.wish(6.0, 0, now)]}, 15.75, [15.75]),
    ],
    ids=["nobody asked", "waits", "the first one", "little time", "under way already", "asked again meanwhile"],
)
def test_an_attempt_begins_when_the_peace_is_over(bench, options, at, hurried):
    """A little later, by chance, and others need not ask again from then on."""
    result, when, told, peace = keep(bench, **options)

    assert ("in", at, hurried, 0) == (result.value, when, told, peace.waiting)
    assert bool(hurried) is not (peace.kept or not options.get("asked", 8.0))


@pytest.mark.parametrize(
    ("options", "at", "left"),
    [
        ({"deadline": 8.0}, 0.0, 8.0),
        ({"deadline": 3.0}, 0.0, 8.0),
        ({"deadline": 20.0, "events": [lambda peace, now: peace.wish(30.0, 0, now)]}, 9.0, 30.0),
        ({"before": lambda peace: [peace.enter() for _ in range(MOST_WAITING)]}, 0.0, 8.0),
    ],
    ids=["just too late", "too late", "asked for more meanwhile", "too many wait"],
)
def test_who_would_wait_in_vain_is_refused_at_once(bench, options, at, left):
    """And told how long the target is to be left in peace yet."""
    result, when, hurried, peace = keep(bench, **options)

    assert (Throttled, True, at, []) == (type(result.error), result.refused, when, hurried)
    assert f"stub: its target asked several times to be left in peace, for {left:.3f} s more" == str(result.error)
    assert left == pytest.approx(result.error.retry_after)
    assert peace.waiting == (MOST_WAITING if "before" in options else 0)


def test_who_leaves_while_it_waits_makes_room(bench):
    """A cancellation, such as that of its caller."""

    def leave(peace, now):
        raise Left

    result, _, _, peace = keep(bench, events=[leave])

    assert (None, 0, True) == (result, peace.waiting, peace.kept)


def test_only_the_first_one_that_finds_it_over_tells_the_others(bench):
    """It is ended once."""
    result, _, hurried, peace = keep(bench, events=[lambda peace, now: peace.end(now)])

    assert ("in", []) == (result.value, hurried)
    assert not peace.kept


def test_the_end_may_come_while_somebody_is_about_to_wait_for_it(bench):
    """On a busy machine a thread may be kept from going on at any moment; no thread can sleep for less than nothing."""
    pauses = []

    class Held(Slept):
        def random(self):
            bench.clock.advance(8.5)
            return self.u

        async def sleep(self, seconds):
            pauses.append(seconds)

    async def story():
        ctx = bench.context(deadline=bench.runtime.now() + 60.0)
        ctx.runtime, peace = Held(bench.runtime, 0.0, []), Peace()
        bench.target.peace, bench.target.hurry = peace, lambda: None
        for _ in range(ENOUGH):
            peace.wish(8.0, 0, bench.runtime.now())
        return await KEEP_PEACE.run(bench.inner("in"), ctx)

    assert ("in", [0.0]) == (bench.play(story).value, pauses)
