"""What a closed event loop leaves behind stops nobody: its locks, its places."""

from __future__ import annotations

import asyncio
import gc
import threading

import unbreakable as ub
from unbreakable import lock as locks
from unbreakable.runtime import ASYNCIO, Gate, Latch, new_lock

PATIENCE = 5.0  # real seconds, of a test that fails


def test_who_holds_a_lock_can_take_it_again_but_no_latch():
    """The collector may need the lock in the middle of what it protects; what is done once at a time is not begun."""
    lock, latch = new_lock(), Latch()
    with lock:
        assert (True, True, False) == (lock.acquire(blocking=False), latch.take(), latch.take())


def test_a_thread_knows_whether_it_holds_a_lock():
    """What another one holds is not its own."""
    lock, told = new_lock(), []
    other = threading.Thread(target=lambda: told.append(locks.holds_a_lock()))
    told.append(locks.holds_a_lock())
    with lock:
        told.append(locks.holds_a_lock())
        other.start()
        other.join(PATIENCE)
    assert [False, True, False] == told


def test_locks_that_are_gone_are_forgotten():
    """As many references as there are locks may be left of them, and a few more."""
    known, kept = locks._Locks(), []
    for _ in range(20 * locks.FEW):
        if len(kept) == locks.FEW:
            kept.clear()
        kept.append(threading.RLock())
        known.add(kept[-1])
    assert set(map(id, kept)) == set(map(id, known.all()))
    assert len(known._by_id) <= 3 * locks.FEW + 1


def test_only_others_wait_for_who_holds_a_latch():
    """A thread that waited for itself would wait for nothing."""
    latch = Latch()
    latch.take()
    latch.wait(1e6)
    other = threading.Thread(target=latch.wait, args=(PATIENCE,))
    other.start()
    assert other.is_alive()
    latch.release()
    other.join(PATIENCE)

    assert (False, True) == (other.is_alive(), latch.take())


def test_a_call_of_a_closed_event_loop_gives_its_place_back_whenever_it_is_collected():
    """Be it while somebody else gives one back: nobody waits for himself."""
    gate = Gate(1)
    gate.enter_nowait()

    class Collecting(list):
        """A line at which the collector happens to come by."""

        def popleft(self):
            gc.collect()
            return self.pop(0)

    def story():
        loop = asyncio.new_event_loop()
        waiting = [loop.create_task(gate.enter(ASYNCIO, 1e6)) for _ in range(3)]
        loop.run_until_complete(asyncio.sleep(0))  # noqa: TID251 - a turn of the loop
        loop.close()
        for task in waiting:
            task._log_destroy_pending = False
        del waiting, task
        gate.line = Collecting(gate.line)
        gate.leave()

    thread = threading.Thread(target=story, daemon=True)
    gc.disable()
    try:
        thread.start()
        thread.join(PATIENCE)
    finally:
        gc.enable()

    assert (False, 0, 0) == (thread.is_alive(), gate.inside, len(gate.line))


def test_calls_of_a_closed_event_loop_keep_no_bulkhead_full():
    """Who finds no place free has them ended first, and theirs is free then."""

    async def hang():
        await asyncio.Event().wait()

    node = ub.FractalNode("n", bulkhead=ub.Bulkhead(1), retry=False, breaker=False)
    loop = asyncio.new_event_loop()
    task = loop.create_task(node.execute(hang))
    loop.run_until_complete(asyncio.sleep(0))  # noqa: TID251 - a turn of the loop
    loop.close()
    task._log_destroy_pending = False
    del task, loop

    assert 1 == node.execute_sync(lambda: 1).value
