"""Rests that grow while the target is away, and do not fall on the same moment in every process."""

from __future__ import annotations

import pytest
from tests import forking

from unbreakable.policies import Circuit, CircuitBreaker


def rests_of(circuit, looks, now=0.0):
    """Return the length of each rest of a circuit that opens now, while *looks* at its target are in vain."""
    found = []
    circuit.settle(circuit.generation, False, now)
    for _ in range(looks):
        found.append(round(circuit.until - now, 6))
        now = circuit.until
        circuit.settle(circuit.admit(now)[0], False, now)
    return found


def test_a_rest_in_vain_is_followed_by_one_twice_as_long():
    """Up to the longest; without one, every rest is as long as the first."""
    growing, steady = (Circuit(CircuitBreaker(1, rest=30.0, most_rest=most)) for most in (200.0, None))

    assert [30.0, 60.0, 120.0, 200.0, 200.0] == rests_of(growing, 5)
    assert [30.0, 30.0, 30.0] == rests_of(steady, 3)


@pytest.mark.parametrize(("well_for", "rest"), [(119.0, 200.0), (120.0, 30.0)])
def test_only_a_time_of_health_makes_rests_short_again(well_for, rest):
    """One good probe of a target that flaps proves little: it has to be well for as long as the last rest took."""
    circuit = Circuit(CircuitBreaker(1, rest=30.0, most_rest=200.0))
    rests_of(circuit, 2)
    now = circuit.until
    circuit.settle(circuit.admit(now)[0], True, now)
    circuit.settle(circuit.stamp, False, now + well_for)

    assert rest == circuit.rested == circuit.until - now - well_for


def test_whoever_resets_it_by_hand_begins_with_the_first_rest():
    """Whoever knows better than the circuit that the target is well need not wait for proof."""
    circuit = Circuit(CircuitBreaker(1, rest=30.0, most_rest=200.0))
    rests_of(circuit, 3)
    circuit.reset()

    assert [30.0, 60.0] == rests_of(circuit, 2, now=10.0)


def test_not_all_processes_look_at_once():
    """A hundred that saw the same outage look at a hundred moments, within the jitter and never before the rest."""
    first, second = [], []
    for number in range(100):
        circuit = Circuit(CircuitBreaker(1, rest=30.0, jitter=0.5))
        circuit.phase = number / 100
        rests = rests_of(circuit, 2)
        first.append(rests[0])
        second.append(rests[1])

    for rests in (first, second):
        assert 30.0 <= min(rests) <= 31.0
        assert 44.0 <= max(rests) < 45.0
        assert 100 == len(set(rests))
    assert first != second


def test_without_jitter_a_rest_is_as_long_as_it_says():
    """To the second, wherever the process's own moment lies."""
    circuit = Circuit(CircuitBreaker(1, rest=30.0))
    circuit.phase = 0.7

    assert [30.0] == rests_of(circuit, 1)


@pytest.mark.real
def test_neither_do_processes_that_were_forked():
    """A server forks its workers when the circuit is made already."""
    story = """
    partner = ub.FractalNode("partner", lambda: 1, breaker=ub.CircuitBreaker(jitter=1.0))
    phases = [partner.breaker.phase, *(forked(lambda: partner.breaker.phase) for _ in range(3))]
    print(json.dumps(phases))
    """

    assert 4 == len(set(forking.in_a_program(story)))
