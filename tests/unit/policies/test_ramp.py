"""A target that has just come back gets a share of the traffic that grows as long as it bears it."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import unbreakable as ub
from unbreakable.events import CircuitClosed, CircuitHalfOpened, CircuitOpened, CircuitRamping
from unbreakable.outcome import Failure
from unbreakable.policies import Circuit, CircuitBreaker, Slow, State
from unbreakable.policies.breaker import refusal
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
DOWN = Failure(OSError("down"))


def ramping(**settings):
    """Return a circuit whose ramp, of steps of 10 s, began at 0."""
    circuit = Circuit(CircuitBreaker(**{"failures": 5, "rest": 10.0, "ramp": 40.0, **settings}))
    for _ in range(1_000):
        circuit.settle(0, False, -10.0, 9.0)
    stamp, event = circuit.admit(0.0)
    assert CircuitHalfOpened is event
    assert CircuitRamping is circuit.settle(stamp, True, 0.0)
    return circuit


def traffic(circuit, now, calls=100, failing=0, elapsed=0.0):
    """Make *calls*, of which the first *failing* that go through fail; return how many went through, and events."""
    through, events = 0, []
    for _ in range(calls):
        stamp, event = circuit.admit(now)
        events.append(event)
        if stamp is not None:
            through += 1
            events.append(circuit.settle(stamp, through > failing, now, elapsed))
    return through, [event for event in events if event is not None]


def test_step_by_step_more_of_the_traffic_goes_through():
    """A tenth, a fifth, two, four fifths, and then all of it, of which whoever listens is told."""
    circuit = ramping()

    assert [(10, []), (20, []), (40, []), (80, [])] == [traffic(circuit, 10.0 * step) for step in range(4)]
    assert (State.RAMPING, None) == (circuit.state, circuit.stamp)
    assert (100, [CircuitClosed]) == traffic(circuit, 40.0)


def test_the_first_call_goes_through_at_once():
    """Where there is little traffic a share of it must not be nothing."""
    circuit = ramping()

    assert [True, False, False] == [circuit.admit(1.0)[0] is not None for _ in range(3)]


def test_what_it_does_not_bear_is_taken_back():
    """Where half of a step failed, the step before it is the next one; it goes up again when that went well."""
    circuit = ramping(failures=50)
    shares = []
    for step, failing in enumerate([0, 10, 0, 9, 0, 40]):
        shares.append(traffic(circuit, 10.0 * step, failing=failing)[0])

    assert [10, 20, 10, 20, 40, 80] == shares
    assert 40 == traffic(circuit, 60.0)[0]


def test_below_the_first_step_it_opens_again():
    """And rests anew, from then, longer than before if rests grow."""
    circuit = ramping(failures=50, most_rest=80.0)
    through = traffic(circuit, 1.0, failing=5)

    assert ((10, []), (CircuitOpened, None)) == (through, (circuit.admit(10.0)[1], circuit.stamp))
    assert (State.OPEN, 30.0) == (circuit.state, circuit.until)


def test_failures_in_a_row_end_it_at_once():
    """The target is down again: nobody waits for the end of a step to say so."""
    circuit = ramping(failures=3)

    assert CircuitOpened in traffic(circuit, 1.0, failing=3)[1]


def test_the_breakers_own_share_is_the_measure():
    """With a ratio of 0.2 a step of which a fifth failed did not go well."""
    circuit = ramping(ratio=0.2, minimum=1_000)
    circuit.settle(circuit.generation, True, 0.0)
    traffic(circuit, 1.0)
    traffic(circuit, 10.0, failing=4)

    assert 10 == traffic(circuit, 20.0)[0]


def test_who_is_slow_bears_no_more():
    """Where slowness is counted, a step that was slow did not go well, whatever the answers were."""
    circuit = ramping(slow=Slow(1.0, ratio=0.5), minimum=1_000)
    traffic(circuit, 1.0)
    traffic(circuit, 10.0, elapsed=2.0)

    assert 10 == traffic(circuit, 20.0)[0]


def test_what_was_let_through_before_the_ramp_says_nothing():
    """Verdicts of the outage, and of other probes, belong to earlier generations."""
    circuit = ramping(failures=1)

    assert [None, None] == [circuit.settle(circuit.generation - 1, ok, 1.0) for ok in (False, None)]
    assert State.RAMPING is circuit.state


def test_steps_without_traffic_go_well():
    """A target that nobody asks is not kept waiting for a proof."""
    circuit = ramping()

    assert CircuitClosed is circuit.admit(1_000.0)[1]


def test_whoever_is_refused_is_told_why():
    """The share is named, and no moment: the next call may go through."""
    told = refusal("x", ramping(), 1.0)

    assert ("the circuit of x lets 10 % of the calls through: its target is only just back", None) == (
        str(told),
        told.retry_after,
    )


def test_a_call_that_may_wait_goes_through_after_the_ramp(bench):
    """The circuit closes then, whoever looks first; who stood in line does not go at once."""

    async def story():
        circuit = bench.target.circuit = Circuit(breaker := CircuitBreaker(1, rest=10.0, ramp=40.0, wait=100.0))
        circuit.settle(0, False, bench.runtime.now())
        ends = []
        for _ in range(3):
            began = bench.runtime.now()
            end = await breaker.run(bench.inner("up"), bench.context())
            ends.append((end.value, round(bench.runtime.now() - began, 3)))
        return ends, circuit.state

    (*before, (last, seconds)), state = bench.play(story)
    assert ([("up", 10.0), ("up", 0.0)], "up", State.CLOSED) == (before, last, state)
    assert 40.0 < seconds <= 70.0


def test_a_ramp_that_fails_sends_nobody_on(bench):
    """Who stood in line through it waits for the next one."""

    async def story():
        circuit = bench.target.circuit = Circuit(breaker := CircuitBreaker(1, rest=10.0, ramp=40.0, wait=15.0))
        circuit.settle(0, False, bench.runtime.now())
        ends = []
        for answer in ("up", DOWN, "up"):
            began = bench.runtime.now()
            await breaker.run(bench.inner(answer), bench.context())
            ends.append(round(bench.runtime.now() - began, 3))
        return ends, circuit.state

    assert ([10.0, 0.0, 10.0], State.RAMPING) == bench.play(story)


@pytest.mark.parametrize("wait", [0.0, 5.0, 60.0])
def test_those_who_wait_are_counted_once_and_come_one_after_the_other(wait):
    """At each step the share goes through that it says, and after the last one those in line are no herd."""
    is_up, began = False, []

    async def ask():
        began.append(clock.now())
        if not is_up:
            raise ConnectionError
        await sleep(0.05)

    breaker = CircuitBreaker(3, rest=10.0, ramp=20.0, wait=wait)
    door = ub.protect("target", retry=False, timeout=False, deadline=100.0, breaker=breaker)(ask)

    async def story():
        nonlocal is_up
        for _ in range(3):
            await door.outcome()
        is_up = True
        await sleep(9.99)
        began.clear()
        calls = []
        for _ in range(800):
            calls.append(asyncio.ensure_future(door.outcome()))
            await sleep(0.05)
        await asyncio.gather(*calls)

    with virtual_time() as clock:
        asyncio.run(story())
    steps = [sum(began[0] <= moment - 5.0 * step < began[0] + 5.0 for moment in began) for step in range(4)]
    assert [10, 20, 40, 80] == pytest.approx(steps, abs=3)
    assert max(Counter(round(moment, 3) for moment in began).values()) <= 3
