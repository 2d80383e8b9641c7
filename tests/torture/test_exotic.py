"""Exceptions of programs that stop at nothing: the call ends all the same, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import subprocess
import sys
import time
import weakref

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Hostile(Exception):
    """Raise whenever anything is asked."""

    @property
    def code(self):
        return NoTruth(3)

    @property
    def __class__(self):
        raise RuntimeError

    @property
    def __cause__(self):
        raise RuntimeError

    @property
    def __context__(self):
        raise RuntimeError

    @property
    def __traceback__(self):
        raise RuntimeError


class NoTruth(int):
    """Neither true nor false."""

    def __bool__(self):
        raise RuntimeError


class Coded(Exception):
    """Carry a code that cannot be asked."""

    code = NoTruth(3)


class NotShown:
    """Have no words for itself."""

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize("kind", [Hostile, Coded])
@pytest.mark.parametrize("effects", ["unknown", "once"])
def test_an_outcome_is_told_whatever_the_exception_does(kind, effects):
    """Nothing that the exception raises when it is looked at comes out."""

    def work():
        raise kind

    with virtual_time():
        door = ub.protect("target", effects=effects, retry=ub.Retry(2, on=(OSError, kind)))(work)
        door.remedy(KeyError)(lambda failure: None)
        outcome = door.outcome()

    assert kind is type(outcome.error)
    assert kind.__name__ in outcome.explain()


def test_a_value_without_words_is_told_as_such():
    """A record is made of every outcome."""

    def work():
        return NotShown()

    assert "NotShown" in ub.protect("target")(work).outcome().to_dict()["value"]


def test_a_film_for_a_message_costs_next_to_nothing():
    """Of a hundred megabytes only the beginning is read."""
    message = "frame " * 17_000_000

    def work():
        raise ValueError(message)

    door = ub.protect("target", retry=False)(work)
    began = time.process_time()
    door.outcome()

    assert time.process_time() - began < 0.5


def test_a_plain_function_may_make_something_else_of_the_end_of_an_iterator(colour):
    """Only a StopIteration that was raised is told as one."""

    async def story():
        async def first(items):
            try:
                return next(iter(items))
            except StopIteration as error:
                raise LookupError("empty") from error

        outcome = await colour.call(colour.protect(first, retry=False).outcome, [])
        return type(outcome.error)

    assert LookupError is colour.play(story)


def test_a_stop_iteration_of_a_plain_function_is_told_as_it_was_raised():
    """Though it cannot pass through a coroutine."""
    door = ub.protect("target", retry=False)(lambda: next(iter([])))

    assert StopIteration is type(door.outcome().error)


class Local:
    """Something that a failing call has in its frame."""


@pytest.mark.parametrize("form", ["plain", "unwrap"])
def test_a_failing_call_leaves_no_circle(form):
    """What its frames held is gone when the exception is, without the collector."""
    alive = weakref.WeakSet()

    @ub.protect("target", retry=False, breaker=False)
    def work():
        local = Local()
        alive.add(local)
        raise ValueError

    gc.disable()
    try:
        for _ in range(10):
            with contextlib.suppress(ValueError):
                work() if form == "plain" else work.outcome().unwrap()
        if sys.version_info >= (3, 12) and form == "unwrap":
            gc.collect()  # a traceback's frames hold their callers there, and those the failure
        assert 0 == len(alive)
    finally:
        gc.enable()


PROGRAM = """
import random, unbreakable as ub
random.seed(7)
door = ub.protect("pay")(lambda: ub.current().idempotency_key)
print(door(), door.outcome().id)
"""


def test_a_program_that_seeds_its_dice_does_not_seed_ours():
    """Two runs of it give no two calls the same name."""
    runs = [subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True).stdout for _ in range(2)]

    assert runs[0] != runs[1]


def test_our_dice_leave_the_users_alone():
    """Pauses are drawn from dice of our own."""
    before = random.getstate()
    ub.protect("target", retry=ub.Retry(2, backoff=ub.Backoff(0.0001)))(lambda: 1 / 0).outcome()

    assert before == random.getstate()


@pytest.mark.parametrize("stray", [SystemExit, KeyboardInterrupt])
def test_an_exit_within_a_race_reaches_its_caller_and_not_the_event_loop(stray):
    """What a hedged attempt raises goes to whoever called; others on the event loop go on."""

    async def main():
        others = asyncio.ensure_future(sleep(5))

        async def leave():
            await sleep(1)
            raise stray

        node = ub.FractalNode("n", leave, effects="none", hedge=ub.Hedge(0.1))
        with pytest.raises(stray):
            await node.execute()
        await others
        return "went on"

    with virtual_time():
        assert "went on" == asyncio.run(main())


@pytest.mark.parametrize("stray", [SystemExit, KeyboardInterrupt])
def test_an_exit_within_a_load_is_a_failed_load(stray):
    """Several may wait for a load; what its function raises ends none of them, nor the event loop."""

    async def main():
        async def load(key):
            await sleep(1)
            raise stray

        cache = ub.CacheNode(loader=load, retry=False)
        return await asyncio.gather(*(cache.get.outcome("k") for _ in range(3)))

    with virtual_time():
        outcomes = asyncio.run(main())

    assert {(ub.Status.FAILED, ub.errors.StrayExit)} == {(each.status, type(each.error)) for each in outcomes}
