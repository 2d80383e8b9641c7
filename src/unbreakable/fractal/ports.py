"""What the node asks of rooms that it does not know: a memory, somebody who chooses settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from unbreakable.policies import Plan
from unbreakable.policies.check import refuse
from unbreakable.stats import Traffic


class Memory(Protocol):
    """Keep what was learned about targets; records are JSON-ready and merge in any order.

    No method may wait for anything, such as a disk or a server: ``add`` is called in the background, by the one thread
    that learns, where no event loop runs; ``get`` and ``watch`` when a target is met, which may be in the first call
    that needs it.  What is kept elsewhere is read beforehand and written by a thread of the memory's own.  What a
    method raises is logged, and no call fails for it.
    """

    def get(self, target: str) -> dict[str, Any] | None:
        """Return what is known about *target*, None for nothing."""

    def add(self, target: str, record: dict[str, Any], source: object) -> None:
        """Merge *record*, what *source* learned since its last one, into what is known, and tell the watchers."""

    def watch(self, target: str, told: Callable[[dict[str, Any], object], None]) -> None:
        """Call ``told(record, source)`` for every record that is added for *target*, as long as *told* lives."""


class Home(Protocol):
    """Take nodes in, so that they learn together: a ``ub.QuantumSystem``."""

    def adopt(self, node: Any) -> None:
        """Take *node* in."""


def join(node: Any, home: Home | None) -> None:
    """Let *home*, where there is one, take *node* in."""
    if home is None:
        return
    if not callable(getattr(home, "adopt", None)):
        raise refuse(f"{node.name}: system", "a ub.QuantumSystem or None", home)
    home.adopt(node)


class Gone(Protocol):
    """Tell how a call went that was played by the script; see ``Detour``."""

    @property
    def call(self) -> float:
        """Return how many seconds it took."""

    @property
    def after(self) -> int:
        """Return how many quick ones stood before it."""

    @property
    def alone(self) -> float:
        """Return how many its first attempt took."""


class Chooser(Protocol):
    """Turn what was learned into the settings that are in force.

    Every method is called in the background, never while a call waits.
    """

    def plan(self, target: str, before: Plan, traffic: Traffic, dice: Callable[[], float]) -> Plan:
        """Return the plan for *target*, whose attempts were *traffic*; *before* when nothing is to change.

        *dice* gives uniform numbers in [0, 1).
        """

    def compare(self, target: str, took: Sequence[float], lost: int, traffic: Traffic, answered: int = 0) -> None:
        """Take in what came of the plan in force: calls that *took* so many seconds, and a number of *lost* ones.

        So many more were *answered* by a no, and what was refused is none of them; *traffic* is what is known of their
        attempts by now.
        """

    def measure(self, target: str, quick: Sequence[float], detours: Sequence[Gone], lost: int) -> None:
        """Take in calls beside what their first attempts came to: *quick* ones took so many seconds, as did these.

        *detours* are others that succeeded, and *lost* is the number of those that failed, as their first attempts did.
        """
