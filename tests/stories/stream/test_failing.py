"""A handler that fails loses no item: it is delivered again, or set aside where it can be seen."""

from __future__ import annotations

import asyncio
import math

import httpx2
import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.nodes import Batching, StreamNode
from unbreakable.nodes.streaming.events import DeadLettered, Redelivering
from unbreakable.storage.disk import Disk
from unbreakable.testing import virtual_time

ONCE = ub.Retry(1)


class Unreachable(Exception):
    """What a target that is down gives."""

    kind = Kind.UNREACHABLE


def failing(stage, error, times=math.inf, bad=None):
    """Return a handler that raises *error* for its first calls, for the *bad* item if one is named."""
    state = {"calls": 0}

    async def work(item):
        items = item if isinstance(item, list) else [item]
        if bad is None or bad in items:
            state["calls"] += 1
            if state["calls"] <= times:
                raise error
        stage.handled.extend(items)

    return work


def told(stream, *kinds):
    events = []
    for kind in kinds:
        stream.on(kind, events.append)
    return events


def test_an_item_that_always_fails_is_set_aside_and_the_others_go_on(play):
    """After five deliveries, with pauses that grow; it can be read, with its error."""

    async def story(stage):
        stream = stage.stream(failing(stage, ValueError("poison"), bad="b"), retry=ONCE)
        events = told(stream, DeadLettered, Redelivering)
        acks = await stage.put(stream, "a", "b", "c")
        drained = await stage.drain(stream)
        (letter,) = stream.dead_letters()
        status = stream.get_status()
        return (
            drained,
            stage.handled,
            letter.to_dict() | {"id": letter.id == acks[1].id},
            [round(event.pause, 1) for event in events if isinstance(event, Redelivering)],
            type(events[-1]),
            (status.accepted, status.handled, status.dead_letter, stage.now()),
        )

    drained, handled, letter, pauses, last, counts = play(story)

    assert (True, ["a", "c"]) == (drained, handled)
    assert {"id": True, "item": "b", "error": "ValueError: poison", "deliveries": 5} == letter
    assert [0.2, 0.4, 0.8, 1.6] == pauses
    assert DeadLettered is last
    assert (3, 2, 1, 3.0) == counts


def test_an_item_that_fails_for_a_while_is_handled_in_its_turn(play):
    """The order is kept: what is behind waits."""

    async def story(stage):
        stream = stage.stream(failing(stage, RuntimeError("not yet"), times=3, bad="a"), retry=ONCE)
        await stage.put(stream, "a", "b")
        await stage.drain(stream)
        return stage.handled, stream.get_status().dead_letter

    assert (["a", "b"], 0) == play(story)


@pytest.mark.parametrize("error", [Unreachable(), httpx2.ConnectError("refused"), httpx2.ReadError("reset")], ids=repr)
def test_an_outage_of_the_target_sets_nothing_aside(play, error):
    """Ten minutes without an answer hold up the line, and that is all, whichever client library tells of it."""

    async def story(stage):
        over = stage.clock.now() + 600.0

        async def work(item):
            if stage.clock.now() < over:
                raise error
            stage.handled.append(item)

        stream = stage.stream(work)
        await stage.put(stream, *range(5))
        await stage.sleep(300.0)
        meanwhile = stream.get_status()
        await stage.drain(stream)
        return meanwhile.handled, meanwhile.failing > 3, stage.handled, stage.now() < 680, stream.dead_letters()

    assert (0, True, [0, 1, 2, 3, 4], True, ()) == play(story)


def test_patience_with_a_target_ends(play):
    """An item whose target never answers makes room for the others, one in fifteen minutes."""

    async def story(stage):
        stream = stage.stream(failing(stage, Unreachable(), bad="b"))
        await stage.put(stream, "a", "b", "c")
        await stage.drain(stream)
        return stage.handled, len(stream.dead_letters()), 900 <= stage.now() <= 1_000

    assert (["a", "c"], 1, True) == play(story)


def test_an_item_that_is_wrong_is_set_aside_at_once(play):
    """Nothing would be different the next time."""

    class Invalid(Exception):
        http_status = 422

    async def story(stage):
        stream = stage.stream(failing(stage, Invalid(), bad="b"))
        await stage.put(stream, "a", "b", "c")
        await stage.drain(stream)
        return stage.handled, [letter.deliveries for letter in stream.dead_letters()], stage.now()

    assert (["a", "c"], [1], 0.0) == play(story)


def test_what_must_not_happen_twice_is_set_aside_after_one_call(play):
    """A person knows more than a repeat would."""

    async def story(stage):
        calls = []

        async def work(item):
            calls.append(item)
            raise OSError("did it happen?")

        stream = stage.stream(work, effects="once")
        await stage.put(stream, "charge")
        await stage.drain(stream)
        return calls, [letter.item for letter in stream.dead_letters()]

    assert (["charge"], ["charge"]) == play(story)


def test_what_provably_did_not_happen_is_delivered_again(play):
    """Also when it must not happen twice."""

    async def story(stage):
        stream = stage.stream(failing(stage, ub.errors.NotSent(), times=4), effects="once")
        await stage.put(stream, "charge")
        await stage.drain(stream)
        return stage.handled

    assert ["charge"] == play(story)


def test_an_open_circuit_holds_the_line_without_counting(play):
    """The handler is not called, so nothing is known of the item; it is asked again when the circuit lets it."""

    async def story(stage):
        stream = stage.stream(deliveries=1)
        stream.breaker.force_open()
        await stage.put(stream, "a")
        await stage.sleep(120.0)
        waiting = stream.get_status()
        stream.breaker.reset()
        await stage.drain(stream)
        return waiting.handled, waiting.dead_letter, stage.handled

    assert (0, 0, ["a"]) == play(story)


def test_one_bad_item_does_not_open_the_circuit(play):
    """It says nothing of the target; a target that is down does."""

    async def story(stage):
        bad = stage.stream(failing(stage, ValueError("poison")))
        await stage.put(bad, "a")
        await stage.drain(bad)
        down = stage.stream(failing(stage, Unreachable()), name="down")
        await stage.put(down, "a")
        await stage.sleep(10.0)
        return bad.breaker.state.value, down.breaker.state.value

    assert ("closed", "open") == play(story)


def test_a_bad_item_in_a_batch_is_found_and_the_others_are_handled(play):
    """The batch is halved until the item stands alone."""

    async def story(stage):
        stream = stage.stream(failing(stage, ValueError("poison"), bad=5), batch=8, retry=ONCE)
        await stage.put(stream, *range(20))
        await stage.drain(stream)
        return stage.handled, [letter.item for letter in stream.dead_letters()]

    assert ([n for n in range(20) if n != 5], [5]) == play(story)


def test_a_bad_item_costs_the_others_few_repeats(play):
    """The batches stay small until the one that hurts is found, and grow again behind it."""

    async def story(stage):
        sizes = []

        async def work(items):
            sizes.append(len(items))
            if 5 in items:
                raise ValueError("poison")

        stream = stage.stream(work, batch=Batching(8, linger=1.0), retry=ONCE, deliveries=2)
        await stage.put(stream, *range(32))
        await stage.drain(stream)
        return sizes

    assert [8, 4, 4, 2, 1, 1, 1, 1, 2, 4, 8, 8, 3] == play(story)


def test_an_outage_does_not_take_batches_apart(play):
    """It says nothing of the items: the same batch is delivered again."""

    async def story(stage):
        sizes = []

        async def work(items):
            sizes.append(len(items))
            if len(sizes) < 4:
                raise Unreachable

        stream = stage.stream(work, batch=Batching(4, linger=1.0), retry=ONCE, breaker=False)
        await stage.put(stream, *range(4))
        await stage.drain(stream)
        return sizes

    assert [4, 4, 4, 4] == play(story)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd")])
def test_whatever_a_handler_raises_is_a_failed_delivery(play, error):
    """It ends neither the stream nor the program."""

    async def story(stage):
        stream = stage.stream(failing(stage, error, times=1))
        await stage.put(stream, "a", "b")
        await stage.drain(stream)
        return stage.handled

    assert ["a", "b"] == play(story)


# ── dead letters ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("overflow", [False, True])
def test_dead_letters_can_be_redelivered_under_their_ids(play, tmp_path, overflow):
    """At the end of the line, all or some; they are counted once."""

    async def story(stage):
        ids, bad = [], {"a", "b", "c"}

        async def work(item):
            if item in bad:
                raise ValueError(item)
            ids.append(ub.current().idempotency_key)
            stage.handled.append(item)

        where = {"overflow": tmp_path / stage.runtime.__class__.__name__} if overflow else {}
        stream = stage.stream(work, deliveries=1, retry=ONCE, **where)
        acks = await stage.put(stream, "a", "b", "c", "d")
        await stage.drain(stream)
        bad.clear()
        some = await stage.call(stream, "redeliver", acks[1].id)
        every = await stage.call(stream, "redeliver")
        await stage.drain(stream)
        status = stream.get_status()
        wanted = [acks[index].id for index in (3, 1, 0, 2)]
        return some, every, stage.handled, ids == wanted, status.accepted, status.handled, stream.dead_letters()

    assert (1, 2, ["d", "b", "a", "c"], True, 4, 4, ()) == play(story)


def test_a_letter_stays_when_its_item_may_not_be_on_disk_yet(tmp_path, monkeypatch):
    """At worst it is there twice, and the sum still balances."""

    async def poison(item):
        raise ValueError(item)

    def broken(self, descriptor):
        raise OSError(5, "Input/output error")

    async def story():
        stream = StreamNode(poison, overflow=tmp_path, durability="durable", deliveries=1, retry=ONCE)
        await stream.put("a")
        await stream.drain()
        with monkeypatch.context() as patch:
            patch.setattr(Disk, "sync", broken)
            patch.setattr("unbreakable.nodes.streaming.confirming.Confirming.wait", refused)
            with pytest.raises(ub.errors.CommitUnknown):
                await stream.redeliver()
        status = stream.get_status()
        letters = len(stream.dead_letters())
        await stream.aclose()
        return letters, status.dead_letter, status.on_disk, status.accepted

    async def refused(*args):
        return False

    with virtual_time():
        assert (1, 1, 1, 2) == asyncio.run(story())


def test_dead_letters_can_be_discarded(play):
    """Somebody has dealt with them: they count as handled."""

    async def story(stage):
        stream = stage.stream(failing(stage, ValueError()), deliveries=1, retry=ONCE)
        acks = await stage.put(stream, "a", "b")
        await stage.drain(stream)
        discarded = stream.discard(acks[0].id, "unknown")
        status = stream.get_status()
        return discarded, [letter.item for letter in stream.dead_letters()], status.handled, status.dead_letter

    assert (1, ["b"], 1, 1) == play(story)


def test_full_dead_letters_hold_the_line_until_somebody_makes_room(play):
    """Nothing is dropped, and the status says what is to be done."""

    async def story(stage):
        stream = stage.stream(
            failing(stage, ValueError(), times=2), deliveries=1, retry=ONCE, max_dead_letters=1, max_buffer=3
        )
        acks = await stage.put(stream, "a", "b", "c")
        await stage.sleep(60.0)
        held = stream.get_status()
        stream.discard(acks[0].id)
        await stage.drain(stream)
        after = stream.get_status()
        return (held.health, held.trouble, held.in_memory, held.dead_letter), (after.health, stage.handled)

    held, after = play(story)

    assert ("degraded", "all 1 places for dead letters are taken: redeliver or discard some", 2, 1) == held
    assert ("ok", ["c"]) == after
