"""A circuit whose last verdict a signal interrupted finds out anew."""

from __future__ import annotations

import unbreakable as ub
from unbreakable.policies import Circuit, CircuitBreaker
from unbreakable.policies.states import State
from unbreakable.policies.terms import Terms
from unbreakable.testing import virtual_time


def test_a_success_that_was_counted_and_closed_nothing_shuts_no_circuit_for_good():
    """The next permit is given out when that one would have come back."""
    well = []

    @ub.protect("partner", effects="none", retry=False, breaker=ub.CircuitBreaker(1, rest=1.0))
    def ask():
        if not well:
            raise ConnectionError("down")
        return "data"

    with virtual_time(seed=1) as clock:
        ask.outcome()
        well.append(True)
        clock.advance(10.0)
        circuit = ask.node.target.circuit
        assert circuit.admit(circuit.until + 1.0)[0] is not None
        circuit.proven += 1  # here the exception of a signal came up
        clock.advance(60.0)
        assert ("data", "closed") == (ask.outcome().value, ask.node.breaker.state)


def test_a_circuit_that_a_handler_forces_open_as_it_opens_stays_so(monkeypatch):
    """What follows from the state is read off it: the rest has no end."""
    circuit, rest_after = Circuit(CircuitBreaker(1, rest=1.0)), Terms.rest_after
    handlers = [circuit.force_open]

    def interrupted(*given):
        while handlers:
            handlers.pop()()
        return rest_after(*given)

    monkeypatch.setattr(Terms, "rest_after", interrupted)
    circuit.settle(circuit.generation, False, 0.0)

    assert (State.FORCED_OPEN, True, None) == (circuit.state, circuit.shut, circuit.stamp)
    assert float("inf") == circuit.until


def test_a_circuit_that_a_handler_forces_open_as_it_lets_a_probe_through_stays_so(monkeypatch):
    """Whatever change the handler comes in the middle of, what it has asked for is what counts."""
    circuit, whole_rest = Circuit(CircuitBreaker(1, rest=1.0)), Terms.whole_rest
    circuit.settle(circuit.generation, False, 0.0)
    handlers = [circuit.force_open]

    def interrupted(terms):
        while handlers:
            handlers.pop()()
        return whole_rest.fget(terms)

    monkeypatch.setattr(Terms, "whole_rest", property(interrupted))
    circuit.admit(circuit.until + 1.0)

    assert (State.FORCED_OPEN, True, None) == (circuit.state, circuit.shut, circuit.stamp)
    assert float("inf") == circuit.until
