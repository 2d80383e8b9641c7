"""Loops that write at the same time share one commit, and whoever cannot be written takes no other with it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from unbreakable.errors import StateError, StateFull
from unbreakable.loops.commit import PATIENCE, Entry, GroupCommit
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.runtime.world import MOST_THREADS_EACH
from unbreakable.testing import virtual_time


class File:
    """Remembers what was committed together, when its disk lets it."""

    def __init__(self, *refused):
        self.made, self.refused, self.may_go_on, self.entered = [], {*refused}, threading.Event(), threading.Event()
        self.may_go_on.set()

    def write(self, statements):
        self.entered.set()
        assert self.may_go_on.wait(10)
        if self.refused & {*statements}:
            raise StateFull("no room")
        self.made.append(list(statements))


async def at_work(file, group):
    """Begin a commit that does not end before it may; return who waits for it."""
    file.may_go_on.clear()
    first = asyncio.ensure_future(group.write(ASYNCIO, ["a"]))
    while not file.entered.is_set():
        await ASYNCIO.sleep(0.001)
    return first


async def written(group, *names):
    return await asyncio.gather(*(group.write(ASYNCIO, [name]) for name in names), return_exceptions=True)


def test_who_comes_during_a_commit_shares_the_next_one():
    """Four tasks, two commits."""
    file = File()
    group = GroupCommit(file)

    async def story():
        first = await at_work(file, group)
        others = asyncio.ensure_future(written(group, "b", "c", "d"))
        while len(group._queue) < 3:
            await ASYNCIO.sleep(0)
        assert not first.done()
        file.may_go_on.set()
        await first
        return await others

    assert [None] * 3 == asyncio.run(story())
    assert [["a"], ["b", "c", "d"]] == file.made


def test_what_cannot_be_written_is_told_to_its_owner_only():
    """The others are written one by one."""
    file = File("b")
    results = asyncio.run(written(GroupCommit(file), "a", "b", "c"))

    assert [None, StateFull, None] == [each and type(each) for each in results]
    assert {"a", "c"} == {name for made in file.made for name in made}


def test_who_is_cancelled_in_line_writes_nothing():
    """Something newer may come after it, and must not be written over."""
    file = File()
    group = GroupCommit(file)

    async def story():
        first = await at_work(file, group)
        second, third = (asyncio.ensure_future(group.write(ASYNCIO, [name])) for name in "bc")
        while len(group._queue) < 2:
            await ASYNCIO.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        file.may_go_on.set()
        await asyncio.gather(first, third)

    asyncio.run(story())
    assert [["a"], ["c"]] == file.made


def test_who_is_cancelled_leaves_its_commit_to_the_thread_that_is_at_it():
    """It goes on, and with what has come meanwhile; nobody waits for ever."""
    file = File()
    group = GroupCommit(file)

    async def story():
        first = await at_work(file, group)
        second = asyncio.ensure_future(group.write(ASYNCIO, ["b"]))
        await ASYNCIO.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        file.may_go_on.set()
        await asyncio.wait_for(second, 10)

        while len(file.made) < 2:
            await ASYNCIO.sleep(0.001)

    asyncio.run(story())
    assert ["a", "b"] == sorted(name for made in file.made for name in made)


def test_threads_and_event_loops_share_commits():
    """All that was asked for is there, each once."""
    file = File()
    group, per_thread = GroupCommit(file), 50

    def plain(name):
        for number in range(per_thread):
            run_blocking(group.write(BLOCKING, [f"{name}-{number}"]))

    def on_a_loop(name):
        async def story():
            for number in range(per_thread):
                await group.write(ASYNCIO, [f"{name}-{number}"])

        asyncio.run(story())

    threads = [
        threading.Thread(target=work, args=(f"{work.__name__}-{n}",)) for work in (plain, on_a_loop) for n in "12"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert 4 * per_thread == len({name for made in file.made for name in made}) == sum(map(len, file.made))


def test_an_interrupted_commit_is_not_taken_for_a_good_one():
    """Ctrl-C in the thread that commits for others, too: nobody knows how far it came, and so they are told."""
    file = File()
    group = GroupCommit(file)

    def lead():
        with pytest.raises(StateError, match="nobody knows how far it came"):
            run_blocking(group.write(BLOCKING, ["a"]))

    def interrupted(statements):
        raise KeyboardInterrupt

    leader = threading.Thread(target=lead)
    group._queue.append(follower := Entry(["b"], BLOCKING.waiter()))
    file.write = interrupted
    leader.start()
    leader.join(10)

    assert follower.is_over
    assert "nobody knows how far it came" in str(follower.error)
    file.write = lambda statements: None
    assert None is run_blocking(group.write(BLOCKING, ["c"]))


def test_an_event_loop_that_is_blocked_holds_up_no_other():
    """Whoever has begun the commit need not be awake for it to end, nor for the next one to begin."""
    file = File()
    group, is_blocked, may_go_on = GroupCommit(file), threading.Event(), threading.Event()

    async def block():
        writing = asyncio.ensure_future(group.write(ASYNCIO, ["a"]))
        await ASYNCIO.sleep(0)
        is_blocked.set()
        assert may_go_on.wait(10)
        await writing

    blocked = threading.Thread(target=lambda: asyncio.run(block()))
    blocked.start()
    assert is_blocked.wait(10)
    for name in "bcd":
        run_blocking(group.write(BLOCKING, [name]))
    may_go_on.set()
    blocked.join(10)

    assert {*"abcd"} == {name for made in file.made for name in made}


def test_a_disk_that_does_not_answer_is_taken_for_one_that_refuses():
    """Who waited is told after a while, who comes later at once, and both are written when it is back."""
    file, last = File(), []
    group, stop = GroupCommit(file), threading.Event()

    with virtual_time() as clock:

        def hang(statements):
            BLOCKING.world.sleep(4 * PATIENCE)
            file.made.append(list(statements))

        file.write = hang
        for seconds in (PATIENCE, 0.0):
            began = clock.now()
            with pytest.raises(StateError, match="the disk has not answered for 5 s"):
                run_blocking(group.write(BLOCKING, ["a"]))
            assert seconds == pytest.approx(clock.now() - began)
            clock.advance(0.1)
        group.finally_do(lambda: last.append(clock.now()))
        clock.advance(4 * PATIENCE)
        assert last[0] == pytest.approx(4 * PATIENCE)
        file.write = file.made.append
        run_blocking(group.write(BLOCKING, ["b"]))
        group.finally_do(stop.set)

    assert ([["a"], ["b"]], True) == (file.made, stop.is_set())


def test_without_a_thread_who_writes_waits_for_the_disk():
    """It has to be written all the same."""
    file, may_go_on = File(), threading.Event()
    group = GroupCommit(file)
    for _ in range(MOST_THREADS_EACH):
        BLOCKING.world.spawn(may_go_on.wait, "one that hangs", group)
    run_blocking(group.write(BLOCKING, ["a"]))
    may_go_on.set()

    assert [["a"]] == file.made
