"""What a target is given by its cold plan: a circuit, places, what keeps load off it, policies in the shadows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unbreakable.policies import Bulkhead, Circuit, Plan
from unbreakable.policies.plan import OFF
from unbreakable.runtime import Gate

if TYPE_CHECKING:
    from unbreakable.fractal.flow import Flow
    from unbreakable.policies.shades import Shades


def gate_of(bulkhead: Bulkhead, gate: Gate | None) -> Gate:
    """Return *gate* if it has as many places as *bulkhead* says, else a new one."""
    return gate if gate is not None and gate.most == bulkhead.most else Gate(bulkhead.most)


def flow_of(cold: Plan) -> Flow | None:
    """Return what a limit or a throttle needs; None where there is neither."""
    if cold.concurrency is None and cold.throttle is None:
        return None
    from unbreakable.fractal.flow import Flow

    return Flow(cold)


def shades_of(cold: Plan) -> Shades | None:
    """Return what looks for the policies in the shadows; None where there are none."""
    if not cold.shadows:
        return None
    from unbreakable.policies.shades import Shades

    return Shades(cold.shadows)


def circuit_of(cold: Plan) -> Circuit:
    """Return the circuit; where there is to be none, one that only somebody's hand can open."""
    if cold.breaker is not None:
        return Circuit(cold.breaker)
    circuit = Circuit(OFF, off=True)
    circuit.disable()
    return circuit
