"""Catch what we raise ourselves: all exceptions, in one tree.

Whatever the user's own code raises stays the user's: it is handed on as it is, with a note that tells the story.
An exception of any type may carry what only its raiser knows: ``kind``, a Kind; ``retry_after``, the seconds that the
target asked us to wait; ``http_status``; ``refused``, True when the target refused the request before doing anything;
``in_doubt``, True when nobody knows what the attempt has done, so that one with unknown effects is not repeated, and a
step of a workflow counts as uncertain; False when it is known for sure, whatever the error came from.
What ``AdaptiveTransport`` raises of these to a client of httpx2 or httpx is a TransportError of that library as well.

    UnbreakableError
    ├── Rejected                    the call was not made, or not made again
    │   ├── CircuitOpen             the target failed too often; it is left in peace for a while
    │   ├── BulkheadFull            too many calls are in flight
    │   ├── BufferFull              neither memory nor disk has room for an item
    │   ├── LimitReached            the learned limit of calls in flight is reached
    │   ├── Throttled               the target refuses too many, or asked to be left in peace: it was not sent
    │   ├── BudgetSpent             a budget of your own is spent; a call that ours denies a repeat keeps its error
    │   ├── DeadlineExceeded        the caller's time is up
    │   ├── ValidationFailed        the call's input was refused
    │   └── RunInProgress           a run of that id is at work already
    ├── AttemptTimeout              an attempt was cut by our time limit (also a TimeoutError)
    ├── VerificationFailed          the result was not what was asked for
    ├── NotSent                     the request provably never left
    ├── ConfigurationError          a setting is wrong (also a ValueError); the message holds its path
    │   └── GraphError              the steps of a workflow do not fit together
    ├── CommitUnknown               nobody can tell whether the commit took place
    ├── NotRecordable               a value cannot be written down (also a TypeError)
    ├── RecordedError               stands for an error of which only the text was kept, or could be sent
    ├── Foreseen                    stands for a failure that has not happened yet, for the remedy that prevents it
    ├── RunCancelled                a run turned back because its caller cancelled it
    ├── RunUnfinished               the orchestrator was closed over a run, which can be gone on with
    ├── RunNotCommitted             a run of a workflow was compensated, or needs attention
    ├── StrayExit                   an operation raised what ends programs or tasks, and has failed
    ├── WorkerLost                  the worker process that ran a loop's operation is gone, or never came up
    ├── RemoteFailure               stands for what an operation raised in its worker process
    │   └── Unsendable              what an operation is given, or leaves, cannot be sent to its worker process
    └── StateError                  a state file, or the folder of a log, cannot be used as asked
        ├── StateOwned              another process holds it; ``pid`` says which
        ├── StateNotOurs            it is the file of another program; nothing was written to it
        ├── StateTooNew             a newer version of this library wrote it
        ├── StateBroken             what it holds cannot be read any more
        ├── StateGone               it was deleted or replaced while this process worked with it
        ├── StateLocked             another program holds SQLite's write lock; passes by itself
        ├── StateInUse              a signal's handler interrupted this very thread in the middle of using it
        └── StateFull               the disk is full; passes when somebody makes room

Whatever was acknowledged before a StateError was raised is still in the file, unless that is gone.  A broken one that
is put aside, so that work can go on with an empty one, is told by a StateSetAsideWarning.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kind(enum.StrEnum):
    """What sort of failure it is; the word, which each equals, decides which remedies make sense."""

    TRANSIENT = "transient"  #: passes by itself: a 500, a dropped answer
    UNREACHABLE = "unreachable"  #: no connection, no such name, or it broke
    THROTTLED = "throttled"  #: the target asked us to slow down
    TIMEOUT = "timeout"  #: no answer in time
    CREDENTIALS = "credentials"  #: who we are was not accepted, or who they are not by us: a certificate
    INVALID = "invalid"  #: the request itself is wrong: repeating it changes nothing
    UNVERIFIED = "unverified"  #: an answer came, but not the one that was asked for
    REJECTED = "rejected"  #: we did not make the call
    BUG = "bug"  #: a programming error: repeating it changes nothing
    UNKNOWN = "unknown"  #: none of the above can be said


def told_by(error: object, name: str) -> Any:
    """Return what somebody else's exception says under *name*; None if it says nothing, or raises when asked."""
    try:
        return getattr(error, name, None)
    except Exception:
        return None


#: The names under which exceptions tell something; Python's own ``errno`` and ``args`` are read where they matter.
FACTS = (
    *("kind", "http_status", "status_code", "status", "response", "headers", "retry_after", "errcode"),
    *(
        "in_doubt",
        "may_have_arrived",
        "refused",
        "judged",
        "reason",
        "original_error",
        "returncode",
        "exceptions",
        "trailing_metadata",
        *("sqlstate", "pgcode", "orig"),
    ),
)


def says_nothing(error: object) -> bool:
    """Return whether none of ``FACTS`` can be read from *error*: all that it tells is in its type and message.

    Most exceptions are such, and to ask each of them for everything is what a failed call would spend its time on.
    """
    try:
        return _is_silent(type(error)) and (not error.__dict__ or error.__dict__.keys() <= _SILENT_KEYS)
    except Exception:
        return False


_SILENT_KEYS = frozenset({"__notes__"})
_ANSWERING = frozenset({"__getattr__", "__getattribute__", "__cause__", "__context__"})  # defined by a type of its own


def known_by_type(answer: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return *answer*, a function of a type, that remembers what it said of the latest 1,024 types.

    A program that makes types as it goes does not grow by them.
    """
    return functools.lru_cache(1_024)(answer)


@known_by_type
def _is_silent(type_: type) -> bool:
    """Return whether objects of *type_* have none of the facts but what is set on each by itself."""
    mine = [vars(each) for each in type_.__mro__ if each not in (BaseException, object)]
    answers_itself = any(not _ANSWERING.isdisjoint(names) for names in mine)
    return issubclass(type_, BaseException) and not answers_itself and not any(hasattr(type_, name) for name in FACTS)


class UnbreakableError(Exception):
    """Stand at the root of everything that this library raises itself."""


class Rejected(UnbreakableError):
    """Say that a call was not made, or not made again."""

    retry_after: float | None = None

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
    """Say that the call was not sent: its target refuses too many, or asked several times to be left in peace.

    The first is a ``ub.Throttle``'s; of the second, ``retry_after`` is for how many seconds.
    """


class BudgetSpent(Rejected):
    """Say that a budget of your own is spent; the library itself does not raise it.

    A repeat that its retry budget cannot pay is not made, and the call fails with its own error: the story tells why,
    and so does ``events.RetryDenied``.  An operation that raises this is not repeated, and its target not blamed.
    """


class DeadlineExceeded(Rejected):
    """Say that the caller's time was up."""


class ValidationFailed(Rejected):
    """Say that the call's input was refused before anything was sent."""


class RunInProgress(Rejected):
    """Say that a run of that id is at work already, where it cannot be waited for."""


class AttemptTimeout(UnbreakableError, TimeoutError):
    """Say that an attempt took longer than its time limit and was cut by us."""


class VerificationFailed(UnbreakableError):
    """Say that a result came but was not what was asked for.

    ``judged`` is True when ``verify`` said no to it: what the call has done came to nothing.  It is False when nobody
    could judge it, since it cannot be read, does not fit its ``schema``, or ``verify`` tripped over it: so nobody knows
    what was done.  It is None when a program raises this itself, as a word of its own.

    ``kind``, ``http_status`` and ``retry_after`` are those of the answer by which ``verify`` or ``schema`` tripped.
    """

    judged: bool | None = None
    kind: Kind = Kind.UNVERIFIED
    http_status: int | None = None
    retry_after: float | None = None

    def __init__(self, *args: object, judged: bool | None = None) -> None:
        super().__init__(*args)
        if judged is not None:
            self.judged = judged


class NotSent(UnbreakableError):
    """Say that the request provably never left, so that repeating it is always safe.

    Raise it yourself from an operation whose ``effects`` are "once" to allow a repeat.  A refused connection, a name
    that means no host, a connection that was not there in time and a failed handshake count the same when the operation
    raises what httpx2, httpx, requests, aiohttp, urllib, urllib3 or a socket says of them.  That speaks for the last
    request which it made; one that was answered by a redirect has left, whatever becomes of the next.
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

    in_doubt = True

    def __init__(self, message: str = "", *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class RunCancelled(UnbreakableError):
    """Say that a run turned back because its caller cancelled it."""


class RunUnfinished(UnbreakableError):
    """Say that the orchestrator was closed over a run; with a state file, its ``run_id`` goes on with it later.

    That is when the last of its steps has ended: until then asking for it raises RunInProgress.
    """


class RunNotCommitted(UnbreakableError):
    """Say that a run of a workflow was compensated or needs attention; its cause is what made it turn back.

    It is not repeated within one iteration of the loop: the next tick is the next try.
    """

    kind = Kind.INVALID


class RecordedError(UnbreakableError):
    """Stand for an error of an earlier call or process, of which only the text was kept."""


class Foreseen(UnbreakableError):
    """Stand for a failure that has not happened yet: a remedy that is applied before it is given this."""


class NotRecordable(UnbreakableError, TypeError):
    """Say which part of a value cannot be recorded, and what to return instead."""


class RemoteFailure(UnbreakableError):
    """Say what an operation raised in its worker process, where the exception itself cannot be sent.

    Its ``kind`` and whatever else decides about repeats is that exception's.
    """


class Unsendable(RemoteFailure):
    """Say that what an operation is given, or leaves in ``ctx.state``, cannot be sent: repeating changes nothing."""

    kind = Kind.BUG


class StrayExit(UnbreakableError):
    """Say that an operation raised what ends a program or a task, not an iteration; its cause is what it raised.

    It is not repeated within one iteration of the loop: the next tick is the next try.
    """

    kind = Kind.BUG


class StateError(UnbreakableError):
    """Say that a state file cannot be used as asked."""


class StateOwned(StateError):
    """Say that another process owns the file; ``pid`` is None when it left no number."""

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class StateNotOurs(StateError):
    """Say that the file belongs to another program."""


class StateTooNew(StateError):
    """Say that a newer version of this library wrote the file."""


class StateBroken(StateError):
    """Say that the file's content cannot be read."""


class StateGone(StateError):
    """Say that the file at the path is not the one that was opened, so that nobody would find what is written."""

    kind = Kind.INVALID


class StateLocked(StateError):
    """Say that another program holds the write lock for the moment."""


class StateInUse(StateError):
    """Say that this very thread is in the middle of using it, where a handler of signals interrupted it.

    The handler would wait for itself: let it note what is to be done, and do that when it has returned.
    """

    kind = Kind.BUG


class StateFull(StateError):
    """Say that there is no room left to write."""


class StateSetAsideWarning(RuntimeWarning):
    """Warn that a broken state file is being renamed, so that work can go on with an empty one."""
