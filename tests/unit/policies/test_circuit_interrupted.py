"""A handler of signals works the circuit in the middle of a change: what it did stands, and all follows from that."""

from __future__ import annotations

import contextlib
import math
from typing import ClassVar

import pytest
from tests.unit.policies.test_circuit import opened

from unbreakable.events import CircuitOpened
from unbreakable.policies import Circuit, CircuitBreaker, State
from unbreakable.policies.circuit import CHANGES, Change
from unbreakable.policies.ramp import Ramp

STATES = {"force_open": State.FORCED_OPEN, "disable": State.DISABLED, "reset": State.CLOSED}


class Terms(CircuitBreaker):
    """Let something happen once, as soon as one of them is asked for."""

    happens: ClassVar = {}

    @property
    def whole_rest(self):
        """Return as many seconds as others do."""
        self.happens.pop("whole rest", int)()
        return super().whole_rest

    def rest_after(self, vain, u):
        """Return as many seconds as others do."""
        self.happens.pop("next rest", int)()
        return super().rest_after(vain, u)


COURSES = {  # what was before, each with whether it went well and when; and what brings it about
    "opens": ([], False, 1.0),
    "looks": ([(False, 1.0)], None, 40.0),
    "opens again": ([(False, 1.0)], False, 40.0),
    "closes": ([(False, 1.0)], True, 40.0),
}


@pytest.fixture(autouse=True)
def _ramps_are_asked_for_too(monkeypatch):
    def made(seconds, now):
        Terms.happens.pop("ramp", int)()
        return Ramp(seconds, now)

    monkeypatch.setattr("unbreakable.policies.circuit.Ramp", made)


@pytest.mark.parametrize("by_hand", STATES)
@pytest.mark.parametrize(
    ("change", "ramp", "asked"),
    [
        ("opens", 0.0, "whole rest"),
        ("opens", 0.0, "next rest"),
        ("looks", 0.0, "whole rest"),
        ("opens again", 0.0, "whole rest"),
        ("opens again", 0.0, "next rest"),
        ("closes", 0.0, "whole rest"),
        ("closes", 2.0, "whole rest"),
        ("closes", 2.0, "ramp"),
    ],
)
def test_what_a_handler_does_in_the_middle_of_a_change_stands(change, ramp, asked, by_hand):
    """The rest of the change makes nothing of it that it is not."""
    (before, ok, now), circuit = COURSES[change], Circuit(Terms(1, ramp=ramp))
    for each, moment in [*before, (ok, now)]:
        is_last = moment == now
        if is_last and ok is None:
            Terms.happens = {asked: getattr(circuit, by_hand)}
        circuit.admit(moment)
        if is_last and ok is not None:
            Terms.happens = {asked: getattr(circuit, by_hand)}
        circuit.settle(circuit.generation, each, moment)
    state, is_open = STATES[by_hand], by_hand == "force_open"

    assert ({}, state) == (Terms.happens, circuit.state)
    assert (not is_open, is_open, is_open) == (circuit.is_closed, circuit.shut, circuit.alert)
    assert (None, -math.inf) == (circuit.ramp, circuit.probing_since)
    assert math.inf == circuit.until or not is_open
    assert is_open is (circuit.admit(1e6)[0] is None)
    circuit.settle(circuit.generation, False, 1e6)
    assert (State.OPEN if by_hand == "reset" else state) is circuit.state


def test_a_change_that_applies_no_longer_is_none():
    """It was moved before the change was made."""
    circuit = Circuit(CircuitBreaker(1))

    assert (None, "closed", 0) == (circuit._move(Change.RESTED, 0.0), circuit.state.value, circuit.generation)


def test_a_switch_that_another_one_forestalled_is_told_of_once(monkeypatch):
    """By that one, which stands."""
    circuit, told = Circuit(CircuitBreaker(1)), []
    circuit.when_switched = told.append
    happens = {"lookup": circuit.force_open}

    class Interrupted(dict):
        def get(self, key):
            happens.pop("lookup", int)()
            return super().get(key)

    monkeypatch.setattr("unbreakable.policies.circuit.CHANGES", Interrupted(CHANGES))
    circuit.disable()

    assert ([CircuitOpened], State.FORCED_OPEN) == (told, circuit.state)


@pytest.mark.parametrize("by_hand", STATES)
def test_a_rest_that_was_ended_by_hand_just_before_is_not_ended_once_more(by_hand):
    """Who wakes the circuit waited for its lock meanwhile, and leaves it as it finds it."""

    class Lock:
        def __enter__(self):
            circuit.lock = contextlib.nullcontext()
            getattr(circuit, by_hand)()

        def __exit__(self, *_):
            pass

    circuit = opened(0.0)
    circuit.lock = Lock()
    circuit.wake(3.0)

    assert (STATES[by_hand], circuit.admit(2.0)[0] is None) == (circuit.state, by_hand == "force_open")
    assert math.inf == abs(circuit.until)
