"""Virtual time: everything that waits waits no time at all, in the order in which it would have waited."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.runtime.virtual import virtual_time

now = time.monotonic  # noqa: TID251 - what virtual time leaves alone


@pytest.fixture
def clock():
    with virtual_time() as clock:
        yield clock


def sleep(seconds):
    time.sleep(seconds)  # noqa: TID251 - virtual time


async def asleep(seconds):
    await asyncio.sleep(seconds)  # noqa: TID251 - virtual time


def diary(clock, *people):
    """Return what a loop's tasks wrote at which moment: each person is a name and how long it sleeps between lines."""
    written = []

    async def person(name, pauses):
        for pause in pauses:
            await asleep(pause)
            written.append((clock.now(), name))

    async def everybody():
        await asyncio.gather(*(person(*each) for each in people))

    asyncio.run(everybody())
    return written


# ── sync code ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sleeping_takes_no_time(clock):
    """A month passes in the twinkling of an eye, exactly."""
    began = now()

    sleep(30 * 86_400)
    sleep(0.125)

    assert 30 * 86_400 + 0.125 == clock.now()
    assert now() - began < 5.0


def test_time_is_advanced_by_hand(clock):
    """A test may let time pass, but never go back."""
    clock.advance(5.0)
    clock.advance(0.0)

    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="0 or more"):
            clock.advance(wrong)

    assert 5.0 == clock.now()


def test_the_clock_of_the_library_is_the_virtual_one(clock):
    """Both drivers read the same clock, which goes on from the real one."""
    before = BLOCKING.now()
    sleep(10)

    assert before + 10 == BLOCKING.now() == ASYNCIO.now()


def test_a_users_threads_sleep_in_the_order_of_their_alarms(clock):
    """Threads that the user starts take part: none is left behind when another sleeps for long."""
    written = []

    def person(name, pauses):
        for pause in pauses:
            sleep(pause)
            written.append((clock.now(), name))

    people = [
        threading.Thread(target=person, args=("a", [1.0, 2.0])),
        threading.Thread(target=person, args=("b", [2.0, 2.0])),
    ]
    for one in people:
        one.start()
    sleep(10)
    written.append((clock.now(), "main"))
    for one in people:
        one.join()

    assert [(1.0, "a"), (2.0, "b"), (3.0, "a"), (4.0, "b"), (10.0, "main")] == written


def test_a_thread_that_is_busy_before_it_sleeps_is_not_left_behind(clock):
    """Time does not jump over somebody who has not come to sleeping yet."""
    written = []

    def person():
        sum(range(300_000))
        sleep(1.0)
        written.append(clock.now())

    for _ in range(20):
        thread = threading.Thread(target=person)
        thread.start()
        sleep(10.0)
        written.append(clock.now())

    assert [moment for rounds in range(20) for moment in (10.0 * rounds + 1.0, 10.0 * rounds + 10.0)] == written


def test_a_thread_that_works_for_long_before_it_sleeps_is_not_left_behind(clock):
    """On a busy machine a thread may need long until it waits; only one that stands still is gone on without."""
    written, began = [], now()

    def person():
        while now() < began + 0.25:
            pass
        sleep(1.0)
        written.append(clock.now())

    thread = threading.Thread(target=person)
    thread.start()
    sleep(10.0)
    written.append(clock.now())

    assert [1.0, 10.0] == written


def test_a_thread_that_waits_for_something_real_does_not_hold_time_up(clock):
    """A server that waits for ever costs a moment of real time once, and then no more."""
    over = threading.Event()
    server = threading.Thread(target=over.wait, args=(60.0,))
    server.start()
    began = now()
    for _ in range(1_000):
        sleep(10.0)
    seconds = now() - began
    over.set()
    server.join()

    assert 10_000.0 == clock.now()
    assert seconds < 5.0


def test_whoever_is_joined_goes_on_meanwhile(clock):
    """Waiting for a thread for real does not stop the thread's time."""
    thread = threading.Thread(target=sleep, args=(3600.0,))
    thread.start()
    thread.join()

    assert 3600.0 == clock.now()


def test_whoever_comes_back_from_something_real_takes_part_again(clock):
    """A limit is kept, whether a pool's thread sets it or who waited for the pool."""
    f = ub.protect("slow", timeout=ub.Timeout(2.0), retry=False)(lambda: sleep(100.0))
    began = now()
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(f.outcome).result()
    before, outside, after = clock.now(), f.outcome(), clock.now()

    assert (False, False) == (inside.ok, outside.ok)
    assert 2.0 == after - before
    assert now() - began < 10.0


def test_threads_that_are_started_after_something_real_begin_at_once(clock):
    """Time does not pass between the start of a thread and its first step."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(sleep, 10.0).result()
    sleeper = threading.Thread(target=sleep, args=(1000.0,))
    sleeper.start()
    moments = [clock.now()]
    sleep(1.0)
    moments.append(clock.now())
    sleeper.join()

    assert 1.0 == moments[1] - moments[0]


def test_a_pool_of_threads_sleeps_at_the_same_time(clock):
    """Three workers that sleep five seconds take five seconds."""
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(sleep, [5.0] * 3))

    assert 5.0 == clock.now()


# ── async code ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tasks_wake_in_the_order_of_their_alarms(clock):
    """Sleeps of many tasks interleave as they would in real time."""
    expected = [(1.0, "a"), (2.0, "b"), (2.5, "c"), (3.0, "a"), (6.0, "a"), (102.0, "b")]

    assert expected == diary(clock, ("a", [1, 2, 3]), ("b", [2, 100]), ("c", [2.5]))


def test_years_that_passed_before_blur_no_moment(present):
    """Time does not run backwards between blocks; what such a clock can no longer tell is not shown."""
    with virtual_time():
        sleep(1e9)
    with virtual_time() as clock:
        sleep(1.1)

        assert 1.1 == clock.now()


def test_timers_of_asyncio_are_due_however_late_it_is(present, clock):
    """A loop whose clock has shown years goes on; asyncio compares moments finer than such a clock can tell."""
    sleep(1e9)

    assert [(1e9 + 0.25, "a"), (2e9, "a")] == diary(clock, ("a", [0.25, 1e9 - 0.25]))


def test_timeouts_of_asyncio_follow_the_clock(clock):
    """What asyncio cuts by itself (timeout, wait_for, wait) is cut at its virtual moment."""

    async def story():
        moments = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asleep(3600)
        moments.append(clock.now())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asleep(3600), 10)
        moments.append(clock.now())
        task = asyncio.ensure_future(asleep(3600))
        done, _ = await asyncio.wait({task}, timeout=10)
        moments.append((clock.now(), len(done)))
        task.cancel()
        return moments

    assert [10.0, 20.0, (30.0, 0)] == asyncio.run(story())


def test_cancelled_timers_do_not_hold_time_up(clock):
    """A timer that was cancelled is no reason to jump to its moment."""

    async def story():
        loop = asyncio.get_running_loop()
        for seconds in (1, 2, 3):
            loop.call_later(seconds, int).cancel()
        await asleep(5)
        moment = clock.now()
        timer = loop.call_later(1000, int)
        await asleep(1)
        timer.cancel()
        await asleep(1)
        return moment, clock.now()

    assert (5.0, 7.0) == asyncio.run(story())


def test_a_loop_may_be_running_when_virtual_time_begins():
    """An async test may enter the block in its own loop."""

    async def story():
        loop = asyncio.get_running_loop()
        with virtual_time() as clock:
            await asyncio.gather(asleep(3600), asleep(1800))
            inside = loop.time()
        return clock.now(), loop.time() >= inside

    began = now()

    assert (3600.0, True) == asyncio.run(story())
    assert now() - began < 5.0


def test_a_loop_that_outlives_virtual_time_keeps_its_timers():
    """What was to happen a moment after the block's end happens a moment after, not an hour late."""

    async def story():
        with virtual_time():
            await asleep(3600)
            task = asyncio.ensure_future(asleep(0.01))
            await asleep(0)
        await task

    began = now()
    asyncio.run(story())

    assert now() - began < 5.0


def test_work_in_threads_of_the_loop_takes_the_time_that_it_sleeps(clock):
    """A sleep in a thread of the loop belongs to the story; whatever else happens there takes no time."""

    async def story():
        slow = asyncio.to_thread(sleep, 5.0)
        quick = asyncio.to_thread(lambda: 7)
        return await asyncio.gather(slow, quick, asleep(2.0))

    assert [None, 7, None] == asyncio.run(story())
    assert 5.0 == clock.now()


def test_a_limit_around_work_in_a_thread_is_kept(clock):
    """A thread that computes for real is waited for; one that sleeps beyond the limit is cut."""

    async def story():
        async with asyncio.timeout(10):
            busy = await asyncio.to_thread(lambda: threading.Event().wait(0.05))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.to_thread(sleep, 20)
        return busy, clock.now()

    assert (False, 10.0) == asyncio.run(story())


def test_two_loops_in_two_threads_share_one_time(clock):
    """Loops of several threads wait for one another."""
    written = []

    def thread(name, pause):
        async def story():
            for _ in range(3):
                await asleep(pause)
                written.append((clock.now(), name))

        asyncio.run(story())

    people = [threading.Thread(target=thread, args=each) for each in (("a", 2.0), ("b", 3.0))]
    for one in people:
        one.start()
    for one in people:
        one.join()

    assert [(2.0, "a"), (3.0, "b"), (4.0, "a"), (6.0, "a"), (6.0, "b"), (9.0, "b")] == sorted(written)
    assert sorted(moment for moment, _ in written) == [moment for moment, _ in written]


def test_real_sockets_work_within_generous_limits(clock):
    """A conversation over loopback takes no virtual time to speak of, however long the limits are."""

    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def story():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, asyncio.timeout(30):
            for _ in range(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello\n")
                line = await reader.readline()
                writer.close()
                await writer.wait_closed()
        return line

    assert b"hello\n" == asyncio.run(story())
    assert clock.now() < 1.0


def test_a_silent_socket_does_not_hold_time_up(clock):
    """An open connection on which nothing comes delays each jump a little, and stops none."""

    async def story():
        here, there = socket.socketpair()
        with here, there:
            reader, writer = await asyncio.open_connection(sock=here)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await reader.readline()
            writer.close()

    asyncio.run(story())

    assert 60.0 == clock.now()
