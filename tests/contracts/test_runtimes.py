"""Every driver keeps one contract: the same story ends in the same way on each, in virtual time and in real time."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from unbreakable.outcome import Failure, Success
from unbreakable.runtime import TimeUp

SOON = 10.0  # seconds that something which happens at once is given
SHORT = 0.02  # seconds: a limit that is meant to be reached, also in real time

BAD, WORSE = Failure(OSError("bad")), Failure(OSError("worse"))


def answers(value: Any) -> Callable[[], Awaitable[Any]]:
    async def step() -> Any:
        return value

    return step


def raises(error: BaseException) -> Callable[[], Awaitable[Any]]:
    async def step() -> Any:
        raise error

    return step


# ── time and dice ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_time_passes_while_asleep_and_never_goes_back(stage):
    """A sleep takes as long as it says, and a clock read later never shows less."""

    async def story(runtime):
        moments = []
        for seconds in (0.0, SHORT, 0.0, SHORT):
            moments.append(runtime.now())
            await runtime.sleep(seconds)
        return [*moments, runtime.now()]

    moments = stage.play(story)

    assert sorted(moments) == moments
    assert moments[-1] - moments[0] >= 2 * SHORT - 0.001


def test_dice_show_shares_of_one(stage):
    """Every throw is in [0, 1), and they differ."""

    async def story(runtime):
        return [runtime.random() for _ in range(100)]

    throws = stage.play(story)

    assert all(0.0 <= throw < 1.0 for throw in throws)
    assert len(set(throws)) > 90


# ── the user's work ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_hands_on_what_the_work_returns_and_raises(stage):
    """The work's value and its very own exception come through untouched."""
    mine = TimeoutError("mine")

    def fails():
        raise mine

    async def story(runtime):
        with pytest.raises(TimeoutError) as caught:
            await runtime.call(fails)
        return await runtime.call(lambda: 7), caught.value

    assert (7, mine) == stage.play(story)


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_step_within_its_limit_is_untouched(stage):
    """What a quick step returns and raises comes through, whatever the limit."""
    mine = TimeoutError("mine")

    async def story(runtime):
        values = [await runtime.within(limit, answers(limit)) for limit in (SOON, math.inf)]
        with pytest.raises(TimeoutError) as caught:
            await runtime.within(SOON, raises(mine))
        return values, caught.value

    assert ([SOON, math.inf], mine) == stage.play(story)


def test_a_step_beyond_its_limit_is_cut(stage):
    """A limit raises TimeUp, which no TimeoutError of the user's can be taken for."""

    async def story(runtime):
        began = runtime.now()
        with pytest.raises(TimeUp) as caught:
            await runtime.within(SHORT, lambda: runtime.wait(runtime.waiter(), math.inf))
        return isinstance(caught.value, TimeoutError), runtime.now() - began

    theirs, seconds = stage.play(story)

    assert not theirs
    assert SHORT - 0.001 <= seconds < SOON


def test_limits_nest_and_the_narrower_one_counts(stage):
    """Whichever limit comes first is the one that is reported."""

    async def story(runtime):
        async def stuck():
            await runtime.wait(runtime.waiter(), math.inf)

        async def narrow_inside():
            try:
                await runtime.within(SHORT, stuck)
            except TimeUp:
                return "inner"

        async def wide_inside():
            try:
                await runtime.within(math.inf, stuck)
            except TimeUp:
                return "inner"

        first = await runtime.within(SOON, narrow_inside)
        try:
            return first, await runtime.within(SHORT, wide_inside)
        except TimeUp:
            return first, "outer"

    assert ("inner", "outer") == stage.play(story)


def test_a_step_that_was_cut_stops_where_it_waits(stage):
    """Whoever is cut in a sleep, a wait, a race or a limit of its own does not stay behind."""

    async def story(runtime):
        stopped = []

        def stuck(name, wait):
            async def step():
                try:
                    await wait()
                finally:
                    stopped.append(name)

            return step

        async def forever():
            await runtime.wait(runtime.waiter(), math.inf)

        async def leave(wait):
            with contextlib.suppress(TimeUp):
                await runtime.within(SHORT, wait)

        await leave(stuck("sleep", lambda: runtime.sleep(3600)))
        await leave(stuck("wait", forever))
        await leave(stuck("gate", lambda: full_gate.enter(runtime, math.inf)))
        await leave(lambda: runtime.first(stuck("race", forever), stuck("race", forever)))
        await leave(lambda: runtime.within(3600, stuck("limit", forever)))
        await stage.until(lambda: len(stopped) == 6)
        return sorted(stopped)

    full_gate = stage.runtime.gate(1)
    full_gate.enter_nowait()

    assert ["gate", "limit", "race", "race", "sleep", "wait"] == stage.play(story)
    assert 0 == len(full_gate.line)


# ── races ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_success_wins(stage):
    """A race ends with the first success; who is slower is not waited for."""

    async def story(runtime):
        async def stuck():
            await runtime.wait(runtime.waiter(), math.inf)

        return (await runtime.first(stuck, answers(Success("quick")), stuck)).value

    assert "quick" == stage.play(story)


def test_a_failing_branch_does_not_beat_a_good_one(stage):
    """A failure that comes early does not end the race."""

    async def story(runtime):
        failed = runtime.waiter()

        async def good():
            await runtime.wait(failed, SOON)
            return Success("late but good")

        async def bad():
            failed.wake()
            return BAD

        return (await runtime.first(good, bad)).value, (await runtime.first(bad, good)).value

    assert ("late but good", "late but good") == stage.play(story)


def test_without_a_success_the_first_step_has_the_word(stage):
    """When nobody succeeds, what the first step returned is the end; None is somebody who did not take part."""

    async def story(runtime):
        return [
            await runtime.first(answers(BAD), answers(WORSE)),
            await runtime.first(answers(WORSE), answers(BAD)),
            await runtime.first(answers(BAD), answers(None)),
            await runtime.first(answers(BAD)),
        ]

    assert [BAD, WORSE, BAD, BAD] == stage.play(story)


def test_a_tie_has_one_winner(stage):
    """Of steps that succeed at once, one wins, every time."""

    async def story(runtime):
        return {(await runtime.first(*(answers(Success(place)) for place in range(3)))).value for _ in range(20)}

    winners = stage.play(story)

    assert winners <= {0, 1, 2}
    assert {0} == winners or not stage.virtual


def test_losers_are_stopped_where_they_wait(stage):
    """A loser that sleeps is woken and stopped; it is not waited for."""

    async def story(runtime):
        stopped, asleep = [], runtime.waiter()

        async def loser():
            try:
                asleep.wake()
                await runtime.sleep(3600)
            finally:
                stopped.append("loser")

        async def winner():
            await runtime.wait(asleep, SOON)
            return Success("won")

        began = runtime.now()
        won = await runtime.first(loser, winner)
        await stage.until(lambda: bool(stopped))
        return won.value, stopped, runtime.now() - began < SOON

    assert ("won", ["loser"], True) == stage.play(story)


def test_what_a_branch_raises_ends_the_race(stage):
    """An exception is a bug or a cancellation, not a failure: it comes through, and the others are stopped."""

    async def story(runtime):
        stopped = []

        async def loser():
            try:
                await runtime.sleep(3600)
            finally:
                stopped.append("loser")

        with pytest.raises(ZeroDivisionError):
            await runtime.first(loser, raises(ZeroDivisionError()))
        await stage.until(lambda: bool(stopped))
        return stopped

    assert ["loser"] == stage.play(story)


def test_whoever_leaves_a_race_stops_every_branch(stage):
    """A race inside something that is cut leaves nobody running."""

    async def story(runtime):
        stopped = []

        def branch(name):
            async def step():
                try:
                    await runtime.sleep(3600)
                finally:
                    stopped.append(name)

            return step

        with pytest.raises(TimeUp):
            await runtime.within(SHORT, lambda: runtime.first(branch("a"), branch("b")))
        await stage.until(lambda: len(stopped) == 2)
        return sorted(stopped)

    assert ["a", "b"] == stage.play(story)


# ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wait_ends_when_it_is_woken(stage):
    """True as soon as woken, from any thread, before or during the wait, more than once the same as once."""

    async def story(runtime):
        before, twice, other = runtime.waiter(), runtime.waiter(), runtime.waiter()
        before.wake()
        twice.wake()
        twice.wake()
        threading.Thread(target=other.wake).start()
        return [await runtime.wait(waiter, SOON) for waiter in (before, twice, other)]

    assert [True, True, True] == stage.play(story)


def test_a_wait_in_vain_is_bounded(stage):
    """False after the seconds it was given; a limit that is over already does not wait."""

    async def story(runtime):
        began = runtime.now()
        ends = [await runtime.wait(runtime.waiter(), seconds) for seconds in (-1.0, 0.0, SHORT)]
        return ends, runtime.now() - began

    ends, seconds = stage.play(story)

    assert [False, False, False] == ends
    assert SHORT - 0.001 <= seconds < SOON


def test_chores_are_done_soon_and_one_that_fails_does_not_stop_the_next(stage):
    """Work in the background is run off the caller's way, whatever became of the work before it."""
    done = []

    async def story(runtime):
        runtime.background(lambda: 1 / 0)
        runtime.background(lambda: done.append(1))
        runtime.background(lambda: 1 / 0)
        runtime.background(lambda: done.append(2))
        await stage.until(lambda: len(done) == 2)
        return done

    assert [1, 2] == stage.play(story)
