"""An attempt that waits for something of ours says nothing of its target meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.errors import CircuitOpen, DeadlineExceeded
from unbreakable.fractal.target import COLD
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time


class Line:
    """Make calls wait so long in a line of our own, and then so long for their target, in either colour."""

    def __init__(self, colour: str, form: str, **options: Any) -> None:
        self.wait, self.latency, self.error, self.begun, self.left = 0.0, 0.01, None, 0, []
        self.colour, self.form = colour, form
        protect = ub.protect("partner", **{"effects": "none", "hedge": False, **options})
        self.call: Any = protect(self.ask if colour == "async" else self.ask_now)

    async def ask(self) -> None:
        with self.waiting():
            await ASYNCIO.sleep(self.wait)
            self.fail()
        await ASYNCIO.sleep(self.latency)

    def ask_now(self) -> None:
        with self.waiting():
            BLOCKING.world.sleep(self.wait)
            self.fail()
        left = ub.current().remaining()
        self.left.append(left)
        BLOCKING.world.sleep(min(left, self.latency))
        if left < self.latency:
            raise TimeoutError

    def waiting(self):
        self.begun += 1
        return ub.current().waiting_for_ours()

    def fail(self) -> None:
        if self.error is not None:
            raise self.error

    def make(self, times: int) -> None:
        """Make so many calls, one after the other."""

        async def main() -> None:
            for _ in range(times):
                await (self.call() if self.form == "plain" else self.call.outcome())
                await ASYNCIO.sleep(0.001)

        if self.colour == "async":
            asyncio.run(main())
        for _ in range(0 if self.colour == "async" else times):
            self.call() if self.form == "plain" else self.call.outcome()

    def make_in_vain(self, times: int, *errors: type[Exception]) -> None:
        """Make so many calls, and let them fail by these *errors* or be refused."""
        for _ in range(times):
            with contextlib.suppress(*errors, CircuitOpen):
                self.make(1)

    @property
    def status(self) -> Any:
        return self.call.node.get_status()


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


@pytest.fixture(params=["plain", "outcome"])
def form(request):
    """Return by which of the two paths calls are made."""
    return request.param


@pytest.fixture(params=["async", "sync"])
def new_line(request, form):
    """Return what makes a line for calls of one colour."""
    return lambda **options: Line(request.param, form, **options)


def test_what_waits_for_ours_is_not_cut_by_a_limit_that_was_learned_of_the_target(new_line):
    """The limit counts from the moment at which the wait is over."""
    line = new_line()
    line.make(2 * COLD)
    assert 0.5 == line.status.plan["timeout"]
    line.wait, line.latency = 9.0, 0.4
    line.make(20)

    assert (2 * COLD + 20, 0, 0) == (line.begun, line.status.heal_count, line.status.failure_count)
    assert line.colour == "async" or [0.5] * 20 == pytest.approx(line.left[-20:], abs=0.01)


def test_after_the_wait_the_limit_counts_as_ever(new_line):
    """A target that hangs for whoever has waited is asked again; on an event loop the first one races on."""
    line = new_line()
    line.make(2 * COLD)
    line.wait, line.latency = 2.2, 0.7 if line.colour == "sync" else 9.0
    begun, before = BLOCKING.now(), line.begun
    line.make(1)

    healed, took = (1, 2.2 + 0.5 + 2.2 + 0.7) if line.colour == "sync" else (0, 2.2 + 9.0)
    assert (healed, True) == (line.status.heal_count, line.begun - before >= 2)
    assert pytest.approx(took, abs=0.6) == BLOCKING.now() - begun


def test_the_wait_is_no_part_of_the_targets_latency(new_line):
    """What is learned from calls that stood in line is how quick the target is."""
    line = new_line()
    line.wait = 5.0
    line.make(3 * COLD)

    status = line.status
    assert (3 * COLD, 0.5) == (status.success_count, status.plan["timeout"])
    assert 0.02 > line.call.node.target.latency.value(0.99)


def test_a_wait_in_vain_opens_no_circuit(new_line):
    """Nobody but us is to blame for a line of ours."""
    line = new_line(retry=False)
    line.wait, line.error = 9.0, ConnectionError("no place came free")
    line.make_in_vain(20, ConnectionError)

    assert ("closed", 20) == (line.status.breaker, line.status.failure_count)


def test_a_deadline_that_comes_in_our_line_opens_no_circuit(form):
    """It was not spent on the target."""
    line = Line("async", form, deadline=2.0)
    line.wait = 9.0
    line.make_in_vain(20, DeadlineExceeded)

    assert ("closed", 20) == (line.status.breaker, line.status.failure_count)


def test_no_copy_is_made_of_what_waits_for_ours():
    """A copy would wait, too; it is due when the target has been silent for long enough."""
    line = Line("async", "outcome", hedge=ub.Hedge(1.0))
    line.wait, line.latency = 5.0, 0.9
    line.make(1)
    assert 1 == line.begun

    line.latency = 1.1
    line.make(1)
    assert 3 == line.begun


@pytest.mark.parametrize(("wait", "state"), [(1.9, "closed"), (0.0, "open")])
def test_a_target_that_was_asked_late_did_not_hang(new_line, wait, state):
    """A limit that is pinned blames the target only if that has had most of it."""
    line = new_line(timeout=ub.Timeout(2.0), retry=False)
    line.wait, line.latency = wait, 2.5
    line.make_in_vain(6, TimeoutError)

    assert state == line.status.breaker
