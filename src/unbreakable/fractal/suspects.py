"""Which other targets are unwell when an attempt fails: its trouble may be theirs."""

from __future__ import annotations

from typing import Any

from unbreakable.policies import Context, State

MOST_SUSPECTS = 5  # that are named
MOST_RELATIVES = 64  # that are looked at
UNWELL = 2  # failures in a row


def suspects_of(ctx: Context) -> tuple[str, ...]:
    """Return the names of nodes that failed inside the attempt, and of those of its family that are unwell now.

    A node of the family, which its parent and its children make up, is unwell when its circuit is not closed, or its
    latest calls have failed one after the other.
    """
    node = ctx.node
    names = dict.fromkeys(ctx.broken)
    if node.parent is not None or node.children:
        names.update(dict.fromkeys(each.name for each in _family_of(node) if each is not node and is_unwell(each)))
    return tuple(names)[:MOST_SUSPECTS]


def is_unwell(node: Any) -> bool:
    """Return whether a target of *node* rests, or keeps failing."""
    circuits = [target.circuit for target in node.targets.every()]
    return any(circuit.state not in (State.CLOSED, State.DISABLED) or circuit.run >= UNWELL for circuit in circuits)


def _family_of(node: Any) -> list[Any]:
    """Return the nodes that belong together with *node*, those above all first."""
    while node.parent is not None:
        node = node.parent
    found = [node]
    for each in found:
        found += list(each.children)[: MOST_RELATIVES - len(found)]
    return found
