"""What a stream has taken in is done, for the call around it: undone when the step fails, and not put in once more."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.stories.stream.conftest import Stage

import unbreakable as ub
from unbreakable.errors import BufferFull, CommitUnknown
from unbreakable.runtime import run_blocking
from unbreakable.testing import virtual_time

AT_ONCE = ub.Retry(3, backoff=ub.Backoff(0.0))

pytestmark = pytest.mark.usefixtures("looks_take_no_time")


class Shop:
    """Take orders in calls and steps of a stage's colour."""

    def __init__(self, stage):
        self.stage, self.undone = stage, []

    def coloured(self, work):
        return work if self.stage.is_async else lambda: run_blocking(work())

    async def orchestrate(self, *steps):
        node = ub.OrchestratorNode(retry=False)
        result = await self.stage.call(node, "orchestrate", list(steps))
        return {step: state.value for step, state in result.ledger.items()}, result.status.value

    async def step(self, work, **settings):
        async def undo():
            self.undone.append(1)

        compensate = {} if "kind" in settings else {"compensate": self.coloured(undo)}
        return await self.orchestrate(ub.Step("order", self.coloured(work), **compensate, **settings))

    async def attempts(self, work):
        """Return how often *work* is made in a call that may be repeated."""
        made = []

        async def again():
            made.append(1)
            await work()

        door = ub.protect("around", retry=AT_ONCE, breaker=False)(self.coloured(again))
        await (door.outcome() if self.stage.is_async else as_coroutine(door.outcome))
        return len(made)


async def as_coroutine(function):
    return function()


def then_refused(stage, stream, verb="put", given="order 17"):
    async def order():
        await stage.call(stream, verb, given)
        raise ConnectionRefusedError("mail is down")

    return order


@pytest.mark.parametrize("verb", ["put", "process_stream"])
@pytest.mark.parametrize("effects", ["unknown", "idempotent", "once"])
def test_an_order_that_was_put_in_before_its_mail_was_refused_is_undone(play, effects, verb):
    """It is shipped: that nothing was sent is said of the mail."""

    async def story(stage):
        shop, stream = Shop(stage), stage.stream(effects=effects)
        (ledger, _), handled = await shop.step(then_refused(stage, stream, verb, ["17"])), await stage.drain(stream)
        return ledger["order"], shop.undone, handled, len(stage.handled)

    assert ("undone", [1], True, 1) == play(story)


@pytest.mark.parametrize("verb", ["put", "process_stream"])
def test_a_pivot_that_has_put_something_in_is_not_sure(play, verb):
    """It calls a person, as after a row that was inserted."""

    async def story(stage):
        return await Shop(stage).step(then_refused(stage, stage.stream(), verb, ["17"]), kind="pivot")

    assert ({"order": "uncertain"}, "needs_attention") == play(story)


@pytest.mark.parametrize(("effects", "ledger"), [("none", "not_begun"), ("once", "undone")])
def test_what_may_be_lost_or_doubled_leaves_nothing_to_undo(play, effects, ledger):
    """A stream of metrics says so by its effects."""

    async def story(stage):
        return (await Shop(stage).step(then_refused(stage, stage.stream(effects=effects))))[0]["order"]

    assert ledger == play(story)


@pytest.mark.parametrize(("effects", "attempts"), [("none", 3), ("idempotent", 3), ("unknown", 1), ("once", 1)])
def test_what_was_put_in_is_not_put_in_again(play, effects, attempts):
    """A second put is a second item, which only the stream's own effects make harmless."""

    async def story(stage):
        stream, shop = stage.stream(effects=effects), Shop(stage)

        async def order():
            await stage.put(stream, 17)
            raise ConnectionResetError("the mail is lost")

        made = await shop.attempts(order)
        await stage.drain(stream)
        return made, len(stage.handled)

    assert (attempts, attempts) == play(story)


@pytest.mark.parametrize("refusal", ["no room", "closed", "not recordable", "nothing"])
def test_what_was_not_taken_in_leaves_nothing_to_undo(play, refusal, tmp_path):
    """An item that was refused is in no line, and process_stream of nothing has put in nothing."""

    async def story(stage):
        folder = {"overflow": tmp_path, "durability": "process"} if refusal == "not recordable" else {}
        stream, shop = stage.bare(max_buffer=1, **folder), Shop(stage)
        if refusal == "no room":
            await stage.put(stream, 16)
        if refusal == "closed":
            await stage.put(stream, 16)
            await stage.close(stream, 0.0)

        async def order():
            if refusal == "nothing":
                await stage.call(stream, "process_stream", [])
            else:
                with pytest.raises((ub.errors.Rejected, ub.errors.NotRecordable, BufferFull)):
                    await stage.put(stream, object(), wait=1.0)
            raise ConnectionRefusedError

        return (await shop.step(order))[0]["order"]

    assert "not_begun" == play(story)


def test_a_disk_that_does_not_confirm_leaves_a_doubt(play, tmp_path, monkeypatch):
    """The item is in the line and may be delivered; whoever caught the error does not know whether it will be."""

    async def story(stage):
        stream = stage.bare(overflow=tmp_path, durability="durable")
        await stage.put(stream, 16)
        log = stream._life.opened.log
        monkeypatch.setattr(log, "sync", broken)
        monkeypatch.setattr(stream._life.opened.confirming, "_sync", broken)

        async def order():
            with pytest.raises(CommitUnknown):
                await stage.put(stream, 17, wait=1.0)
            raise ConnectionRefusedError

        result = await Shop(stage).step(order, kind="pivot")
        monkeypatch.undo()
        return result

    assert ({"order": "uncertain"}, "needs_attention") == play(story)


def broken():
    raise ub.errors.StateError("the disk is gone")


def test_dead_letters_that_are_delivered_again_are_something_done(play):
    """They are at the end of the line, once, however often it is asked for."""

    async def story(stage):
        failures = [ValueError("wrong"), *[None] * 9]

        async def work(item):
            if (error := failures.pop(0)) is not None:
                raise error

        stream = stage.stream(work, retry=False, deliveries=1)
        await stage.put(stream, 17)
        await stage.drain(stream)

        async def again():
            assert 1 == await stage.call(stream, "redeliver")
            raise ConnectionRefusedError

        return (await Shop(stage).step(again))[0]["order"]

    assert "undone" == play(story)


# ── what waits ──────────────────────────────────────────────────────────────────────────────────────────────────────


def play_async(story):
    """Play what several tasks of one event loop are at."""

    async def told(stage):
        try:
            return await story(stage)
        finally:
            for stream in stage.opened:
                await stream.aclose(0.0)

    with virtual_time() as clock:
        return asyncio.run(told(Stage("event loop", clock)))


async def look(stage):
    await stage.sleep(1.0)
    raise ConnectionResetError


async def items_later(stage, seconds):
    await stage.sleep(seconds)
    yield 17


@pytest.mark.parametrize("waits", ["for room", "for an item"])
def test_an_item_that_is_about_to_be_put_in_is_not_put_in_twice(waits):
    """It stands in line for room, or is still to come, when something beside it fails."""

    async def story(stage):
        stream, shop, tasks = stage.stream(max_buffer=1), Shop(stage), set()
        if waits == "for room":
            release = asyncio.Event()

            async def hold(item):
                stage.handled.append(item)
                await release.wait()

            stream = stage.stream(hold, max_buffer=1)
            await stage.put(stream, 1, wait=0.0)
            asyncio.get_running_loop().call_later(5.0, release.set)

        async def order():
            putting = stream.put(17) if waits == "for room" else stream.process_stream(items_later(stage, 5.0))
            tasks.add(task := asyncio.create_task(putting))
            await asyncio.gather(task, look(stage))

        made = await shop.attempts(order)
        await asyncio.gather(*tasks)
        await stage.drain(stream)
        return made, stage.handled.count(17)

    assert (1, 1) == play_async(story)


@pytest.mark.parametrize("leaves", ["puts", "gives up"])
def test_an_item_that_waits_for_room_is_waited_for_by_the_compensation(leaves):
    """What was put in by then is undone; a put that gave up in time has left no doubt."""

    async def story(stage):
        release, kept, seen = asyncio.Event(), set(), []

        async def hold(item):
            stage.handled.append(item)
            await release.wait()

        stream, shop = stage.stream(hold, max_buffer=1), Shop(stage)
        await stage.put(stream, 1, wait=0.0)
        asyncio.get_running_loop().call_later(5.0, release.set)

        async def putting():
            with contextlib.suppress(BufferFull):
                await stream.put(17, wait=60.0 if leaves == "puts" else 2.0)

        async def order():
            kept.add(asyncio.create_task(putting()))
            await look(stage)

        async def cancel():
            seen.append((stage.now(), stream.get_status().accepted))

        await shop.orchestrate(ub.Step("order", order, compensate=cancel))
        return seen

    expected = [(5.0, 2)] if leaves == "puts" else [(2.0, 1)]
    assert expected == play_async(story)


def test_the_hundredth_put_in_a_row_lets_others_have_their_turn_and_is_known(monkeypatch):
    """One of them fails just then: what is about to be put in is under way."""
    monkeypatch.setattr("unbreakable.nodes.stream.PUTS_IN_A_ROW", 1)

    async def story(stage):
        stream, shop, tasks = stage.stream(), Shop(stage), set()

        async def fail():
            raise ConnectionResetError

        async def order():
            tasks.add(task := asyncio.create_task(stream.put(17)))
            await asyncio.gather(task, fail())

        made = await shop.attempts(order)
        await asyncio.gather(*tasks)
        await stage.drain(stream)
        return made, len(stage.handled)

    assert (1, 1) == play_async(story)
