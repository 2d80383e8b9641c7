"""A full target that serves others is not down: its circuit is not told of what it refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unbreakable.outcome import Failure, Success
from unbreakable.policies import Circuit, CircuitBreaker
from unbreakable.policies.breaker import spared

FULL = Failure(ConnectionError("429"))


def told(says=False, result=FULL, *, is_full=True, serves=True, is_limited=True, is_probing=False):
    """Return what the circuit is told."""
    circuit = Circuit(CircuitBreaker(1, rest=1.0))
    if is_probing:
        circuit.settle(0, False, 0.0)
        circuit.admit(1.0)
    flow = SimpleNamespace(says_full=lambda failure: is_full and failure.error is FULL.error) if is_limited else None
    target = SimpleNamespace(flow=flow, serves_others=lambda failure, now: serves and failure is FULL and now == 7.0)
    return spared(says, result, SimpleNamespace(target=target, runtime=SimpleNamespace(now=lambda: 7.0)), circuit)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, None),
        ({"serves": False}, False),
        ({"is_full": False}, False),
        ({"is_limited": False}, False),
        ({"is_probing": True}, False),
        ({"result": None}, False),
        ({"says": None}, None),
        ({"says": True, "result": Success(1)}, True),
        ({"says": None, "serves": False}, None),
    ],
)
def test_only_a_refusal_of_a_target_that_serves_others_is_not_counted(changed, says):
    """And only where a limit or a throttle sees to it, and it is no probe, beside which there are no others."""
    assert says is told(**changed)
