"""Listen to what happened, told as frozen records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from unbreakable.record import Record


class Event(Record):
    """Say that something happened *at* a moment (seconds on the node's clock) in the node of that name."""

    at: float
    node: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a JSON-ready dictionary with its kind under ``"event"``."""
        return {"event": type(self).__name__, **super().to_dict()}


Listener: TypeAlias = Callable[[Any], None]


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Succeeded(Event):
    """The first attempt of a call succeeded."""

    elapsed: float


class AttemptFailed(Event):
    """One attempt of a call failed."""

    attempt: int
    signature: str
    error: str
    elapsed: float


class RemedyApplied(Event):
    """A remedy was applied; whether it worked is known after the next attempt."""

    remedy: str
    signature: str


class Prevented(Event):
    """A remedy was applied before the failure that it is for, which was due by its *rule*: age, count or calendar."""

    remedy: str
    signature: str
    rule: str


class RemedyConfirmed(Event):
    """The attempt after a remedy told whether it worked."""

    remedy: str
    signature: str
    worked: bool


class Retrying(Event):
    """The call waits *pause* seconds before attempt number *attempt*."""

    attempt: int
    pause: float


class RetryDenied(Event):
    """A repeat was wanted but not allowed; *reason* says by what."""

    reason: str


class Hedged(Event):
    """A second copy of a slow attempt was started."""

    after: float


class CopyWon(Event):
    """A second copy of a slow attempt, started *after* so many seconds, answered first."""

    after: float


class Healed(Event):
    """A call succeeded after at least one failed attempt."""

    attempts: int
    remedies: tuple[str, ...]
    elapsed: float


class Degraded(Event):
    """A call failed and its fallback answered instead."""

    reason: str


class Failed(Event):
    """A call failed for good."""

    attempts: int
    error: str


class Explained(Event):
    """A call did not plainly succeed, and this is its story; *id* is that of its outcome."""

    id: str
    status: str
    text: str


class LeftInPeace(Event):
    """A target asked to be left in peace three times in a row: for so many *seconds* no attempt begins."""

    seconds: float


class CallRejected(Event):
    """A call was refused before it was made."""

    reason: str


class Shadowed(Event):
    """A policy that only measures would have done something: refuse, open, cut, wait, repeat, copy or deny."""

    policy: str
    would: str


# ── on request ──────────────────────────────────────────────────────────────────────────────────────────────────────


class AttemptMade(Record):
    """Tell of one attempt, or *copy* of one (0 for the first), that began so many seconds after its call.

    *ended* is "ok", "failed" or "cut": then it was given up, and *seconds* is for how long it was seen.  Of one that
    failed: its *kind* and *signature*; *unsent*: even what must not happen twice may be repeated after it; *in_doubt*:
    only what is known to bear that may be; *exhausted*: a call inside has repeated it; *covered*: retries are for
    errors of its type; *retry_after*: how long its target asked us to wait.
    """

    attempt: int
    copy: int
    began: float
    seconds: float
    ended: str
    kind: str | None
    signature: str
    unsent: bool
    in_doubt: bool
    exhausted: bool
    covered: bool
    retry_after: float | None


class CallEnded(Record):
    """Tell of a call that has ended: what its attempts were, under which settings; of functions, not of blocks.

    It is told to those who listen for it by name, and is none of the events that ``Event`` stands for.  *status* is
    that of its outcome, or "left" when its caller has cancelled it; *seconds* is how long it had until its deadline,
    *plan* the settings in force, of which the *pinned* ones were not learned, *target* what of the node it was made
    to, and *preemptive* whether its attempts could be cut.  Calls that ``validate`` refuses are not told.
    """

    at: float
    node: str
    target: str
    began: float
    seconds: float
    status: str
    plan: Any
    pinned: tuple[str, ...]
    preemptive: bool
    attempts: tuple[AttemptMade, ...]


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class LimitChanged(Event):
    """An adaptive limit lets more, or fewer, calls in at once; *reason* says why."""

    before: int
    after: int
    reason: str


class SheddingBegan(Event):
    """A throttle begins to refuse calls, the less important first: that *share* of them."""

    share: float


class SheddingEnded(Event):
    """A throttle refuses no calls any more."""


# ── circuits ────────────────────────────────────────────────────────────────────────────────────────────────────────


class CircuitOpened(Event):
    """A circuit opened: calls are rejected for *rest* seconds."""

    rest: float


class CircuitHalfOpened(Event):
    """A rested circuit lets a few calls through to see."""


class CircuitRamping(Event):
    """A half-open circuit found its target back, and lets a growing share of the calls through for *seconds*."""

    seconds: float


class CircuitClosed(Event):
    """A circuit closed: calls go through again."""


# ── learning ────────────────────────────────────────────────────────────────────────────────────────────────────────


class PlanPublished(Event):
    """What was learned changed the settings of a node."""

    strategy: str
    timeout: float | None
    hedge: float | None
    deadline: float
    observations: int


class DriftDetected(Event):
    """The latency of a target is no longer what it was."""

    before: float
    after: float


class ListenerFailed(Event):
    """A listener raised and is not called again."""

    error: str
