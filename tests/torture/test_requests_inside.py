"""What came with a request counts for the calls that are made for it: deadline, key, what was done and repeated."""

from __future__ import annotations

import asyncio
import threading

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, DeadlineExceeded
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
AT_ONCE, ONE = ub.Retry(3, backoff=ub.Backoff(0.0)), ub.Retry(1)


def test_the_caller_s_deadline_is_the_deadline_of_every_call(colour):
    """A call has what the caller has left, not its own thirty seconds, and one that comes too late is refused."""

    async def story():
        seen = []

        async def work():
            seen.append((round(ub.current().left(), 3), round(ub.current().remaining(), 3)))
            await colour.sleep(2.0)

        door = colour.protect(work)
        with ub.incoming({"Unbreakable-Deadline": "1.5"}) as request:
            before = round(request.remaining(), 3)
            with pytest.raises(DeadlineExceeded) if colour.is_async else contextless():
                await colour.call(door)
            late = await colour.call(door.outcome)
        after = await colour.call(door.outcome)
        return before, seen, type(late.error), late.attempts, after.ok

    before, seen, late, attempts, after = colour.play(story)

    assert (1.5, (1.5, 1.5), 30.0) == (before, seen[0], seen[-1][0])
    assert (DeadlineExceeded, 0, True) == (late, attempts, after)


class contextless:  # noqa: N801 - reads as what it is
    """Expect nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def test_a_request_cannot_lengthen_anything(colour):
    """A deadline that is later than one's own changes nothing, also inside another call."""

    async def story():
        seen = []

        async def work():
            seen.append(round(ub.current().left(), 3))

        inner = colour.protect(work, deadline=5.0)

        async def around():
            with ub.incoming({"Unbreakable-Deadline": "4.0"}), ub.incoming({"Unbreakable-Deadline": "9.0"}):
                await colour.call(inner)

        with ub.incoming({"Unbreakable-Deadline": "900"}):
            await colour.call(inner)
        await colour.call(colour.protect(around, deadline=3.0))
        return seen

    assert [5.0, 3.0] == colour.play(story)


def test_a_call_around_the_block_knows_what_was_done_in_it(colour):
    """A payment that is made for a request is not made again because the work around it fails."""

    async def story():
        paid = []

        async def pay():
            paid.append(1)

        bank = colour.protect(pay, effects="once")

        async def work():
            with ub.incoming({}):
                await colour.call(bank)
            raise OSError("the mail server is down")

        outcome = await colour.call(colour.protect(work, retry=AT_ONCE).outcome)
        return len(paid), outcome.attempts

    assert (1, 1) == colour.play(story)


def test_a_call_around_the_block_knows_what_was_repeated_in_it(colour):
    """Attempts do not multiply through it, and a stopgap inside is one for whoever asks."""

    async def story():
        calls = []

        async def down():
            calls.append(1)
            raise ConnectionError("down")

        below = colour.protect(down, retry=AT_ONCE, breaker=False)
        patched = colour.protect(down, retry=ONE, breaker=False, fallback=lambda failure: "stopgap")

        async def work():
            with ub.incoming({}):
                await colour.call(below)

        async def patchwork():
            with ub.incoming({}):
                await colour.call(patched)
            return ub.current().makeshift

        await colour.call(colour.protect(work, retry=AT_ONCE, breaker=False).outcome)
        return len(calls), await colour.call(colour.protect(patchwork))

    assert (3, True) == colour.play(story)


def test_any_client_can_pass_on_what_is_known(colour):
    """What goes out in a call, or right in the block, is what is known there; outside of both it is nothing."""

    async def story():
        told = []

        async def ask():
            told.append(ub.outgoing())
            if len(told) < 3:
                raise ConnectionError("reset")

        with ub.incoming({"Unbreakable-Attempt": "2;layers=3", "Unbreakable-Deadline": "5"}):
            told.append(ub.outgoing())
            await colour.call(colour.protect(ask, retry=AT_ONCE, budget=False))
        told.append(ub.outgoing())
        return told

    attempts = ["2;layers=3", "1;layers=3", "2;layers=4", None]
    told = colour.play(story)

    assert attempts == [each.get("Unbreakable-Attempt") for each in told]
    assert ["5.000", "5.000", "5.000", None] == [each.get("Unbreakable-Deadline") for each in told]


def test_a_block_leaves_nothing_behind(colour):
    """After it, and when it raises, calls are as they were before."""

    async def story():
        with pytest.raises(KeyError), ub.incoming({"Unbreakable-Deadline": "1"}):
            raise KeyError("x")
        return ub.current()

    assert colour.play(story) is None


def test_requests_in_one_event_loop_do_not_see_each_other():
    """Each task has the headers of its own request."""

    async def serve(seconds, seen):
        with ub.incoming({"Unbreakable-Deadline": str(seconds)}):
            await sleep(0.1)
            seen[seconds] = round(ub.current().remaining(), 3)

    async def story():
        seen = {}
        await asyncio.gather(*(serve(seconds, seen) for seconds in (1, 2, 3)))
        return seen

    with virtual_time():
        assert {1: 0.9, 2: 1.9, 3: 2.9} == asyncio.run(story())


def test_requests_in_several_threads_do_not_see_each_other():
    """Each thread has the headers of its own request."""
    seen, together = {}, threading.Barrier(3)

    def serve(number):
        with ub.incoming({"Unbreakable-Attempt": str(number)}):
            together.wait(60)
            seen[number] = ub.current().attempt

    threads = [threading.Thread(target=serve, args=(number,)) for number in (1, 2, 3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert {1: 1, 2: 2, 3: 3} == seen


def test_a_key_that_comes_with_the_request_makes_the_keys_of_calls_inside(colour):
    """The same request that comes again leads to the same keys, another one to others, and one without to new ones."""

    async def story():
        async def pay(amount):
            return ub.current().idempotency_key

        door, keys = colour.protect(pay), []
        for key in ("ann/17", "ann/17", "bob/17", None, None):
            with ub.incoming({}, idempotency_key=key) as request:
                keys.append(await colour.call(door, 5))
                assert keys[-1].startswith(f"{request.idempotency_key}/")
        return keys

    first, again, others, new, newer = colour.play(story)

    assert first == again
    assert 4 == len({first, others, new, newer})


def test_a_block_without_a_key_inside_another_call_or_block_keeps_the_keys(colour):
    """What is repeated outside pays by the same keys again, and two calls that are alike have one each."""

    async def story():
        keys = []

        async def pay(amount):
            return ub.current().idempotency_key

        door = colour.protect(pay)

        async def handle():
            for _ in range(2):
                with ub.incoming({"Unbreakable-Deadline": "5"}):
                    keys.append(await colour.call(door, 5))
            if len(keys) < 4:
                raise ConnectionError("again")

        await colour.call(colour.protect(handle, retry=AT_ONCE, effects="idempotent"))
        for _ in range(2):
            with ub.incoming({}, idempotency_key="ann/17"):
                await handle()
        return keys

    keys = colour.play(story)

    assert keys[:2] == keys[2:4]
    assert keys[4:6] == keys[6:]
    assert len(set(keys)) == 4
    assert all(key.startswith("ann/17/") for key in keys[4:])


def test_who_comes_at_the_very_end_of_his_time_is_told_so():
    """A caller whose time was over says 0.000, and no less."""
    with virtual_time(), ub.incoming({"Unbreakable-Deadline": "0.000"}):
        outcome = ub.protect("work")(lambda: 1).outcome()

    assert str(outcome.error) == "the deadline passed 0.000 s before the call"


@pytest.mark.parametrize("headers", [None, "unbreakable-attempt: 2", 7, [("a",)], ["ab"], iter([("a", "b")])])
def test_what_are_no_headers_is_refused(headers):
    """The mistake is told where it is made."""
    with pytest.raises(ConfigurationError, match="incoming: headers must be a mapping of headers, or a list of pairs"):
        ub.incoming(headers).__enter__()


@pytest.mark.parametrize("key", ["", 7, b"x"])
def test_what_is_no_key_is_refused(key):
    """A blank key would make all requests one."""
    with pytest.raises(ConfigurationError, match="incoming: idempotency_key must be some text, or None"):
        ub.incoming({}, idempotency_key=key).__enter__()


def test_what_is_at_work_in_the_block_is_forgotten_with_it():
    """A service that runs for years keeps nothing of the requests that it has served."""
    door = ub.protect("work")(lambda: 1)
    with ub.incoming({}) as request:
        for _ in range(100):
            door()
        assert set() == request.deeds.at_work
    assert not request.live
    assert BLOCKING.now() >= request.started
