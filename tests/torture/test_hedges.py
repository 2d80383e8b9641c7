"""Second copies of slow attempts: the first good answer, at once, and nothing of the loser is left."""

from __future__ import annotations

import asyncio
import contextvars
import random
import time

import pytest
from tests.dense import DENSE

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
asked_by = contextvars.ContextVar("asked_by", default="nobody")


def copies(*answers):
    """Return an operation whose n-th copy takes so many seconds and then answers, or raises, that."""
    begun = []

    async def work(colour):
        seconds, answer = answers[len(begun)]
        begun.append(colour.now())
        if seconds:
            await colour.sleep(seconds)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return work, begun


@pytest.mark.parametrize(
    ("answers", "end", "at", "begun"),
    [
        ([(1, "a"), (1, "b")], "a", 1.0, [0.0]),
        ([(10, "a"), (1, "b")], "b", 3.0, [0.0, 2.0]),
        ([(3, "a"), (5, "b")], "a", 3.0, [0.0, 2.0]),
        ([(3, OSError()), (2, "b")], "b", 4.0, [0.0, 2.0]),
        ([(4, "a"), (1, OSError())], "a", 4.0, [0.0, 2.0]),
        ([(1, OSError()), (0, "never")], OSError, 1.0, [0.0]),
        ([(0, OSError()), (0, "never")], OSError, 0.0, [0.0]),
        ([(5, OSError()), (1, ValueError())], OSError, 5.0, [0.0, 2.0]),
    ],
)
def test_the_first_good_answer_wins(colour, answers, end, at, begun):
    """A failure that comes early does not beat a success that comes late; a quick failure needs no second copy."""

    async def story():
        work, starts = copies(*answers)
        door = colour.protect(work, effects="none", hedge=ub.Hedge(2.0), retry=False)
        try:
            value = await colour.call(door, colour)
        except Exception as error:
            value = type(error)
        return value, colour.now(), starts

    assert (end, at, begun) == colour.play(story)


def test_more_copies_start_one_after_the_other(colour):
    """With most=2 the third copy starts when the second is slow, too; the last one may win."""

    async def story():
        work, starts = copies((100, "a"), (100, "b"), (1, "c"))
        door = colour.protect(work, effects="none", hedge=ub.Hedge(2.0, most=2))
        return await colour.call(door, colour), colour.now(), starts

    assert ("c", 5.0, [0.0, 2.0, 4.0]) == colour.play(story)


def test_the_winner_is_returned_at_once_although_the_loser_is_slow_to_clean_up():
    """Nobody waits for the clean-up of a copy that lost."""

    async def story():
        cleaned = []

        async def work():
            if ub.current().rival:
                return "quick"
            try:
                await sleep(100)
            finally:
                await sleep(5)
                cleaned.append(asyncio.get_running_loop().time())

        began = asyncio.get_running_loop().time()
        door = ub.protect("target", effects="none", hedge=ub.Hedge(2.0))(work)
        value, at = await door(), asyncio.get_running_loop().time()
        await sleep(10)
        return value, round(at - began, 6), [round(moment - began, 6) for moment in cleaned]

    with virtual_time():
        assert ("quick", 2.0, [7.0]) == asyncio.run(story())


def test_the_winner_is_returned_at_once_although_the_losing_thread_cannot_be_stopped():
    """In sync code a loser at work goes on alone; its late answer counts for nothing."""
    late = []

    @ub.protect("target", effects="none", hedge=ub.Hedge(2.0))
    def work():
        if ub.current().rival:
            return "quick"
        time.sleep(100)  # noqa: TID251 - virtual time
        late.append(1)
        return "slow"

    with virtual_time() as clock:
        assert ("quick", 2.0) == (work(), clock.now())
        clock.advance(200)
        assert ([1], 1) == (late, work.node.get_status().total_executions)


def test_context_variables_are_kept_in_every_copy(colour):
    """The first copy and the second see what the caller set."""

    async def story():
        seen = []

        async def work():
            seen.append(asked_by.get())
            await colour.sleep(3)

        token = asked_by.set("Ann")
        await colour.call(colour.protect(work, effects="none", hedge=ub.Hedge(2.0)))
        asked_by.reset(token)
        return seen

    assert ["Ann", "Ann"] == colour.play(story)


def test_all_copies_carry_one_idempotency_key(colour):
    """Whoever asks first, and however late, the target can tell that the copies are one piece of work."""

    async def story():
        keys = []

        async def work():
            await colour.sleep(3)
            keys.append(ub.current().idempotency_key)
            await colour.sleep(3)

        door = colour.protect(work, effects="idempotent", hedge=ub.Hedge(2.0))
        await colour.call(door)
        return keys

    keys = colour.play(story)

    assert (2, 1) == (len(keys), len(set(keys)))


def test_copies_know_which_one_they_are_and_that_they_are_part_of_the_call(colour):
    """A call inside a copy is bound by the deadline of the call around it."""

    async def story():
        seen = []

        async def inner():
            return ub.current().left()

        nested = colour.protect(inner)

        async def work():
            seen.append((ub.current().rival, round(await colour.call(nested), 6)))
            await colour.sleep(3)

        await colour.call(colour.protect(work, effects="none", hedge=ub.Hedge(2.0), deadline=10.0))
        return seen

    assert [(0, 10.0), (1, 8.0)] == colour.play(story)


@pytest.mark.parametrize("effects", ["unknown", "once"])
def test_what_must_not_happen_twice_at_once_is_never_copied(colour, effects):
    """A pinned hedge is no permission: only the declaration of the effects is."""

    async def story():
        work, starts = copies((100, "a"), (1, "b"))
        hedged = ub.Strategy("hedged", hedge=ub.Hedge(2.0))  # given by itself it is refused
        door = colour.protect(work, effects=effects, strategy=hedged, deadline=1000.0)
        return await colour.call(door, colour), starts

    assert ("a", [0.0]) == colour.play(story)


def test_copies_pay_the_budget(colour):
    """Who cannot afford a second copy waits for the first one."""

    async def story():
        started = []

        async def work():
            started.append(1)
            await colour.sleep(3)

        budget = ub.RetryBudget(ratio=0.0, floor=0.0, start=4.0)
        door = colour.protect(work, effects="none", hedge=ub.Hedge(2.0), budget=budget)
        for _ in range(5):
            await colour.call(door)
        return len(started), door.node.get_status().budget

    assert (7, 2.0) == colour.play(story)


def test_a_hedged_call_is_counted_once(colour):
    """Two copies are one call, one success, one event."""

    async def story():
        work, _ = copies((10, "a"), (1, "b"))
        heard = []
        door = colour.protect(work, effects="none", hedge=ub.Hedge(2.0))
        door.node.on(ub.events.Event, lambda event: heard.append(type(event).__name__))
        await colour.call(door, colour)
        await colour.sleep(100)
        status = door.node.get_status()
        return status.total_executions, status.success_count, heard

    assert (1, 1, ["Hedged", "CopyWon", "Succeeded"]) == colour.play(story)


def test_the_story_tells_of_each_copy(colour):
    """Who asks why the target was asked more than once is told, also where the copies were in vain."""

    async def story():
        work, _ = copies((5, OSError()), (1, ValueError()), (9, OSError()))
        door = colour.protect(work, effects="none", hedge=ub.Hedge(2.0, most=2), retry=False)
        return await colour.call(door.outcome, colour)

    told = colour.play(story).explain()
    assert "2.000 s  sends a copy of attempt 1" in told
    assert "4.000 s  sends another copy of attempt 1" in told


def test_a_loser_that_fails_late_disturbs_nobody(caplog):
    """What a cancelled copy raises while it is stopped is neither logged nor counted."""

    async def story():
        async def work():
            if ub.current().rival:
                return "quick"
            try:
                await sleep(100)
            finally:
                raise LookupError("while cleaning up")

        door = ub.protect("target", effects="none", hedge=ub.Hedge(2.0))(work)
        value = await door()
        await sleep(1)
        return value, door.node.breaker.run, len(ASYNCIO.branches)

    with virtual_time():
        assert ("quick", 0, 0) == asyncio.run(story())
    assert [] == caplog.records


class Left(BaseException):
    """Somebody pulled the plug."""


def test_what_is_not_an_exception_passes_through_a_race(colour):
    """A BaseException of one copy ends the call, and the other copy with it."""

    async def story():
        work, _ = copies((100, "a"), (1, Left()))
        door = colour.protect(work, effects="none", hedge=ub.Hedge(2.0), bulkhead=ub.Bulkhead(1))
        with pytest.raises(Left):
            await colour.call(door, colour)
        return colour.now(), door.node.get_status().in_flight

    assert (3.0, 0) == colour.play(story)


def test_a_copy_that_cancels_itself_does_not_cancel_the_call():
    """Nobody cancelled the caller: the first copy goes on and answers."""

    @ub.protect("target", effects="none", hedge=ub.Hedge(1.0))
    async def ask():
        if ub.current().rival:
            raise asyncio.CancelledError
        await sleep(3)
        return "answer"

    with virtual_time():
        assert "answer" == asyncio.run(ask())


def test_a_hedge_and_a_timeout_cut_each_copy_by_its_own_clock(colour):
    """Each copy has the whole time limit; the call fails when the first copy's end has come and the second's, too."""

    async def story():
        work, starts = copies((100, "a"), (4, "b"), (100, "c"), (100, "d"))
        options = {"effects": "none", "hedge": ub.Hedge(2.0), "timeout": ub.Timeout(5.0), "retry": False}
        door = colour.protect(work, **options)
        first = await colour.call(door, colour)
        at = colour.now()
        second = await colour.call(door.outcome, colour)
        return first, at, type(second.error), colour.now(), starts

    end = colour.play(story)

    assert ("b", 6.0, ub.errors.AttemptTimeout, 13.0, [0.0, 2.0, 6.0, 8.0]) == end


@pytest.mark.parametrize("load", [0.6, *[0.45] * DENSE])
def test_a_queue_is_not_made_longer_by_copies(load):
    """A partner that answers one call after the other, and goes on with what nobody waits for, is not flooded."""

    def slowest(**options) -> float:
        arrivals, work, took, jobs = random.Random(1), random.Random(2), [], set()

        @ub.protect("serial", effects="none", **options)
        async def ask():
            job = asyncio.ensure_future(serve())
            jobs.add(job)
            job.add_done_callback(jobs.discard)
            await asyncio.shield(job)

        async def serve():
            async with one_at_a_time:
                await sleep(work.lognormvariate(0.0, 0.8) * 0.02)

        async def call():
            began = ASYNCIO.now()
            await ask()
            took.append(ASYNCIO.now() - began)

        async def main():
            nonlocal one_at_a_time
            one_at_a_time, calls = asyncio.Lock(), []
            for _ in range(round(240.0 * load / 0.0275)):
                await sleep(arrivals.expovariate(load / 0.0275))
                calls.append(asyncio.ensure_future(call()))
            await asyncio.gather(*calls)

        one_at_a_time = None
        with virtual_time():
            asyncio.run(main())
        return sorted(took)[round(0.99 * len(took))]

    assert 1.3 * slowest(hedge=False) >= slowest()
