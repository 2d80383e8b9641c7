"""The nodes of a system, and who in it uses each: one that nobody uses any more is let go of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unbreakable.events import Explained
from unbreakable.fractal import FractalNode, Memory
from unbreakable.fractal.heart import as_node, known_heart
from unbreakable.outcome import in_one_line
from unbreakable.record import Record
from unbreakable.runtime import new_lock
from unbreakable.simulation import QuantumSimulationEngine


class StatusUnknown(Record):
    """Stand for the status of a node that raised *error* when it was asked."""

    name: str
    error: str

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return dict(vars(self))


class Member:
    """One node as it was handed in, the FractalNode behind it, and who uses it."""

    def __init__(self, node: Any, heart: FractalNode) -> None:
        self.node = as_node(node)
        self.heart = heart
        self.users: list[object] = []


class Members:
    """Let nodes keep their knowledge in *memory*, and tell their stories to *listener*, each of them once."""

    def __init__(self, memory: Memory, listener: Callable[[Explained], None] | None) -> None:
        self._memory, self._listener = memory, listener
        self._members: dict[int, Member] = {}
        self._lock = new_lock()

    def take_in(self, node: object, user: object, simulation: QuantumSimulationEngine) -> None:
        """Let *user* use *node*, whose plans *simulation* chooses from now on."""
        heart = known_heart(node)
        with self._lock:
            member = self._members.get(id(heart))
            is_new = member is None
            if member is None:
                member = self._members[id(heart)] = Member(node, heart)
            if not any(other is user for other in member.users):
                member.users.append(user)
        if heart.settings.memory is None:
            heart.remember(self._memory)
        simulation.adopt(heart)
        if is_new:
            self.listen(heart)

    def listen(self, heart: FractalNode) -> None:
        """Let the stories of *heart* be told."""
        if self._listener is not None:
            heart.on(Explained, self._listener)

    def let_go(self, user: object) -> None:
        """Let go of the nodes that nobody but *user* uses."""
        with self._lock:
            for member in self._members.values():
                member.users = [other for other in member.users if other is not user]
            gone = [member for member in self._members.values() if not member.users]
            for member in gone:
                del self._members[id(member.heart)]
        for member in gone:
            if self._listener is not None:
                member.heart.off(self._listener)

    def nodes(self) -> list[Any]:
        """Return the nodes, in the order in which they came."""
        with self._lock:
            return [member.node for member in self._members.values()]

    def statuses(self) -> dict[str, Any]:
        """Return how each node is doing, by name; of two that bear one name the second has a number."""
        found: dict[str, Any] = {}
        for node in self.nodes():
            name = label = str(node.name)
            number = 1
            while label in found:
                number += 1
                label = f"{name} ({number})"
            found[label] = status_of(node)
        return found


def status_of(node: Any) -> Any:
    """Return the status of *node*, or what says why it cannot be had: one node must not hide all the others."""
    node = as_node(node)
    try:
        return node.get_status()
    except Exception as error:
        return StatusUnknown(name=str(node.name), error=in_one_line(error))
