"""Calls that an open circuit turns away: by arithmetic where nothing else has a say, and to the same end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal import turning_away
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time


def door_of(colour: str, **options: Any) -> Any:
    """Return a protected function of that colour, whose circuit has just opened."""

    def work(*args: int) -> int:
        raise ConnectionError("down")

    async def async_work(*args: int) -> int:
        raise ConnectionError("down")

    options = {"breaker": ub.CircuitBreaker(1, rest=10.0), "effects": "none", **options}
    door = ub.protect("partner", **options)(work if colour == "sync" else async_work)
    door.node.breaker.settle(door.node.breaker.generation, False, BLOCKING.now())
    return door


def called(door: Any) -> Any:
    """Return what a plain call of *door* ends in."""
    try:
        made = door(1)
        return asyncio.run(made) if asyncio.iscoroutine(made) else made
    except Exception as error:
        return error


def told(end: Any) -> Any:
    """Return all that is known of what a call ended in."""
    return (type(end), end.args, vars(end), end.__cause__, end.__context__) if isinstance(end, Exception) else end


def by_the_script(door: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what a plain call ends in when nobody is turned away by arithmetic."""
    with monkeypatch.context() as patch:
        patch.setattr(door.node.target, "turns_away", False)
        for ways in ("on_loops", "in_threads"):
            patch.setattr(door.node.target, ways, None)  # to be built anew
        return called(door)


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one attempt": {"retry": False},
    "once": {"effects": "once"},
    "places": {"bulkhead": ub.Bulkhead(3)},
    "repeats refusals": {
        "retry": ub.Retry(2, on=ub.errors.CircuitOpen, backoff=ub.Backoff(20.0, most=20.0, jitter=False))
    },
    "falls back": {"fallback": lambda failure: "plan b"},
    "checks its input": {"validate": lambda number: False},
    "accepts its input": {"validate": lambda number: number == 1},
    "waits": {"breaker": ub.CircuitBreaker(1, rest=10.0, wait=20.0), "retry": False},
    "timeout": {"timeout": ub.Timeout(1.0), "hedge": ub.Hedge(0.1)},
    "learned": {"breaker": ub.CircuitBreaker(1, rest=10.0, most_rest=30.0, wait=0.7, learned=True)},
    "waits out a short rest": {
        "breaker": ub.CircuitBreaker(1, rest=0.5, most_rest=30.0, wait=0.7, learned=True),
        "retry": False,
    },
}


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_it_ends_as_the_script_would_end_it(options, forced, colour, monkeypatch):
    """The same error, to the letter, with the same notes and attributes; the same figures."""
    with virtual_time():
        ends, figures = [], []
        for play in (called, lambda door: by_the_script(door, monkeypatch)):
            door = door_of(colour, **options)
            if forced:
                door.node.breaker.force_open()
            ends.append(told(play(door)))
            status = door.node.get_status()
            figures.append((status.failure_count, status.degraded_count, status.total_executions, status.breaker))

    assert ends[0] == ends[1]
    assert not forced or "fallback" in options or ends[0][2]["retry_after"] is None
    assert figures[0] == figures[1]


def told_by(door: Any) -> Any:
    """Return all that the outcome of a call tells, but for its name."""
    made = door.outcome(1)
    outcome = asyncio.run(made) if asyncio.iscoroutine(made) else made
    ran = [(each.name, step.name, step.ran) for each in outcome.trace.stages for step in each.operations]
    told_in = {**outcome.to_dict(), "trace": None, "id": len(outcome.id)}
    return told_in, told(outcome.error), ran, outcome.trace.story, outcome.trace.background


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_its_outcome_is_what_the_script_would_tell(options, forced, colour, monkeypatch):
    """The same story, steps and error; only what is measured of each step is not, since there is nothing to measure."""
    with virtual_time():
        ends = []
        for quick in (True, False):
            door = door_of(colour, **options)
            if forced:
                door.node.breaker.force_open()
            with monkeypatch.context() as patch:
                if not quick:
                    patch.setattr("unbreakable.fractal.doors.outcome_if_shut", lambda *args: None)
                ends.append((told_by(door), door.node.get_status().failure_count))

    assert ends[0] == ends[1]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", ["plain", "one attempt", "once", "places", "timeout", "accepts its input"])
def test_the_script_is_not_opened_for_it(name, colour, monkeypatch):
    """Nobody plays a script whose end is known; where something else has a say it is played."""
    with virtual_time():
        door, other = door_of(colour, **OPTIONS[name]), door_of(colour, fallback=lambda failure: "plan b")
        monkeypatch.setattr(ub.FractalNode, "play", None)

        assert isinstance(called(door), ub.errors.CircuitOpen)
        assert name == "accepts its input" or told_by(door)
        assert isinstance(called(other), TypeError)


def test_whoever_listens_is_told():
    """With listeners each refusal is an event, as ever."""
    heard = []
    with virtual_time():
        door = door_of("sync")
        door.node.on(ub.events.CallRejected, lambda event: heard.append(event.reason))
        called(door)

    assert ["the circuit of partner is open for 10.000 s more"] == heard


def test_a_rest_is_told_as_it_is():
    """Words that are used again are those of this very millisecond."""
    with virtual_time() as clock:
        door, rests = door_of("sync"), []
        for pause in (0.0, 0.002, 2.0, 7.0):
            clock.advance(pause)
            error = called(door)
            rests.append((str(error).split(" for ")[1], round(error.retry_after, 6)))

    assert [
        ("10.000 s more", 10.0),
        ("9.998 s more", 9.998),
        ("7.998 s more", 7.998),
        ("0.998 s more", 0.998),
    ] == rests


def test_each_error_is_its_callers_own():
    """Notes that one caller adds are not another's."""
    with virtual_time():
        door = door_of("sync")
        first = called(door)
        first.add_note("mine")

        assert 1 == len(called(door).__notes__)


def test_a_call_inside_another_is_told_to_it():
    """The attempt around it knows of it, as of any other; its time is up when that one's is."""
    with virtual_time() as clock:
        door = door_of("sync")
        outer = ub.protect("outer", retry=False)(lambda: door(1))
        late = ub.protect("late", retry=False, deadline=5.0)(lambda: (clock.advance(6.0), door(1)))

        assert isinstance(outer.outcome().error, ub.errors.CircuitOpen)
        assert outer.node.get_status().failure_count == door.node.get_status().failure_count == 1
        assert isinstance(late.outcome().error, ub.errors.DeadlineExceeded)


def test_full_places_come_before_the_circuit():
    """Who would not even have a place is told so."""

    async def story() -> list[type]:
        door = ub.protect("partner", retry=False, bulkhead=ub.Bulkhead(1), breaker=ub.CircuitBreaker(1))(ASYNCIO.sleep)
        first = asyncio.ensure_future(door(5.0))
        await ASYNCIO.sleep(1.0)
        door.node.breaker.force_open()
        ends = [await door.outcome(1.0), *await asyncio.gather(door(1.0), return_exceptions=True)]
        await first
        return [type(ends[0].error), type(ends[1])]

    with virtual_time():
        assert [ub.errors.BulkheadFull] * 2 == asyncio.run(story())


def test_all_are_counted(monkeypatch):
    """In many threads, which run out of tickets all the time."""
    monkeypatch.setattr(turning_away, "LOOK_EACH", 3)
    door = ub.protect("partner", breaker=ub.CircuitBreaker(1))(lambda: 1)
    door.node.breaker.force_open()

    def many() -> None:
        for _ in range(500):
            with contextlib.suppress(ub.errors.CircuitOpen):
                door()

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 3 * len(threads) >= len(door.node.target.tickets)
    assert 2_000 == door.node.get_status().failure_count


@pytest.mark.parametrize("asks", [False, True])
def test_whoever_asks_how_many_there_were_keeps_no_learned_circuit_from_looking(asks):
    """Of fifty calls that are turned away one looks, also where the status is asked for in between."""
    made = []

    def work() -> None:
        made.append(BLOCKING.now())
        raise ConnectionError

    with virtual_time() as clock:
        breaker = ub.CircuitBreaker(1, rest=10.0, learned=True)
        door = ub.protect("partner", breaker=breaker, retry=False)(work)
        for number in range(104):
            if asks and number % 5 == 0:
                door.node.get_status()
            door.outcome()
            clock.advance(0.04)
        counted = door.node.get_status().failure_count

    assert (104, 2) == (counted, len(made))


def test_it_leaves_nothing_for_the_collector():
    """An error that nobody keeps is gone at once: there is no circle of it and its frames."""
    door = ub.protect("partner")(lambda: 1)
    door.node.breaker.force_open()
    kept = []
    gc.disable()
    try:
        try:
            door()
        except ub.errors.CircuitOpen as error:
            kept.append(weakref.ref(error))

        assert [None] == [each() for each in kept]
    finally:
        gc.enable()


@pytest.mark.parametrize("accepts", [True, False])
def test_arguments_are_looked_at_once(accepts):
    """Whoever is refused for what it gave is told so before the circuit is looked at, as ever."""
    looks = []
    door = ub.protect(validate=lambda number: looks.append(number) or accepts)(lambda number: number)
    door.node.breaker.force_open()
    end = called(door)
    told_by(door)

    assert ([1, 1], accepts) == (looks, isinstance(end, ub.errors.CircuitOpen))
    assert accepts or isinstance(end, ub.errors.ValidationFailed)


def test_after_the_rest_it_is_asked_again():
    """The first call after it is the probe, by the script, and closes the circuit."""
    with virtual_time() as clock:
        door = ub.protect("partner", breaker=ub.CircuitBreaker(1, rest=10.0))(lambda: 7)
        door.node.breaker.settle(0, False, BLOCKING.now())
        clock.advance(10.0)

        assert (7, "closed") == (door(), door.node.breaker.state)
