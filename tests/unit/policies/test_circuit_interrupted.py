"""A handler of signals that switches a circuit by hand comes while that thread is changing it."""

from __future__ import annotations

import pytest

from unbreakable.policies import Circuit, CircuitBreaker
from unbreakable.policies.circuit import Change


class Interrupted(CircuitBreaker):
    """Terms at which a handler comes when a circuit looks up how long it rests, at all or next."""

    @property
    def whole_rest(self):
        self.__dict__.get("at_whole_rest", bool)()
        return super().whole_rest

    def rest_after(self, vain, u):
        self.__dict__.get("at_rest", bool)()
        return super().rest_after(vain, u)


def interrupt(circuit, where, by_hand):
    """Have *circuit* switched by hand in the middle of its next change."""
    known = circuit.settings.__dict__

    def come():
        del known[where]
        getattr(circuit, by_hand)()

    known[where] = come


@pytest.mark.parametrize("where", ["at_whole_rest", "at_rest"])
def test_a_rest_does_not_end_what_was_forced_open_meanwhile(where):
    """That has no end."""
    circuit = Circuit(Interrupted(1))
    interrupt(circuit, where, "force_open")
    circuit.settle(0, False, 5.0)

    assert ("forced open", True, None) == (circuit.state.value, circuit.shut, circuit.stamp)
    assert float("inf") == circuit.until


@pytest.mark.parametrize("where", ["at_whole_rest", "at_rest"])
@pytest.mark.parametrize("by_hand", ["reset", "disable"])
def test_what_was_let_through_by_hand_meanwhile_is(where, by_hand):
    """Nothing of the change that it came in the middle of is left."""
    circuit = Circuit(Interrupted(1))
    interrupt(circuit, where, by_hand)
    circuit.settle(0, False, 5.0)

    assert (False, circuit.generation) == (circuit.shut, circuit.admit(5.0)[0])


def test_what_was_forced_open_as_a_look_begins_has_no_end():
    """The moment at which permits are given out anew is none of its."""
    circuit = Circuit(Interrupted(1))
    circuit.settle(0, False, 5.0)
    interrupt(circuit, "at_whole_rest", "force_open")

    assert (None, "forced open") == (circuit.admit(40.0)[0], circuit.state.value)
    assert float("inf") == circuit.until


def test_a_change_that_applies_no_longer_is_none():
    """It was moved before the change was made."""
    circuit = Circuit(CircuitBreaker(1))

    assert (None, "closed", 0) == (circuit._move(Change.RESTED, 0.0), circuit.state.value, circuit.generation)
