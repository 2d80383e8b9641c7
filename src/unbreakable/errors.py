"""The exceptions that we raise ourselves, in one tree.

Whatever the user's own code raises stays the user's: it is handed on as it is, with a note that tells the story.
An exception of any type may carry what only its raiser knows: ``kind``, a Kind; ``retry_after``, the seconds that the
target asked us to wait; ``http_status``; ``refused``, True when the target refused the request before doing anything;
``in_doubt``, True when nobody knows what the attempt has done, so that one with unknown effects is not repeated.

    UnbreakableError
    ├── Rejected                    the call was not made, or not made again
    │   ├── CircuitOpen             the target failed too often; it is left in peace for a while
    │   ├── BulkheadFull            too many calls are in flight
    │   ├── BufferFull              neither memory nor disk has room for an item
    │   ├── LimitReached            the learned limit of calls in flight is reached
    │   ├── Throttled               shed in proportion to what the target refuses
    │   ├── BudgetSpent             the budget for repeats is spent
    │   ├── DeadlineExceeded        the caller's time is up
    │   └── ValidationFailed        the call's input was refused
    ├── AttemptTimeout              an attempt was cut by our time limit (also a TimeoutError)
    ├── VerificationFailed          the result was not what was asked for
    ├── NotSent                     the request provably never left
    ├── WorkerLost                  the worker process that ran a loop's operation is gone, or never came up
    ├── ConfigurationError          a setting is wrong (also a ValueError); the message holds its path
    │   └── GraphError              the steps of a workflow do not fit together
    └── CommitUnknown               nobody can tell whether the commit took place
"""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What sort of failure it is; the word, which each equals, decides which remedies make sense."""

    TRANSIENT = "transient"  #: passes by itself: a 500, a dropped answer
    UNREACHABLE = "unreachable"  #: no connection, or it broke
    THROTTLED = "throttled"  #: the target asked us to slow down
    TIMEOUT = "timeout"  #: no answer in time
    CREDENTIALS = "credentials"  #: who we are was not accepted
    INVALID = "invalid"  #: the request itself is wrong: repeating it changes nothing
    UNVERIFIED = "unverified"  #: an answer came, but not the one that was asked for
    REJECTED = "rejected"  #: we did not make the call
    BUG = "bug"  #: a programming error: repeating it changes nothing
    UNKNOWN = "unknown"  #: none of the above can be said


class UnbreakableError(Exception):
    """Stand at the root of everything that this library raises itself."""


class Rejected(UnbreakableError):
    """Say that a call was not made, or not made again."""

    retry_after: float | None

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CircuitOpen(Rejected):
    """Say that the target failed too often and is left in peace; ``retry_after`` is how many seconds it rests on."""


class BulkheadFull(Rejected):
    """Say that as many calls as allowed are in flight."""


class BufferFull(Rejected):
    """Say that there was no room for an item in time; it was not accepted."""


class LimitReached(Rejected):
    """Say that the learned limit of calls in flight is reached."""


class Throttled(Rejected):
    """Say that the call was shed because the target refuses too many."""


class BudgetSpent(Rejected):
    """Say that the budget for repeating calls is spent."""


class DeadlineExceeded(Rejected):
    """Say that the caller's time was up."""


class ValidationFailed(Rejected):
    """Say that the call's input was refused before anything was sent."""


class AttemptTimeout(UnbreakableError, TimeoutError):
    """Say that an attempt took longer than its time limit and was cut by us."""


class VerificationFailed(UnbreakableError):
    """Say that a result came but was not what was asked for."""


class NotSent(UnbreakableError):
    """Say that the request provably never left, so that repeating it is always safe.

    Raise it yourself from an operation whose ``effects`` are "once" to allow a repeat.
    """


class WorkerLost(UnbreakableError):
    """Say that the worker process that was to run a loop's operation is gone, or never came up; it is replaced."""

    kind = Kind.TRANSIENT
    in_doubt = True


class ConfigurationError(UnbreakableError, ValueError):
    """Say that a setting is wrong; the message holds its path, what was expected and what was found."""


class GraphError(ConfigurationError):
    """Say that the steps of a workflow do not fit together."""


class CommitUnknown(UnbreakableError):
    """Say that the connection broke at commit, so that nobody can tell whether it took place.

    ``key`` names the work, if it has a name: with it the work may be asked for again.
    """

    def __init__(self, message: str = "", *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key
