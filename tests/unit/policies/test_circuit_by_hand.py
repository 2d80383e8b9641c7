"""What is done to a circuit by hand is done to those that follow it, and leaves nothing of before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.unit.policies.test_circuit import half_open

from unbreakable.policies import Circuit, CircuitBreaker, State


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
