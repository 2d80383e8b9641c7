"""A target that says that it is full, a limit or a throttle sees to it, and an outage opens the circuit."""

from __future__ import annotations

import asyncio

import pytest
from benchmarks._full import Full, Scene, play
from tests.dense import most

import unbreakable as ub
from unbreakable.policies.full import Serving, says_full
from unbreakable.policies.shadow import Shadow
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

SEEDS = range(1, 6)
PLACES, DOWN = 5, 6.0  # the latter in seconds
LIMIT, THROTTLE = {"limit": ub.AdaptiveLimit()}, {"throttle": ub.Throttle()}
sleep = ASYNCIO.sleep


class Gone(Exception):
    """A 500: something is broken."""

    http_status = 500


# ── full ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_target_is_used_with_the_default_circuit_on():
    """Nine tenths of what it can do are done, also by half of its places, and no outage is seen."""
    scene = Scene(45, places=lambda now: 10 if now < 20 else 5)
    stories = [play(scene, seed, **LIMIT) for seed in SEEDS[: most(5, 2)]]

    assert [[]] * len(stories) == [story.opened for story in stories]
    for begin, end in ((10, 20), (30, 45)):  # one of some ten stories is worse by chance
        assert sum(story.goodput(begin, end) for story in stories) / len(stories) >= 0.9


@pytest.mark.parametrize("options", [LIMIT, THROTTLE], ids=["limit", "throttle"])
def test_a_wish_to_be_left_in_peace_is_for_the_one_who_was_refused_while_others_are_served(options):
    """Who is refused comes again later, as it was told, and nobody else waits for that."""
    story = play(Scene(15, places=lambda now: PLACES, wish=1.0), 1, **options)
    opened, served = story.opened, story.goodput(5, 15)

    assert [] == opened
    assert served >= 0.5


def test_a_throttle_beside_a_circuit_does_what_it_does_without():
    """The circuit adds nothing where the target is full, and nothing else."""
    scene = Scene(10, places=lambda now: PLACES)
    with_circuit, without = (len(play(scene, 3, **THROTTLE, **more).served) for more in ({}, {"breaker": False}))

    assert without == with_circuit


def test_without_limit_and_throttle_a_circuit_that_is_pinned_opens_as_ever():
    """Then nobody else holds the load off a target that refuses."""
    opened = play(Scene(5), 1, breaker=ub.CircuitBreaker()).opened

    assert len(opened) == 1


def test_a_circuit_that_knows_nothing_yet_does_not_shut_out_a_full_target():
    """Whoever is refused hears of it sooner than others have their answers."""
    story = play(Scene(5), 1)
    opened, served = story.opened, story.goodput(0, 5)

    assert [] == opened
    assert served >= 0.75


# ── down ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", SEEDS[: most(5, 1)])
@pytest.mark.parametrize("options", [LIMIT, THROTTLE], ids=["limit", "throttle"])
@pytest.mark.parametrize(("error", "within"), [(Gone, 5.0), (Full, 10.0), (lambda: Full(1.0), 12.0)])
def test_an_outage_opens_the_circuit(options, error, within, seed):
    """As soon as ever, or, where all are told that it is full, when no success came for as long as they take."""
    scene = Scene(DOWN + 12, places=lambda now: PLACES, down=lambda now: error() if now >= DOWN else None)
    opened = play(scene, seed, **options).opened

    assert DOWN <= opened[0] <= DOWN + within


def test_at_its_floor_a_limit_sees_an_outage_too():
    """One call at a time, each refused: there are no others that might be served."""
    scene = Scene(DOWN + 8, places=lambda now: PLACES, down=lambda now: Full() if now >= DOWN else None)
    opened = play(scene, 1, limit=ub.AdaptiveLimit(first=1, most=1)).opened

    assert DOWN <= opened[0] <= DOWN + 4.0


@pytest.mark.parametrize("listens", [False, True])
def test_refusals_count_when_no_success_has_come_for_a_second(listens):
    """Quick calls: those of the first second say nothing, five in a row after it open the circuit; so do a probe's."""

    async def work():
        raise Full

    async def story():
        call = ub.protect("server", retry=False, breaker=ub.CircuitBreaker(5, rest=30.0), **LIMIT)(work)
        if listens:
            call.node.on(ub.events.AttemptFailed, lambda event: None)
        states = []
        for _ in range(13):
            await call.outcome()
            states.append(call.node.breaker.state.value)
            await sleep(0.125)
        await sleep(30.0)
        await call.outcome()
        return states, call.node.breaker.state.value

    with virtual_time():
        states, probed = asyncio.run(story())

    assert [*["closed"] * 12, "open"] == states
    assert "open" == probed


def test_a_share_of_failures_is_not_of_what_a_limit_sees_to():
    """A circuit that opens by a share counts those refusals neither."""
    opened = play(Scene(6, places=lambda now: PLACES), 1, breaker=ub.CircuitBreaker(ratio=0.2), **LIMIT).opened

    assert [] == opened


def test_a_circuit_in_the_shadow_does_what_it_would_do_in_force():
    """It would not open either."""

    async def story():
        inside = 0

        async def work():
            nonlocal inside
            if inside >= PLACES:
                raise Full
            inside += 1
            await sleep(0.1)
            inside -= 1

        call = ub.protect("server", retry=False, breaker=Shadow(ub.CircuitBreaker(5)), **LIMIT)(work)
        await asyncio.gather(*(call() for _ in range(20)), return_exceptions=True)
        return call.node.get_status().to_dict()["shadows"]["breaker"]["would_open"]

    with virtual_time():
        assert 0 == asyncio.run(story())


# ── who says so ─────────────────────────────────────────────────────────────────────────────────────────────────────


def failure(error, kind=ub.errors.Kind.TRANSIENT, **facts):
    return ub.Failure(error, kind, node="server", attempt=1, **facts)


@pytest.mark.parametrize(
    ("said", "by"),
    [
        (True, failure(Full())),
        (True, failure(Exception("slow down"), ub.errors.Kind.THROTTLED)),
        (True, failure(ub.errors.BulkheadFull("further in"))),
        (False, failure(ub.errors.LimitReached("here"), refused=True)),
        (False, failure(Gone())),
    ],
)
def test_a_target_says_that_it_is_full_by_503_or_429_or_as_ours_do(said, by):
    """What we refused ourselves never got there."""
    assert said is says_full(by)


def test_how_long_a_success_is_waited_for_follows_how_long_they_take():
    """Twice the longest of late, at least a second, at most a circuit's rest; a success begins it anew."""
    serving = Serving()
    serving.take([0.5, 3.0, 1.0])

    assert [True, True, False] == [serving.is_on(7, now, most=30.0) for now in (100.0, 105.9, 106.1)]
    assert [True, False] == [serving.is_on(8, now, most=4.0) for now in (107.0, 111.1)]
    for _ in range(100):
        serving.take([0.1])
    assert [True, False] == [serving.is_on(9, now, most=30.0) for now in (200.0, 201.1)]
