"""What is put is handled once, in order, by one handler at a time."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.nodes import Batching, StreamNode
from unbreakable.runtime import ASYNCIO, run_blocking


def test_items_are_handled_in_the_order_of_their_acks(play):
    """Each ack has a number that grows, and says what the item survives."""

    async def story(stage):
        stream = stage.stream()
        acks = await stage.put(stream, *"abc")
        return acks, await stage.drain(stream), stage.handled

    acks, drained, handled = play(story)

    assert [1, 2, 3] == [ack.seq for ack in acks]
    assert {"memory"} == {ack.level for ack in acks}
    assert (True, ["a", "b", "c"]) == (drained, handled)


def test_the_handler_runs_once_at_a_time(play):
    """However slow it is, and however many items wait."""

    async def story(stage):
        inside, most = [], []

        async def work(item):
            inside.append(item)
            most.append(len(inside))
            await stage.take(1.0)
            inside.remove(item)

        stream = stage.stream(work)
        await stage.put(stream, *range(5))
        await stage.drain(stream)
        return max(most), stage.now()

    assert (1, 5.0) == play(story)


def test_the_handler_is_told_the_id(play):
    """It is the idempotency key of every attempt, and the id of the ack."""

    async def story(stage):
        keys, tries = [], []

        async def work(item):
            keys.append(ub.current().idempotency_key)
            tries.append(item)
            if len(tries) == 1:
                raise OSError("once")

        stream = stage.stream(work)
        acks = await stage.put(stream, "a", "b")
        await stage.drain(stream)
        return [ack.id for ack in acks], keys

    ids, keys = play(story)

    assert [ids[0], ids[0], ids[1]] == keys
    assert 2 == len(set(ids))


def test_batches_are_as_large_as_what_is_there_up_to_the_limit(play):
    """A handler with batch gets lists, and the ids that belong to them."""

    async def story(stage):
        sizes, ids = [], []

        async def work(items):
            sizes.append(len(items))
            ids.extend(items.ids)
            await stage.take(1.0)

        stream = stage.stream(work, batch=4)
        acks = await stage.put(stream, *range(10))
        await stage.drain(stream)
        return sizes, ids == [ack.id for ack in acks]

    sizes, same = play(story)

    assert 10 == sum(sizes)
    assert 4 == max(sizes) == sizes[1]
    assert same


def test_a_batch_waits_for_more_as_long_as_it_may(play):
    """The linger begins with the first item, and ends when the batch is full."""

    async def story(stage):
        seen = []

        async def work(items):
            seen.append((stage.now(), list(items)))

        stream = stage.stream(work, batch=Batching(3, linger=1.0))
        await stage.put(stream, "a", "b", "c")
        await stage.sleep(5.0)
        await stage.put(stream, "d")
        await stage.sleep(0.5)
        await stage.put(stream, "e")
        await stage.drain(stream)
        return seen

    assert [(0.0, ["a", "b", "c"]), (6.0, ["d", "e"])] == play(story)


def test_what_fails_is_healed_like_every_call(play):
    """A remedy registered with the stream mends, and may change the item."""

    async def story(stage):
        stream = stage.stream(check)
        stream.remedy(PermissionError)(lambda failure: {"item": "good"})
        await stage.put(stream, "bad")
        await stage.drain(stream)
        status = stream.get_status()
        return status.handled, status.heal_count

    async def check(item):
        if item == "bad":
            raise PermissionError(item)

    assert (1, 1) == play(story)


def test_a_fallback_that_answered_has_handled_the_item(play):
    """Its user said what is to be done with what fails."""

    async def story(stage):
        kept = []

        async def work(item):
            raise OSError(item)

        stream = stage.stream(work, fallback=lambda failure: kept.append(str(failure)))
        await stage.put(stream, "a")
        await stage.drain(stream)
        return kept, stream.get_status().handled

    assert (["OSError: a"], 1) == play(story)


def test_validate_and_key_are_given_the_item(play):
    """As they are given the arguments of a protected function."""

    async def story(stage):
        stream = stage.stream(validate=lambda item: item != "bad", key=lambda item: item)
        await stage.put(stream, "good", "bad")
        await stage.drain(stream)
        return stage.handled, [letter.item for letter in stream.dead_letters()]

    assert (["good"], ["bad"]) == play(story)


def test_an_item_is_handled_when_its_result_is_verified(play):
    """Success is what verify says."""

    async def story(stage):
        async def work(item):
            stage.handled.append(item)
            return len(stage.handled)

        stream = stage.stream(work, verify=lambda count: count > 2)
        await stage.put(stream, "a")
        await stage.drain(stream)
        return stage.handled, stream.get_status().handled

    assert (["a", "a", "a"], 1) == play(story)


def test_a_protected_function_can_be_the_handler(play):
    """Its own protection is inside; its key is made of the item's id."""

    async def story(stage):
        keys = []

        async def work(item):
            keys.append(ub.current().idempotency_key)
            if len(keys) == 1:
                raise OSError(item)

        if stage.handles_async:
            handler = ub.protect("inside")(work)
        else:
            handler = ub.protect("inside")(lambda item: run_blocking(work(item)))
        stream = stage.keep(StreamNode(handler, retry=False))
        (ack,) = await stage.put(stream, "a")
        await stage.drain(stream)
        return len(set(keys)), keys[0].startswith(f"{ack.id}/inside"), stream.get_status().handled

    assert (1, True, 1) == play(story)


def test_the_call_that_began_a_stream_sets_its_handler_no_deadline(play):
    """Items have nothing to do with the call in which the first of them was put."""

    async def story(stage):
        parents = []

        async def work(item):
            await stage.take(5.0)
            parents.append(ub.current().parent)

        stream = stage.stream(work)

        async def call():
            await stage.put(stream, "a")
            await stage.sleep(8.0)

        node = ub.FractalNode("caller", deadline=9.0)
        if stage.is_async:
            await node.execute(call)
        else:
            node.execute_sync(lambda: run_blocking(call()))
        return parents

    assert [None] == play(story)


def test_memory_keeps_items_as_they_are(play):
    """Without a folder nothing is written, and any object passes."""
    thing = object()

    async def story(stage):
        stream = stage.stream()
        await stage.put(stream, thing)
        await stage.drain(stream)
        return stage.handled

    assert thing is play(story)[0]


def test_execute_handles_one_item_at_once(play):
    """A stream is a node: what execute is given goes past the line."""

    async def story(stage):
        stream = stage.keep(StreamNode(stage.handled.append))
        outcome = stream.execute(context="a") if stage.is_async else stream.execute_sync(context="a")
        outcome = await outcome if stage.is_async else outcome
        return outcome.ok, stage.handled, stream.get_status().accepted

    assert (True, ["a"], 0) == play(story)


async def fail():
    await ASYNCIO.sleep(0.1)
    raise OSError


@pytest.mark.parametrize("play", ["event loop", "thread with event loop"], indirect=True)
def test_a_handler_may_make_nothing_of_a_task_group_that_failed(play):
    """Before Python 3.13 that leaves its task cancelled, by nobody; the stream goes on to consume at once."""

    async def story(stage):
        async def work(item):
            stage.handled.append(item)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail())
                    group.create_task(ASYNCIO.sleep(100.0))
            except* OSError:
                pass

        stream = stage.stream(work)
        await stage.put(stream, *"abc")
        await stage.sleep(0.5)
        return stage.handled, stream.get_status().is_consuming

    assert (["a", "b", "c"], True) == play(story)
