"""Pinned time limits in sync code: threads that are left behind harm nobody else."""

from __future__ import annotations

import contextvars
import sys
import threading
import time

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, BulkheadFull
from unbreakable.runtime import BLOCKING, world
from unbreakable.testing import virtual_time

PATIENCE = 20.0  # real seconds within which threads must have come back
QUICK = ub.Timeout(0.01)

asked_by = contextvars.ContextVar("asked_by", default="nobody")


def hanging(name, **options):
    """Return a protected function that hangs until it is let go, and what lets it go."""
    let_go = threading.Event()

    @ub.protect(name, retry=False, timeout=QUICK, **{"breaker": False, **options})
    def hang():
        let_go.wait(PATIENCE)
        return "at last"

    return hang, let_go


def test_context_variables_are_kept_in_a_pinned_timeout():
    """The function in the worker thread sees what its caller set, and that it is part of a call."""

    @ub.protect("target", timeout=ub.Timeout(PATIENCE))
    def who():
        return asked_by.get(), ub.current().node.name, threading.current_thread() is threading.main_thread()

    context = contextvars.copy_context()
    context.run(asked_by.set, "Ann")

    assert ("Ann", "target", False) == context.run(who)


def test_a_sync_attempt_that_takes_too_long_is_left_behind():
    """The caller gets an AttemptTimeout in time; the late answer counts for nothing."""
    late = []

    @ub.protect("target", retry=False, timeout=ub.Timeout(2.0))
    def slow():
        time.sleep(100)  # noqa: TID251 - virtual time
        late.append(1)
        return "late"

    with virtual_time() as clock:
        with pytest.raises(AttemptTimeout):
            slow()
        assert 2.0 == clock.now()
        clock.advance(200)
        status = slow.node.get_status()

    assert ([1], 0, 1) == (late, status.success_count, status.failure_count)
    assert 1 == slow.node.breaker.run


def test_an_attempt_that_was_left_behind_is_repeated_only_if_that_is_declared_harmless():
    """Nobody knows what a thread that was left behind still does: only declared effects allow a second one."""

    def calls(effects):
        begun = []

        @ub.protect("target", effects=effects, retry=ub.Retry(3), timeout=ub.Timeout(2.0))
        def slow():
            begun.append(1)
            time.sleep(100)  # noqa: TID251 - virtual time

        with virtual_time(), pytest.raises(AttemptTimeout):
            slow()
        return len(begun)

    assert {"none": 3, "idempotent": 3, "unknown": 1, "once": 1} == {
        effects: calls(effects) for effects in ("none", "idempotent", "unknown", "once")
    }


def test_hung_threads_are_bounded_and_starve_no_other_target(monkeypatch):
    """A target that hangs takes only its own threads: others work, and it is refused at once instead of hanging."""
    monkeypatch.setattr(world, "MOST_THREADS_EACH", 3)
    hang, let_go = hanging("hangs", bulkhead=ub.Bulkhead(10))
    other = ub.protect("other", timeout=ub.Timeout(PATIENCE))(lambda: "works")

    ends = [type(hang.outcome().error) for _ in range(5)]
    works, in_flight = other(), hang.node.get_status().in_flight
    let_go.set()
    comes_back(hang)

    assert [AttemptTimeout] * 3 + [BulkheadFull] * 2 == ends
    assert ("works", 0) == (works, in_flight)
    assert 0 == BLOCKING.world.busy[hang.node.target]


def comes_back(door):
    """Wait until the threads of *door* have ended."""
    over = time.monotonic() + PATIENCE  # noqa: TID251 - real threads
    while BLOCKING.world.busy[door.node.target]:
        assert time.monotonic() < over  # noqa: TID251
        threading.Event().wait(0.001)


@pytest.mark.parametrize(("threads", "end"), [(2, "works"), (1, "works"), (0, BulkheadFull)])
def test_a_copy_without_a_thread_does_not_take_part(monkeypatch, threads, end):
    """Only when there is no thread for the first copy is the call refused: it was not made."""
    monkeypatch.setattr(world, "MOST_THREADS_EACH", threads)
    door = ub.protect("target", effects="none", hedge=ub.Hedge(5.0))(lambda: "works")

    outcome = door.outcome()
    comes_back(door)

    assert end == (outcome.value or type(outcome.error))


def test_without_threads_on_the_machine_a_call_is_refused_and_nothing_is_lost(monkeypatch):
    """A machine that gives no more threads is no reason for an exception out of the blue, or for a lost place."""

    def no_more(self):
        raise RuntimeError("can't start new thread")

    door = ub.protect("target", timeout=ub.Timeout(5.0), bulkhead=ub.Bulkhead(1))(lambda: "works")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        refused = door.outcome()

    assert isinstance(refused.error, BulkheadFull)
    assert "works" == door()


def test_a_success_stays_a_success_when_no_thread_can_be_had_for_learning(monkeypatch):
    """Learning is nobody's trouble: not even at the interpreter's end, where threads cannot be started."""

    def no_more(self):
        raise RuntimeError("can't start new thread at interpreter shutdown")

    calls = []
    door = ub.protect("target")(lambda: calls.append(1))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        patch.setattr(BLOCKING, "world", world.RealWorld())
        for _ in range(100):
            door()

    assert (100, 100) == (len(calls), door.node.get_status().success_count)


def test_a_memory_that_fails_harms_no_call_and_no_other_memory(caplog):
    """Learning that raises is logged; calls go on, and the thread that does chores goes on to the next."""

    class Broken(ub.LocalMemory):
        def add(self, target, record, source):
            raise OSError("disk full")

    bad = ub.protect("bad", memory=Broken())(lambda: 1)
    good = ub.protect("good")(lambda: 1)
    for _ in range(50):
        bad()
        good()
    learned = good.node.target
    over = time.monotonic() + PATIENCE  # noqa: TID251 - real threads
    while not learned.plan.observations and time.monotonic() < over:  # noqa: TID251
        threading.Event().wait(0.001)

    assert 0 < learned.plan.observations
    assert (50, 50) == (bad.node.get_status().success_count, good.node.get_status().success_count)
    assert "work in the background failed" in caplog.text


def learned(door):
    """Call *door* until something was learned of it; return whether that came to pass."""
    over = time.monotonic() + PATIENCE  # noqa: TID251 - real threads
    while not door.node.target.plan.observations and time.monotonic() < over:  # noqa: TID251
        for _ in range(50):
            door()
        threading.Event().wait(0.001)
    return door.node.target.plan.observations > 0


def test_a_listener_that_would_end_the_program_ends_no_learning(caplog):
    """The thread that does chores outlives whatever it is made to run."""
    bad, good = ub.protect("bad")(lambda: 1), ub.protect("good")(lambda: 1)
    bad.node.on(ub.events.PlanPublished, lambda event: sys.exit(1))

    assert (True, True) == (learned(bad), learned(good))
    assert "work in the background failed" in caplog.text


def test_a_thread_for_chores_that_is_gone_is_begun_anew(monkeypatch):
    """However the thread came to its end, the next chore is done."""
    mine, done = world.RealWorld(), threading.Event()
    mine.chores = threading.Thread(target=int)
    mine.chores.start()
    mine.chores.join(PATIENCE)
    monkeypatch.setattr(BLOCKING, "world", mine)
    BLOCKING.background(done.set)

    assert done.wait(PATIENCE)

    monkeypatch.setattr(mine.wanted, "wait", lambda seconds: False)  # let it go
    mine.wanted.ring()
    mine.chores.join(PATIENCE)


def test_whoever_is_left_behind_in_a_pause_between_attempts_stops_there():
    """A thread whose caller is gone does not go on retrying for nobody."""
    calls = []

    @ub.protect("inner", retry=ub.Retry(50, backoff=ub.Backoff(1.0, jitter=False)), breaker=False)
    def inner():
        calls.append(1)
        raise ConnectionError

    outer = ub.protect("outer", retry=False, timeout=ub.Timeout(2.5))(inner)

    with virtual_time() as clock:
        assert isinstance(outer.outcome().error, AttemptTimeout)
        clock.advance(1000)

    assert 2 == len(calls)
