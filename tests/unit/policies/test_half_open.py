"""The half-open circuit: permits that succeed, fail, say nothing, are lost, and come back late."""

from __future__ import annotations

from tests.unit.policies.test_circuit import half_open

from unbreakable.events import CircuitClosed, CircuitHalfOpened, CircuitOpened
from unbreakable.policies import State


def test_it_closes_when_every_permit_has_succeeded():
    """One success of two is not enough."""
    circuit, stamp = half_open(permits=2)
    circuit.admit(10.0)

    assert None is circuit.settle(stamp, True, 11.0)
    assert CircuitClosed is circuit.settle(stamp, True, 12.0)
    assert (State.CLOSED, circuit.generation) == (circuit.state, circuit.stamp)


def test_one_failed_permit_opens_it_again():
    """And it rests anew, from then."""
    circuit, stamp = half_open(permits=2)

    assert CircuitOpened is circuit.settle(stamp, False, 11.0)
    assert (None, None) == circuit.admit(20.999)
    assert CircuitHalfOpened is circuit.admit(21.0)[1]


def test_a_probe_that_says_nothing_gives_its_permit_back():
    """A cancelled probe, or one that was refused, is as if it had not been."""
    circuit, stamp = half_open()
    refused, _ = circuit.admit(11.0)
    circuit.settle(stamp, None, 12.0)

    assert None is refused
    assert (stamp, None) == circuit.admit(12.0)


def test_a_probe_that_never_returns_expires():
    """After another rest there is a new permit, and the old one is worth nothing."""
    circuit, old = half_open(now=10.0)

    assert (None, None) == circuit.admit(19.999)
    new, event = circuit.admit(20.0)
    circuit.settle(old, False, 21.0)

    assert (None, State.HALF_OPEN) == (event, circuit.state)
    assert CircuitClosed is circuit.settle(new, True, 22.0)


def test_a_target_that_is_well_and_takes_longer_than_a_rest_is_let_through():
    """Whose permit was given up tells how long the next one is waited for; its success says no more than that."""
    circuit, first = half_open(now=10.0)
    second, _ = circuit.admit(20.0)

    assert None is circuit.settle(first, True, 25.0, 15.0)
    assert (None, None) == circuit.admit(54.999)
    assert CircuitClosed is circuit.settle(second, True, 54.999, 34.999)


def test_a_permit_is_waited_for_longer_in_this_round_only():
    """After the next failure it begins anew."""
    circuit, first = half_open(now=10.0)
    second, _ = circuit.admit(20.0)
    circuit.settle(first, True, 25.0, 15.0)
    circuit.settle(second, False, 26.0, 6.0)
    third, _ = circuit.admit(36.0)

    assert (None, None) == circuit.admit(45.999)
    assert third < circuit.admit(46.0)[0]


def test_what_was_proven_outlasts_a_rest():
    """Where calls are rare, the permits succeed one after the other."""
    circuit, stamp = half_open(permits=3)
    events = [circuit.settle(stamp, True, 11.0)]
    for moment in (27.0, 43.0):
        stamp, _ = circuit.admit(moment)
        events.append(circuit.settle(stamp, True, moment + 1.0))

    assert [None, None, CircuitClosed] == events
