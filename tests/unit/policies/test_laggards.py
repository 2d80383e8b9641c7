"""An attempt that others overtake goes on: what comes of it is told as that of any other, and it ends with its call."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tests.unit.policies.conftest import Bench

from unbreakable.errors import Kind
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Circuit, CircuitBreaker, Plan, State
from unbreakable.policies.patience import Laggard
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class Attempt:
    """An attempt that is late, and what was done to it."""

    def __init__(self, answer):
        self.answer, self.done = answer, []

    async def wait(self):
        await ASYNCIO.sleep(1.0)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def stop(self):
        self.done.append("stopped")

    async def gone(self):
        self.done.append("gone")


class Course:
    """A call at a target, and the laggard that is its first attempt, begun three seconds ago."""

    def __init__(self, answer, *, effects="idempotent", flow=None, **terms):
        bench = Bench("asyncio")
        self.taken, self.circuit = [], Circuit(CircuitBreaker(1, **terms))
        bench.target.circuit, bench.target.flow = self.circuit, flow
        bench.target.take = lambda failure, blamed: self.taken.append((failure, blamed))
        bench.target.serves_others = lambda failure, now: failure is answer
        self.call = bench.context(plan=Plan(effects=effects))
        self.scope = self.call.scope(aside=1.5)
        self.attempt = Attempt(answer)
        self.laggard = Laggard(self.scope, self.attempt, ASYNCIO.now() - 2.0)

    def run(self):
        """Return what comes of it."""
        return asyncio.run(self.laggard.run())

    @property
    def done(self):
        """Return what the call has done."""
        deeds = self.call.deeds
        return deeds.touched, deeds.acted, deeds.doubtful


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


def test_an_answer_that_came_late_is_a_success_for_all_that_is_known():
    """How long it took is counted without what it waited for of ours: half a second less is not slow."""
    course = Course(answer := Success(7), slow=2.0)

    assert answer is course.run() is course.laggard.answer
    assert (State.CLOSED, [], (True, True, False)) == (course.circuit.state, course.taken, course.done)


@pytest.mark.parametrize(("kind", "state", "blamed"), [(Kind.UNKNOWN, "open", True), (Kind.INVALID, "closed", False)])
def test_a_failure_that_came_late_is_the_targets_if_any_is(kind, state, blamed):
    """It may have done something, as any other."""
    course = Course(failure := Failure(RuntimeError("500"), kind))

    assert failure is course.run()
    assert (state, [(failure, blamed)]) == (course.circuit.state, course.taken)
    assert course.done[0]


def test_a_refusal_that_came_late_of_a_target_that_serves_others_is_no_outage():
    """A limit sees to it."""
    flow = SimpleNamespace(says_full=lambda failure: True)
    course = Course(failure := Failure(RuntimeError("429"), Kind.THROTTLED), flow=flow)
    course.run()

    assert ("closed", [(failure, True)]) == (course.circuit.state, course.taken)


def test_when_who_waits_for_it_is_cancelled_it_is_stopped_and_waited_for():
    """Nothing is told of it."""
    course = Course(asyncio.CancelledError())

    with pytest.raises(asyncio.CancelledError):
        course.run()
    assert (["stopped", "gone"], None) == (course.attempt.done, course.laggard.answer)


def test_it_is_stopped_when_another_one_has_won():
    """Its time is up then; what it may have done is noted, and leaves no doubt of what came of the call."""
    course = Course(None)
    course.laggard.let_go(1)

    assert (["stopped"], True, ASYNCIO.now()) == (course.attempt.done, course.scope.given_up, course.scope.due)
    assert (True, False, False) == course.done


def test_who_has_answered_is_not_stopped():
    """It is over, and told."""
    course = Course(Success(7))
    course.run()
    course.laggard.let_go(1)

    assert ([], False) == (course.attempt.done, course.scope.given_up)
