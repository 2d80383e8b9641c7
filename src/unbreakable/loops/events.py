"""What happened to a loop, as frozen records; ``loop.node.on`` listens to them, ``group.on`` to those of a group."""

from __future__ import annotations

from unbreakable.events import Event


class TicksEnded(Event):
    """The ticks *first* to *last* of one start of the loop, its *epoch*, have ended: all in one *fate*, and *why*.

    Each tick is told once, whether it was run or not, so that their numbers add up to the ledger's.
    """

    epoch: str
    first: int
    last: int
    fate: str
    why: str


class IterationEnded(Event):
    """An iteration has ended, *seconds* after it began; *tick* is the id of its tick, None if it was triggered."""

    number: int
    tick: str | None
    fate: str
    why: str
    seconds: float


class RungTried(Event):
    """A rung of the healing ladder was tried after so many failures in a row; *why* says whether it was its turn."""

    rung: str
    failures: int
    why: str


class RungSkipped(Event):
    """A rung of the healing ladder could not be tried; *reason* says why."""

    rung: str
    reason: str


class LoopHealed(Event):
    """Enough good iterations followed a rung to say that it has worked."""

    rung: str


class SurvivalEntered(Event):
    """The loop is in survival mode: it iterates rarely, and with its substitute if it has one."""

    failures: int


class SurvivalLeft(Event):
    """The loop is itself again, after so many *seconds* of survival mode."""

    seconds: float


class LoopRestarted(Event):
    """The loop was restarted, as one of its *group*, since loop *by* was (it may be this one), and *why* that was."""

    group: str
    by: str
    why: str


class PathChanged(Event):
    """The iteration failed, so the next one takes another execution path, counted from 1 on."""

    path: int


class WorkerStarted(Event):
    """A worker process was started for an execution path; *pid* is its number."""

    pid: int


class IterationLeftBehind(Event):
    """An iteration did not heed its cut: the loop goes on without it, the *count* of these still at work told."""

    count: int


class IterationGivenUp(Event):
    """One of too many iterations that were left behind was ended by force, or let go; *count* have been so far."""

    count: int


class LoopStuck(Event):
    """The loop can begin no iteration; *reason* says why, and what will help."""

    reason: str


class LoopTakenUp(Event):
    """The loop goes on where an earlier process was, after *iteration*; *interrupted* is the tick that it was at."""

    iteration: int
    interrupted: int | None


class StateNotKept(Event):
    """Where the loop stands, or its state, cannot be kept for now, and *reason* says why; the loop goes on."""

    reason: str


class StateKeptAgain(Event):
    """Where the loop stands is kept again."""


# ── groups: ``LoopGroup.on`` listens to these ───────────────────────────────────────────────────────────────────────


class GroupRestarted(Event):
    """So many *loops* of the group were restarted, since loop *by* was, or asked for it; *why* says what for."""

    by: str
    why: str
    loops: int


class GroupSurvives(Event):
    """There were too many restarts: all loops of the group are in survival mode, and each is for itself."""

    by: str
    why: str


class GroupRecovered(Event):
    """All loops of the group are well again, after so many *seconds* of survival mode."""

    seconds: float
