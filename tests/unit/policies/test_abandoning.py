"""What a call holds is given back when it is broken off where nobody reckons with it."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import sys
import threading
from pathlib import Path

import pytest

import unbreakable as ub

OURS = str(Path(ub.__file__).parent)
HEALED = {"bulkhead": ub.Bulkhead(1), "effects": "idempotent", "retry": ub.Retry(3, backoff=ub.Backoff(0.0))}


class Interrupting:
    """A signal's exception comes up as the call number *at* of a function of the library begins, in this thread.

    A profile can raise it and yet leave the measuring of coverage alone.
    """

    def __init__(self, at):
        self.at, self.calls, self.where = at, 0, None

    def __enter__(self):
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _look(self, frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS) and not code.co_flags & inspect.CO_GENERATOR:
            self.calls += 1
            if self.calls == self.at:
                self.where = f"{code.co_filename.removeprefix(OURS)} {code.co_qualname}"
                raise KeyboardInterrupt


def left_behind(*nodes):
    """Return how many calls hold a place at those *nodes*, and which call is in force here."""
    return [node.target.gate.inside for node in nodes], ub.current()


# ── a signal's exception ────────────────────────────────────────────────────────────────────────────────────────────


class Job:
    """A protected function that fails so often before it succeeds."""

    def __init__(self, form, fails):
        self.form, self.fails = form, fails
        self.door = ub.protect("n", validate=self.look, **HEALED)(self.work)
        self.node = self.door.node
        if form == "remedied":
            self.door.remedy(OSError)(lambda failure: None)
        if form == "listened to":
            self.node.on(ub.events.Event, lambda event: None)
        self.call = self.door.outcome if form == "outcome" else self.door

    def look(self):
        return not (self.fails and self.form == "refused")

    def work(self):
        if self.form == "forked":
            self.node.after_fork()
        if self.fails:
            self.fails -= 1
            raise OSError


@pytest.mark.parametrize("form", ["plain", "outcome", "remedied", "listened to", "forked", "refused"])
@pytest.mark.parametrize("fails", [0, 1])
def test_an_interrupt_as_any_function_begins_passes_and_leaves_nothing(form, fails):
    """No place is taken any more, nothing is in force, and the next call succeeds."""
    for at in itertools.count(1):
        job = Job(form, fails)
        with contextlib.suppress(KeyboardInterrupt, ub.errors.ValidationFailed), Interrupting(at) as signal:
            job.call()
            assert signal.where is None  # else it was swallowed
        assert ([0], None) == left_behind(job.node), signal.where
        job.fails = 0
        job.call()
        if signal.calls < at:
            break
    assert at > 10


def test_an_interrupt_just_after_a_place_was_taken_gives_it_back():
    """It comes up where the call does not know yet that it has one."""

    @ub.protect("n", bulkhead=ub.Bulkhead(1))
    def work():
        return ub.current() is not None

    free = work.node.target.gate.free
    came = []

    def interrupt(frame, event, function):
        if event == "c_return" and function.__name__ == "pop" and function.__self__ is free:
            came.append(frame.f_code.co_name)
            raise KeyboardInterrupt

    assert work()
    sys.setprofile(interrupt)
    with pytest.raises(KeyboardInterrupt):
        work()
    sys.setprofile(None)

    assert ["begin"] == came
    assert ([0], None) == left_behind(work.node)
    assert work()


def test_who_waits_gets_the_place_of_a_call_that_was_broken_off():
    """An interrupt while its arguments are looked at ends the first call; the second one need not wait on."""
    looks = []

    def look():
        looks.append(1)
        if len(looks) == 1:
            other.start()
            while not work.node.target.gate.line:
                pass
            raise KeyboardInterrupt
        return True

    @ub.protect("n", validate=look, bulkhead=ub.Bulkhead(1, wait=60.0))
    def work():
        return "done"

    answers = []
    other = threading.Thread(target=lambda: answers.append(work()))
    with pytest.raises(KeyboardInterrupt):
        work()
    other.join(60)

    assert ["done"] == answers
    assert ([0], None) == left_behind(work.node)


# ── want of stack ───────────────────────────────────────────────────────────────────────────────────────────────────


def at_depth(frames, work):
    """Return what *work* returns, called so many *frames* deeper."""
    return work() if frames == 0 else at_depth(frames - 1, work)


def frames_left(deepest=0):
    """Return how many frames deeper work can be called here, if it calls nothing."""
    with contextlib.suppress(RecursionError):
        while True:
            at_depth(deepest, bool)
            deepest += 1
    return deepest - 1


@pytest.mark.parametrize("effects", ["none", "once"])
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_call_without_enough_stack_leaves_nothing_behind(form, effects):
    """However little is left: no place stays taken, no call at work, and doubt about what may have been done."""

    @ub.protect("inner", bulkhead=ub.Bulkhead(1), effects=effects, retry=False, breaker=False, budget=False)
    def inner():
        made.append(1)

    @ub.protect("outer", bulkhead=ub.Bulkhead(1), effects="none", retry=False, breaker=False, budget=False)
    def outer(spare):
        ctx = ub.current()
        made.clear()
        with contextlib.suppress(RecursionError):
            at_depth(frames_left() - spare, inner if form == "plain" else inner.outcome)
        known = ctx.own_deeds
        assert ctx is ub.current(), spare
        assert known is None or not known.at_work, spare
        assert not made or effects == "none" or known.unrepeatable, spare
        return len(made)

    made, limit = [], sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        ended = [outer(spare) for spare in range(100)]
    finally:
        sys.setrecursionlimit(limit)

    assert ([0, 0], None) == left_behind(inner.node, outer.node)
    assert [0, 1] == sorted({*ended})
