"""A handler of signals comes between any two lines of a protected call, works its circuit, and makes calls itself."""

from __future__ import annotations

import functools

import pytest
from tests.dense import lines
from tests.lines import AtLine

import unbreakable as ub
from unbreakable.fractal import experience, flow, target
from unbreakable.policies import breaker, circuit
from unbreakable.testing import virtual_time

OURS = {module.__file__ for module in (circuit, breaker, target, flow, experience)}
CLOSED = ("with ", "try:", "self.state = after")  # as a block begins, or after a comparison, Python lets no signal in
SPARSE = 53


class Scene:
    """A node whose target is down for a time, and a call after which its circuit, whatever its state, may change."""

    def __init__(self, **options):
        self.down = False
        self.node = ub.FractalNode("partner", self.work, effects="none", **options)

    def work(self):
        if self.down:
            raise OSError("down")
        return "fine"

    def calls(self, count):
        return [self.node.execute_sync() for _ in range(count)]

    def play(self, clock):
        """Let it open, rest, look in vain, look again and close."""
        for self.down, seconds in ((False, 1.0), (True, 0.0), (True, 31.0), (False, 31.0), (False, 1.0)):
            clock.advance(seconds)
            self.calls(3)


WORKS = {
    "reset": lambda scene: scene.node.breaker.reset(),
    "force open": lambda scene: scene.node.breaker.force_open(),
    "call": lambda scene: scene.calls(2),
}
OPTIONS = {
    "plain": {"breaker": ub.CircuitBreaker(2), "retry": ub.Retry(2)},
    "ramp": {"breaker": ub.CircuitBreaker(2, ramp=2.0), "retry": False},
    "throttle": {"breaker": ub.CircuitBreaker(2), "throttle": ub.Throttle(), "limit": ub.AdaptiveLimit()},
}


def move(state):
    """Let *state* open, rest, look in vain, and look again."""
    for now, ok in ((0.0, False), (40.0, True), (42.0, False), (90.0, True)):
        state.admit(now)
        state.settle(state.generation, ok, now + 1.0)


@pytest.mark.parametrize("by_hand", ["reset", "force_open", "disable"])
@pytest.mark.parametrize("terms", [{}, {"ramp": 2.0}, {"ratio": 0.5, "minimum": 1}])
def test_a_circuit_is_of_one_piece_wherever_it_is_switched_by_hand(terms, by_hand):
    """What is done by hand stands, and what follows from a state is all there."""
    at, came = 1, True
    while came:
        state = circuit.Circuit(ub.CircuitBreaker(1, **terms))
        with AtLine({circuit.__file__}, getattr(state, by_hand), at, CLOSED) as line:
            move(state)
        came, at = line.lines >= at, at + 1
        free, shut = state.state.value in ("closed", "disabled"), state.state.value in ("open", "forced open")
        assert (free, shut) == (state.stamp is not None, state.shut)
        assert (state.ramp is not None) is (state.state.value == "ramping")
        if came and by_hand != "reset":
            assert state.state.value == {"force_open": "forced open", "disable": "disabled"}[by_hand]
            assert (by_hand == "disable") is (state.admit(1e6)[0] is not None)


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_handler_that_works_the_circuit_breaks_no_call(options, work):
    """Whatever it was about to do: a call that never raises does not, and the circuit goes on."""
    at, stride = lines([*WORKS].index(work), len(WORKS), sparse=SPARSE)
    came = True
    while came:
        with virtual_time() as clock:
            scene = Scene(**OPTIONS[options])
            line = AtLine(OURS, functools.partial(WORKS[work], scene), at + 1, CLOSED)
            with line:
                scene.play(clock)
            came, at = line.lines > at, at + stride
            scene.node.breaker.reset()
            scene.down = False
            assert "fine" == scene.calls(1)[0].unwrap()
