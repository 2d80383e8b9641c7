"""Where a shade draws the line: the attempts, moments and tokens just before it and just behind it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import get_args

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.outcome import Failure
from unbreakable.policies import Plan, compose
from unbreakable.policies.shade import Place
from unbreakable.policies.shades import (
    SHADES,
    ShadeOfBreaker,
    ShadeOfBudget,
    ShadeOfHedge,
    ShadeOfRetry,
    ShadeOfTimeout,
    Shades,
)

DOWN = ConnectionError("down")


def plays(bench, shade, *answers, seconds=0.0, **fields):
    """Have the shade look at calls one after the other, of so many seconds each; a bare float is a pause.

    What looks at each attempt, too, does so at one.
    """
    looks = [shade.stands()["attempt"]] if shade.place == "call" and "attempt" in shade.stands() else []

    async def story():
        for answer in answers:
            if isinstance(answer, float):
                await bench.runtime.sleep(answer)
                continue
            with contextlib.suppress(asyncio.CancelledError):
                await shade.run(compose(looks, bench.inner((seconds, answer))), bench.context(**fields))

    bench.play(story)
    return shade.value()


def waiting(bench, seconds, aside, answer=7):
    """Return a step that takes so many seconds, and waits aside from its target in some of them."""

    async def inner(ctx):
        result = await bench.inner((seconds, answer))(ctx)
        ctx.aside += aside
        return result

    return inner


def test_shades_stand_at_the_places_that_there_are():
    """Around the call, each attempt and each copy somebody looks, and nowhere else; none of them looks everywhere."""
    presets = (ub.Throttle(), ub.AdaptiveLimit(), ub.Bulkhead(), ub.Retry(), ub.CircuitBreaker(), ub.Hedge())
    shades = Shades(dict(zip(SHADES, (*presets, ub.Timeout(), ub.RetryBudget()), strict=True)))
    stands = [set(shade.stands()) for shade in shades.all]

    assert {*get_args(Place)} == set().union(*stands) == {"call", "attempt", "copy"}
    assert {"call": 5, "attempt": 5, "copy": 2} == {place: len(shades.at(place)) for place in get_args(Place)}


# ── a breaker ────────────────────────────────────────────────────────────────────────────


def test_a_circuit_opens_again_as_an_attempt_comes_when_its_ramp_went_badly(bench):
    """That is found out by who comes after the step, and told as any other opening."""
    shade = ShadeOfBreaker(ub.CircuitBreaker(2, rest=1.0, ramp=8.0))
    told = plays(bench, shade, DOWN, DOWN, 1.0, 7, DOWN, 2.0, 7)

    assert {"attempts": 5, "would_open": 2, "would_refuse": 1, "refused_in_error": 1} == told
    assert ["Shadowed"] * 3 == bench.node.heard


def test_who_is_cancelled_says_nothing_and_gives_its_permit_back(bench):
    """A circuit that looks whether its target is back goes on looking, by the next one."""
    shade = ShadeOfBreaker(ub.CircuitBreaker(1, rest=1.0))
    told = plays(bench, shade, DOWN, 1.0, asyncio.CancelledError(), DOWN, 7)

    assert {"attempts": 4, "would_open": 2, "would_refuse": 1, "refused_in_error": 1} == told


@pytest.mark.parametrize(("aside", "opened"), [(0.0, 1), (2.0, 0)])
def test_the_time_for_which_an_attempt_waited_aside_is_not_held_against_its_target(bench, aside, opened):
    """Such as that for a token of ours: a target that answers at once is not slow."""
    shade = ShadeOfBreaker(ub.CircuitBreaker(1, slow=1.5))
    bench.play(lambda: shade.run(waiting(bench, 3.0, aside), bench.context()))

    assert opened == shade.value()["would_open"]


# ── a timeout ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "answer", "cut", "in_error"),
    [
        (1.0, 7, 0, 0),
        (1.1, 7, 1, 1),
        (1.1, DOWN, 1, 0),
        (1.1, asyncio.CancelledError(), 1, 0),
        (0.9, DOWN, 0, 0),
    ],
)
def test_what_takes_just_as_long_as_the_limit_is_in_time(bench, seconds, answer, cut, in_error):
    """Only of what took longer and succeeded would the cut have been in error."""
    told = plays(bench, ShadeOfTimeout(ub.Timeout(1.0)), answer, seconds=seconds)

    assert {"attempts": 1, "would_cut": cut, "cut_in_error": in_error} == told


# ── a retry ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("failure", "repeats"),
    [
        (Failure(DOWN, Kind.UNREACHABLE), 1),
        (Failure(PermissionError("not yours"), Kind.CREDENTIALS), 0),
        (Failure(DOWN, Kind.UNREACHABLE, exhausted=True), 0),
    ],
)
def test_nothing_is_repeated_that_only_a_remedy_would_change(bench, failure, repeats):
    """In the shadow none is applied."""
    shade = ShadeOfRetry(ub.Retry(2))

    assert {"calls": 1, "would_repeat": repeats} == plays(bench, shade, failure, plan=Plan(effects="none"))


@pytest.mark.parametrize(
    ("jitter", "asked", "deadline", "repeats"),
    [
        (False, None, 5.0, 0),
        (False, None, 5.1, 1),
        (True, None, 5.1, 1),
        (True, 9.0, 9.0, 0),
        (True, 9.0, 9.1, 1),  # what comes on top of the wish is no more than there is time for
        (False, 9.0, 9.1, 1),
    ],
)
def test_a_repeat_needs_time_after_the_longest_pause(bench, jitter, asked, deadline, repeats):
    """One that would begin with the end of the call would not be made."""
    shade = ShadeOfRetry(ub.Retry(2, backoff=ub.Backoff(5.0, jitter=jitter)))
    failure = Failure(DOWN, Kind.UNREACHABLE, retry_after=asked)

    async def story():
        ctx = bench.context(plan=Plan(effects="none"), deadline=bench.runtime.now() + deadline)
        shade.ended(ctx, failure, 0.0, bench.runtime.now())

    bench.play(story)
    assert repeats == shade.value()["would_repeat"]


@pytest.mark.parametrize(("error", "named"), [(FileNotFoundError(2, "no such file", "x"), 1), (DOWN, 0)])
def test_what_is_named_would_be_repeated(bench, error, named):
    """As in force: by a type that always stands for that sort of failure, and by no other."""
    failure = Failure(error, Kind.INVALID)
    of_files, of_all = ShadeOfRetry(ub.Retry(2, on=(FileNotFoundError, LookupError))), ShadeOfRetry(ub.Retry(2))

    assert [named, 0] == [
        plays(bench, shade, failure, plan=Plan(effects="none"))["would_repeat"] for shade in (of_files, of_all)
    ]


# ── a hedge ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "aside", "copies"),
    [(0.0, 0.0, 0), (0.25, 0.0, 0), (0.3, 0.0, 1), (0.5, 0.0, 1), (0.6, 0.0, 2), (9.0, 0.0, 2), (0.6, 0.5, 0)],
)
def test_a_copy_begins_after_each_delay_up_to_the_most(bench, seconds, aside, copies):
    """What is over at that moment needs none; and while an attempt waits aside, a copy would do the same."""
    shade = ShadeOfHedge(ub.Hedge(0.25, most=2))
    bench.play(lambda: shade.run(waiting(bench, seconds, aside), bench.context(plan=Plan(effects="none"))))

    assert {"attempts": 1, "would_copy": copies} == shade.value()


# ── a budget ─────────────────────────────────────────────────────────────────────────────


class Payer:
    """Stand for the part of a node that counts successes."""

    def __init__(self, successes):
        self.successes = lambda: successes


@pytest.mark.parametrize(
    ("fields", "repeats"),
    [({}, 0), ({"attempt": 2}, 1), ({"rival": 1}, 1), ({"attempt": 2, "rival": 1}, 1)],
)
def test_repeats_and_copies_are_paid_for(bench, fields, repeats):
    """First attempts are not; and there may be no purse before who is the first to pay."""
    bench.node.payer = Payer(0)
    shade = ShadeOfBudget(ub.RetryBudget(start=0, ratio=0.0))

    assert {"repeats": repeats, "would_deny": repeats} == plays(bench, shade, 7, **fields)


@pytest.mark.parametrize(
    ("answer", "made", "told_no", "floor", "denied"),
    [
        (DOWN, 1, False, 9.0, 0),
        (DOWN, 0, False, 9.0, 1),
        (7, 1, False, 9.0, 1),
        (7, 0, False, 9.0, 1),
        (DOWN, 1, False, 0.0, 1),
        (DOWN, 1, True, 0.0, 0),
    ],
    ids=["failed", "refused", "well", "not made", "failed, no floor", "answered"],
)
def test_only_calls_that_failed_at_their_target_earn_by_the_floor(bench, answer, made, told_no, floor, denied):
    """One that was refused before its first attempt was no traffic, and one that is well is counted elsewhere."""
    bench.node.payer = Payer(0)
    shade = ShadeOfBudget(ub.RetryBudget(start=0, ratio=1.0, floor=floor))
    bearing = shade.stands()["call"]

    async def story():
        await bearing.run(bench.inner((1.0, answer)), bench.context(made=made, told_no=told_no))
        await bench.runtime.sleep(1.0)
        await shade.run(bench.inner((0.0, 7)), bench.context(attempt=2))

    bench.play(story)
    assert {"repeats": 1, "would_deny": denied} == shade.value()
