"""A call that an open circuit turns away costs as little as raising does: many come while a target is down.

What the script would come to, where nothing else has a say, is known before: the circuit refuses, nobody repeats that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unbreakable.fractal.healing import Healing
from unbreakable.fractal.telling import untried
from unbreakable.fractal.trying import Validation, check_input
from unbreakable.policies import Bulkhead, Plan
from unbreakable.policies.breaker import ENDLESS, resting
from unbreakable.policies.policy import _current
from unbreakable.runtime import Runtime

MOST_PILED = 4_096  # calls turned away that wait to be counted


def is_all(around: Sequence[object], plan: Plan) -> bool:
    """Return whether a call with these layers *around* it fails, where the circuit is open, and that is all."""
    if plan.breaker is not None and plan.breaker.wait:
        return False
    open_to_all = (plan.concurrency, plan.throttle)  # as long as there is a place, and nothing is shed
    return all(type(layer) in (Validation, Bulkhead, Healing) or layer in open_to_all for layer in around)


def turn_away_if_shut(
    node: Any, target: Any, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Exception | None:
    """Raise CircuitOpen as the script would, if that is all that it would do; else take nothing.

    Return what is wrong with the arguments, if they were looked at and refused.
    """
    circuit, outer, gate = target.circuit, _current.get(), target.gate
    if not (circuit.shut and target.turns_away) or node.listeners:
        return None
    if (outer is not None and outer.live) or (gate is not None and gate.is_full):
        return None
    if node.settings.validate is not None and (refused := check_input(node.settings, args, kwargs)) is not None:
        return refused
    rest = circuit.until - runtime.now()
    if rest <= 0.0:
        return None
    target.turned_away.append(None)  # atomic with and without a GIL, as the ring of successes
    if len(target.turned_away) >= MOST_PILED:
        target.count_turned_away()
    raise resting(node.name, circuit, rest, untried(node.name, "open" if rest < ENDLESS else "forced open"))
