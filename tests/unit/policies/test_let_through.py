"""What becomes of a circuit, and of who was let through, between two looks at it."""

from __future__ import annotations

import math

from unbreakable.policies import Circuit, CircuitBreaker, State
from unbreakable.policies.breaker import is_still_let_through


class Meanwhile:
    """Let something happen between a look at a circuit and its lock, as another thread may."""

    def __init__(self, circuit, act):
        self.circuit, self.act, self.lock = circuit, act, circuit.lock

    def __enter__(self):
        self.circuit.lock = self.lock
        self.act()
        self.lock.__enter__()

    def __exit__(self, *error):
        self.lock.__exit__(*error)


def test_a_circuit_that_was_forced_open_in_that_moment_stays_so():
    """Its rest has no end then, and whoever is turned away is told so."""
    circuit = Circuit(CircuitBreaker(1, rest=10.0))
    circuit.settle(0, False, 0.0)
    circuit.lock = Meanwhile(circuit, circuit.force_open)

    circuit.wake(3.0)

    assert (State.FORCED_OPEN, math.inf) == (circuit.state, circuit.until)


def test_who_was_let_through_is_so_until_the_circuit_opens(bench):
    """Then nobody is but its probe, until it is closed again."""
    circuit = bench.target.circuit = Circuit(CircuitBreaker(1, rest=10.0))
    early = bench.context(stamp=circuit.admit(0.0)[0])
    told = [is_still_let_through(early)]
    circuit.settle(early.stamp, False, 0.0)
    told.append(is_still_let_through(early))
    probe = bench.context(stamp=circuit.admit(10.0)[0])
    told += [is_still_let_through(early), is_still_let_through(probe)]
    circuit.settle(probe.stamp, True, 11.0)
    told.append(is_still_let_through(early))

    assert [True, False, False, True, True] == told
