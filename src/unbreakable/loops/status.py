"""What a loop tells about itself."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, NamedTuple

from unbreakable.items import Items
from unbreakable.loops.ledger import Ledger


class LoopState(enum.StrEnum):
    """Say where a loop is in its life."""

    NEW = "new"  #: made, not started
    RUNNING = "running"  #: started; it iterates or waits for its next tick
    PAUSED = "paused"  #: started; it waits to be resumed
    STOPPING = "stopping"  #: asked to stop; its last iteration may still be in progress
    STOPPED = "stopped"  #: it was stopped, or what carried it is gone
    FINISHED = "finished"  #: all of its iterations are done


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How well and how fast the iterations of a loop go; rates are in 0..1, times in seconds.

    Before an iteration has ended, ``success_rate`` is 1.0 and all other figures are 0.0.
    """

    success_rate: float
    heal_rate: float
    iterations_per_second: float
    avg_iteration_time: float
    last_iteration_time: float

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


class Tries(NamedTuple):
    """How often a rung of the healing ladder was tried, and how often it has worked."""

    tried: int
    worked: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Healing(Items[Tries]):
    """Say what was done about failing iterations, the mildest rung first; ``healing["survival_mode"]`` works, too.

    ``known_remedy`` counts iterations in which the operation was asked again, after a remedy or after waiting; it has
    worked when the operation was good then.  The other rungs have worked when three good iterations in a row followed.
    """

    known_remedy: Tries
    adaptive_backoff: Tries
    safe_state_reset: Tries
    quantum_refresh: Tries
    survival_mode: Tries

    def to_dict(self) -> dict[str, Any]:
        """Return the five pairs of tried and worked as a JSON-ready dictionary."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFailure:
    """Say what a loop has learned of one failure, by its *signature*: type, code, words without details, place.

    ``healing`` counts the first tries of rungs in spells of this failure, and how often three good iterations followed
    before it came back; the backoff and survival mode have worked where time was what it needed.  They are halved now
    and then.  ``seconds`` is how long healing has taken on average, None when it never did.  ``rest`` is how many
    intervals of rest each of the latest spells has needed, 1.0 for none, or if they differ; ``math.inf`` for survival
    mode.
    """

    signature: str
    healing: Healing
    seconds: float | None
    rest: float

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {**asdict(self), "rest": self.rest if isfinite(self.rest) else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStatus:
    """Say how one loop is doing at one moment.

    ``is_running`` says whether something alive carries the loop, paused or not; that it advances shows in
    ``current_iteration``, which counts the iterations begun, and in ``is_stuck``: ``stuck`` says why, in one line.
    So it is when an iteration is still at work though its deadline is over, when none begins though one is due for
    three intervals (1 s to 90 s), and when none can begin.  Seconds: ``in_progress``, for which the iteration in
    progress has been so, None if none is; ``last_run``, since the latest one has ended, None before; ``next_run``,
    until the next tick, None when none is planned or the loop is stuck.  ``last_error`` is the latest failure in one
    line, healed or not.  ``latest_rung`` says which rung of the healing ladder was tried last, when and why, None if
    none was; ``known_failures`` what was learned of failures, what came last at the end.  ``surviving`` says that
    the loop is in survival mode.  ``path`` is the execution path in use, from 1 on.  ``left_behind`` counts
    iterations that were cut but are still at work; ``given_up`` those that were ended by force, or let go, as too
    many were.  ``group`` is the name of the group it belongs to, None if to none, and ``restarts`` how many it had
    there, by its own fault or another's.  ``durability`` is "none", "process" or "durable"; ``state_trouble`` says
    why where the loop stands, or its state, is not kept at this moment, None when it is.  ``ledger`` says how each
    tick has ended.
    """

    name: str
    state: LoopState
    is_running: bool
    current_iteration: int
    consecutive_errors: int
    interval: float
    in_progress: float | None
    last_run: float | None
    next_run: float | None
    stuck: str | None
    performance: Performance
    healing: Healing
    latest_rung: str | None
    known_failures: tuple[KnownFailure, ...]
    surviving: bool
    path: int
    left_behind: int
    given_up: int
    group: str | None
    restarts: int
    durability: str
    state_trouble: str | None
    ledger: Ledger
    last_error: str | None

    @property
    def is_stuck(self) -> bool:
        """Whether the loop does not advance, though it should."""
        return self.stuck is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the status as a JSON-ready dictionary."""
        known = [failure.to_dict() for failure in self.known_failures]
        told = {"state": self.state.value, "is_stuck": self.is_stuck, "known_failures": known}
        return {**asdict(self), **told}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartStatus:
    """Say what is left of the budget that all loops of this process share for what they make anew.

    A worker process costs one of the ``tokens``, a refresh of the paths and a probe in survival mode a tenth; ``rate``
    are added a second, up to ``most``.  ``denied`` counts who had to wait.
    """

    tokens: float
    most: float
    rate: float
    denied: int

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """Say how loops that belong together are doing; ``loops`` and ``groups`` in it are named in the order of creation.

    ``restarts`` counts all of them, ``recent_restarts`` those within the latest ``max_seconds``: by one more than
    ``max_restarts`` the group fails as a whole, which ``escalations`` counts, and is restarted by its ``parent``;
    without one it is ``surviving``, as are those within it.  ``latest_restart`` says which loop brought the latest
    restart about, and why; None if there was none.
    """

    name: str
    strategy: str
    parent: str | None
    loops: tuple[str, ...]
    groups: tuple[str, ...]
    max_restarts: int
    max_seconds: float
    restarts: int
    recent_restarts: int
    escalations: int
    surviving: bool
    latest_restart: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {**asdict(self), "loops": list(self.loops), "groups": list(self.groups)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """Say how all loops of an engine are doing, and what is left of the budget for ``restarts`` of this process.

    ``active_loops`` counts those that are running, paused or not; ``stuck_loops`` those that do not advance; ``groups``
    are those that belong together.
    """

    total_loops: int
    active_loops: int
    stuck_loops: int
    restarts: RestartStatus
    loops: tuple[LoopStatus, ...]
    groups: tuple[GroupStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the status as a JSON-ready dictionary."""
        loops = [loop.to_dict() for loop in self.loops]
        return {
            "total_loops": self.total_loops,
            "active_loops": self.active_loops,
            "stuck_loops": self.stuck_loops,
            "restarts": self.restarts.to_dict(),
            "loops": loops,
            "groups": [group.to_dict() for group in self.groups],
        }
