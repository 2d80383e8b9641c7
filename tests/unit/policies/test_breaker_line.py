"""A call that stands in line before a circuit that closes step by step: it is counted once, and goes after it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from unbreakable.policies import Circuit, CircuitBreaker, Context, State


class Clock:
    """A runtime whose time goes on only where somebody waits; it writes down for how long, and lets things happen."""

    def __init__(self) -> None:
        self.moment, self.naps, self.pauses = 0.0, [], []
        self.happens = lambda: None

    def now(self):
        return self.moment

    def random(self):
        return 0.5

    def waiter(self):
        return SimpleNamespace(alive=lambda: True, wake=lambda: None)

    async def sleep(self, seconds):
        self.naps.append(seconds)
        self.moment += seconds
        self.happens()

    async def wait(self, waiter, seconds):
        self.pauses.append(seconds)
        self.moment += seconds
        self.happens()


def probed(**settings):
    """Return a breaker, and its circuit while the first probe is out, which has begun now."""
    breaker = CircuitBreaker(1, rest=5.0, ramp=40.0, **settings)
    circuit = Circuit(breaker)
    circuit.settle(0, False, -5.0)
    assert circuit.admit(0.0)[0] is not None
    return breaker, circuit


def ramping():
    """Return a breaker, and its circuit that closes by steps of ten seconds and has let the first one through."""
    breaker, circuit = probed()
    circuit.settle(circuit.generation, True, 0.0)
    assert circuit.admit(0.0)[0] is not None
    return breaker, circuit


def wait(breaker, circuit, clock, until):
    """Return the stamp with which a call leaves the line that may wait *until* that moment."""
    ctx = Context()
    ctx.runtime, ctx.node = clock, SimpleNamespace(listeners=(), name="bank")
    ctx.target = SimpleNamespace(circuit=circuit)
    return asyncio.run(breaker._wait_in_line(circuit, ctx, circuit.line.join(clock), until))


@pytest.mark.parametrize(("until", "nap"), [(1_000.0, 20.0), (110.0, 17.5)])
def test_who_stood_in_line_through_a_ramp_goes_within_as_long_again(until, nap):
    """At most, and in half of the time that it may wait on: it looks at the end of each step, and at none after."""
    (breaker, circuit), clock = ramping(), Clock()
    stamp = wait(breaker, circuit, clock, until)

    assert ([10.0] * 4, [nap]) == (clock.pauses, clock.naps)
    assert stamp == circuit.stamp


def test_who_hears_too_late_that_it_has_closed_goes_at_once():
    """It was woken when its time was up."""
    (breaker, circuit), clock = ramping(), Clock()

    def is_closed_by_another():
        clock.moment = 50.0
        circuit.admit(50.0)

    clock.happens = is_closed_by_another
    stamp = wait(breaker, circuit, clock, 45.0)

    assert ([0.0], circuit.stamp) == (clock.naps, stamp)


@pytest.mark.parametrize("by_hand", ["reset", "disable"])
def test_who_is_let_through_by_hand_goes_at_once(by_hand):
    """Whoever does that knows that the target bears it."""
    (breaker, circuit), clock = ramping(), Clock()
    clock.happens = getattr(circuit, by_hand)
    stamp = wait(breaker, circuit, clock, 1_000.0)

    assert ([], circuit.stamp) == (clock.naps, stamp)


def test_what_happens_while_it_draws_that_out_is_looked_at_as_it_is_then():
    """It opened again, and has rested enough by then: who comes now finds out."""
    (breaker, circuit), clock = ramping(), Clock()

    def happens():
        if clock.naps:
            circuit.settle(circuit.generation, False, 41.0)

    clock.happens = happens
    stamp = wait(breaker, circuit, clock, 1_000.0)

    assert ([10.0] * 4, State.HALF_OPEN, circuit.generation) == (clock.pauses, circuit.state, stamp)


def test_who_comes_while_it_rests_again_finds_out_as_soon_as_that_is_over():
    """The target was back before, and is no more: there is nothing to draw out."""
    (breaker, circuit), clock = ramping(), Clock()
    circuit.go_on(100.0)
    assert circuit.is_back
    circuit.settle(circuit.generation, False, 100.0)
    clock.moment = 101.0
    stamp = wait(breaker, circuit, clock, 1_000.0)

    assert ([], State.HALF_OPEN, circuit.generation) == (clock.naps, circuit.state, stamp)


def test_who_saw_no_ramp_goes_as_soon_as_it_is_closed():
    """By hand, for one."""
    (breaker, circuit), clock = probed(), Clock()
    clock.happens = circuit.reset
    stamp = wait(breaker, circuit, clock, 1_000.0)

    assert ([], circuit.stamp) == (clock.naps, stamp)


def test_who_waits_for_a_probe_may_be_the_first_that_a_ramp_lets_through():
    """It has not been counted yet."""
    (breaker, circuit), clock = probed(), Clock()
    clock.happens = lambda: circuit.settle(circuit.generation, True, clock.moment)
    stamp = wait(breaker, circuit, clock, 1_000.0)

    assert (1, State.RAMPING, circuit.generation) == (len(clock.pauses), circuit.state, stamp)


@pytest.mark.parametrize("comes_first", [False, True])
def test_a_ramp_counts_who_waits_once(comes_first):
    """However often it is woken, and whether it stood in line before the ramp began or came in the middle of it."""
    (breaker, circuit), clock = probed() if comes_first else ramping(), Clock()

    def happens():
        clock.moment = 1.0 * len(clock.pauses)
        if circuit.state is State.HALF_OPEN:
            circuit.settle(circuit.generation, True, clock.moment)
            assert circuit.admit(clock.moment)[0] is not None  # another one was quicker

    clock.happens = happens
    stamp = wait(breaker, circuit, clock, 5.0)

    counted = 1 if comes_first else 0  # who finds a ramp was counted when it came, before it stood in line
    left = [circuit.admit(5.0)[0] is not None for _ in range(10)]
    assert (None, 10 - counted) == (stamp, left.index(True) + 1)
