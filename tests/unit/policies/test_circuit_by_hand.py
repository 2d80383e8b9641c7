"""What is done to a circuit by hand is done to those that follow it, and leaves nothing of before."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from tests.unit.policies.test_circuit import half_open, opened

import unbreakable as ub
from unbreakable.policies import Circuit, CircuitBreaker, State
from unbreakable.testing import virtual_time


@pytest.mark.parametrize(
    ("deed", "state"),
    [("force_open", State.FORCED_OPEN), ("disable", State.DISABLED), ("reset", State.CLOSED)],
)
def test_followers_do_what_is_done_by_hand(deed, state):
    """In the same way, and a new one takes after what was done before it came."""
    leader, follower, late = (Circuit(CircuitBreaker(1)) for _ in range(3))
    leader.followers = lambda: [follower]
    getattr(leader, deed)()
    late.take_after(leader)

    assert [state] * 3 == [one.state for one in (leader, follower, late)]
    assert leader.until == follower.until


def test_a_reset_forgets_what_was_counted():
    """Also of a circuit that was closed all the time."""
    circuit = Circuit(CircuitBreaker(ratio=0.5, minimum=2))
    circuit.settle(0, False, 1.0)
    circuit.reset()
    circuit.settle(circuit.generation, False, 2.0)

    assert State.CLOSED is circuit.state


def test_after_a_fork_nobody_waits_and_no_permit_is_out():
    """Neither comes back in this process."""
    circuit, _ = half_open()
    circuit.line.join(SimpleNamespace(waiter=lambda: SimpleNamespace(alive=lambda: True)))
    circuit.clear()

    assert (0, 0) == (circuit.probes, len(circuit.line))
    assert circuit.admit(11.0)[0] is not None


@pytest.mark.parametrize(("deed", "ends"), [("force_open", math.inf), ("disable", -math.inf), ("reset", -math.inf)])
def test_what_is_done_by_hand_ends_the_rest_that_goes_on_or_begins_one_without_an_end(deed, ends):
    """Whoever reads how long it rests at that moment is told neither of the old rest nor of a new one."""
    circuit = opened(now=5.0)
    getattr(circuit, deed)()

    assert ends == circuit.until


def test_how_often_it_rested_before_it_was_switched_off_and_on_again_is_forgotten():
    """Also where it fails at once, long before the last rest would count as made up for."""
    circuit = opened(now=0.0, most_rest=80.0)
    for moment in (10.0, 30.0):
        circuit.settle(circuit.admit(moment)[0], False, moment)
    circuit.disable()
    circuit.reset()
    circuit.settle(circuit.generation, False, 31.0)
    circuit.settle(circuit.admit(41.0)[0], False, 41.0)

    assert (2, 61.0) == (circuit.rests, circuit.until)


def test_half_of_its_time_is_enough_for_a_probe_and_any_for_who_is_let_through_anyway():
    """However long one should have, since another one ended without a verdict; of a new circuit none has."""
    circuit, _ = half_open()
    circuit.needs = 4.0
    told = [circuit.has_time(now, 8.0, 14.0) for now in (10.5, 11.0)]
    ramp = half_open(ramp=8.0)[0]
    before = ramp.has_time(10.0, 0.0, 10.0)
    ramp.settle(ramp.generation, True, 10.0)

    assert ([True, False], False, True) == (told, before, ramp.has_time(10.0, 0.0, 10.0))
    assert 0.0 == Circuit(CircuitBreaker()).needs


def test_a_circuit_that_was_forced_open_keeps_nobody_in_line():
    """Its rest has no end to wait for: every call is refused at once, whatever ``wait`` says."""
    with virtual_time() as clock:
        call = ub.protect("call", breaker=ub.CircuitBreaker(wait=60.0), effects="none")(lambda: 1)
        call.node.breaker.force_open()
        refused = call.outcome()

        assert (0.0, ub.errors.CircuitOpen) == (clock.now(), type(refused.error))
