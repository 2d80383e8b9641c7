"""The nodes of a system, and who in it uses each: one that is closed, or that nobody uses any more, is let go of."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from unbreakable.events import Explained
from unbreakable.fractal import FractalNode, Memory
from unbreakable.fractal.belonging import close_unheld
from unbreakable.fractal.heart import as_node, known_heart
from unbreakable.outcome import in_one_line
from unbreakable.record import Record
from unbreakable.runtime import new_lock
from unbreakable.simulation import QuantumSimulationEngine
from unbreakable.stats import Counts


class StatusUnknown(Record):
    """Stand for the status of a node that raised *error* when it was asked."""

    name: str
    error: str

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return dict(vars(self))


class Member:
    """One node as it was handed in, the FractalNode behind it, whether it was adopted, and which workflows use it."""

    def __init__(self, node: Any, heart: FractalNode, members: Members) -> None:
        self.node = as_node(node)
        self.heart = heart
        self.is_adopted = False
        self.users: list[object] = []
        self._members = members

    def left(self, _: FractalNode, __: Counts) -> None:
        """Be shown no more while the node is closed, unless a workflow uses it."""
        if not self.users:
            self._members.hide(self)

    def is_back(self, _: FractalNode, __: Counts) -> None:
        """Be shown again: the node is used."""
        self._members.show(self)


class Members:
    """Let nodes keep their knowledge in *memory*, and tell their stories to *listener*, each of them once."""

    def __init__(self, memory: Memory, listener: Callable[[Explained], None] | None) -> None:
        self._memory, self._listener = memory, listener
        self._members: dict[int, Member] = {}
        self._away: weakref.WeakSet[Member] = weakref.WeakSet()  # whose nodes are closed, and their owners' to hold
        self._lock = new_lock()

    def take_in(self, node: object, simulation: QuantumSimulationEngine, user: object = None) -> None:
        """Let *user*, a workflow, use *node*, whose plans *simulation* chooses from now on; None: adopt it."""
        close_unheld()
        heart = known_heart(node)
        heart.come_back()  # who was a member before it was closed is the same one
        with self._lock:
            member = self._members.get(id(heart))
            is_new = member is None
            if member is None:
                member = self._members[id(heart)] = Member(node, heart, self)
            if user is None:
                member.is_adopted = True
            elif not any(other is user for other in member.users):
                member.users.append(user)
        if heart.settings.memory is None:
            heart.remember(self._memory)
        simulation.adopt(heart)
        heart.belong_to(member)
        if is_new:
            self.listen(heart)

    def listen(self, heart: FractalNode) -> None:
        """Let the stories of *heart* be told."""
        if self._listener is not None:
            heart.on(Explained, self._listener)

    def show(self, member: Member) -> None:
        """Show *member* among the others."""
        with self._lock:
            self._away.discard(member)
            self._members.setdefault(id(member.heart), member)

    def hide(self, member: Member) -> None:
        """Hold *member* no more; it is shown again when it is used again."""
        with self._lock:
            self._away.add(member)
            self._members.pop(id(member.heart), None)

    def let_go(self, user: object) -> None:
        """Let go of the nodes that nobody but *user* uses."""
        with self._lock:
            members = list(self._members.values())
            for member in members:
                member.users = [other for other in member.users if other is not user]
        for member in members:
            if not (member.users or member.is_adopted):
                self._release(member)
            elif not member.users and member.heart.left_with is not None:
                self.hide(member)

    def close(self) -> None:
        """Let go of all nodes for good."""
        with self._lock:
            members = [*self._members.values(), *self._away]
        for member in members:
            self._release(member)

    def _release(self, member: Member) -> None:
        member.heart.part_from(member)
        with self._lock:
            self._away.discard(member)
            self._members.pop(id(member.heart), None)
        if self._listener is not None:
            member.heart.off(self._listener)

    def nodes(self) -> list[Any]:
        """Return the nodes, in the order in which they came."""
        close_unheld()
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
