"""What a protected call ended in: a value with its story, never a surprise."""

from __future__ import annotations

import enum
import logging
from dataclasses import field
from typing import Any, Generic, TypeAlias, TypeVar, cast

from unbreakable.errors import Kind
from unbreakable.log import log
from unbreakable.plain import as_it_is, on_a_line
from unbreakable.record import Preset, Record

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_new, _set = object.__new__, object.__setattr__


class Status(enum.StrEnum):
    """Say how a call ended, as its caller sees it; each equals its word: ``outcome.status == "ok"``."""

    OK = "ok"  #: the first attempt succeeded
    HEALED = "healed"  #: it succeeded after at least one failed attempt
    DEGRADED = "degraded"  #: it failed; the value is the fallback's
    FAILED = "failed"  #: it failed; there is no value


# ── one attempt ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Success(Generic[T_co]):
    """Hold the verified value of one attempt that took *elapsed* seconds; *degraded*: a fallback gave it, and why.

    *makeshift* says whether a fallback's answer, this call's or that of one inside it, may have gone into the value,
    ``beside`` whether it is a copy's, of an attempt that was late, or came another way than the best one.
    """

    __slots__ = ("beside", "degraded", "elapsed", "makeshift", "quality", "value")

    def __init__(
        self,
        value: T_co,
        elapsed: float = 0.0,
        quality: float = 1.0,
        degraded: str | None = None,
        *,
        makeshift: bool = False,
    ) -> None:
        self.value, self.elapsed, self.quality, self.degraded = value, elapsed, quality, degraded
        self.makeshift = makeshift or degraded is not None
        self.beside = False


class Failure(Preset, kw_only=False):
    """Hold what went wrong in one attempt; it is given to fallbacks, remedies and their predicates.

    ``error`` is the user's own exception; ``signature`` is the same in every process for the same trouble; ``cause``
    is the deepest exception of the chain; ``cut`` says that our time limit ended the attempt; ``retry_after`` are the
    seconds that the target asked us to wait.
    """

    error: Exception
    kind: Kind = Kind.UNKNOWN
    signature: str = ""
    cause: BaseException | None = None
    node: str = ""
    attempt: int = 1
    elapsed: float = 0.0
    cut: bool = False
    retry_after: float | None = None
    soft: bool = False  #: the time limit that ended it was a learned one, which may have been too short
    exhausted: bool = False  #: a protected call inside this one has already repeated it in vain
    inner: bool = False  #: a protected call inside this one was told of it first
    refused: bool = False  #: we did not make the call, or not this attempt; a refusal further in is an error like any
    acted: bool = False  #: a call inside has done something
    unrepeatable: bool = False  #: one has done what must not be done twice, or may have
    doubtful: bool = False  #: nobody knows what one has done
    mendable: bool = False  #: a remedy that can be trusted is about to be applied for it
    suspects: tuple[str, ...] = ()  #: the names of nodes that are unwell, too: the trouble may be theirs
    at: float | None = None  #: when the attempt ended, on ``runtime.now()``'s clock

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Failure:
        """Return the failure of which these *facts*, ``error`` among them, are known; they become its own.

        What is left out is read from the class: so it costs a tenth of what it does to set all of them.
        """
        failure = _new(cls)
        _set(failure, "__dict__", facts)
        return failure

    def but(self, **changes: Any) -> Failure:
        """Return the same failure with these *changes*."""
        return self.of({**self.__dict__, **changes})

    def began(self, now: float) -> float:
        """Return the moment at which the attempt began, *now* being late enough if nobody noted when it ended."""
        return (now if self.at is None else self.at) - self.elapsed

    def __str__(self) -> str:
        """Return the error in one line."""
        return in_one_line(self.error)

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready: exceptions in one line."""
        cause = None if self.cause is None else in_one_line(self.cause)
        return {**super().to_dict(), "error": in_one_line(self.error), "cause": cause}


Result: TypeAlias = Success[T] | Failure


# ── what was done, in order ─────────────────────────────────────────────────────────────────────────────────────────


class Operation(Record):
    """Name one of the 27 sub-operations; *seconds* is the time spent in it over all attempts of the call."""

    name: str
    ran: bool
    seconds: float


class Stage(Record):
    """Name one of the nine stages and its three sub-operations."""

    name: str
    operations: tuple[Operation, ...]


class Trace(Record):
    """Hold the nine stages of a call, what ran in the background, and the call's story line by line."""

    stages: tuple[Stage, ...]
    background: tuple[str, ...]
    story: tuple[str, ...]

    def ran(self, path: str) -> bool:
        """Return whether the sub-operation at *path*, such as ``"heal.fix.choose"``, ran."""
        stage_name, _, name = path.rpartition(".")
        return any(
            operation.ran
            for stage in self.stages
            if stage.name == stage_name
            for operation in stage.operations
            if operation.name == name
        )


# ── the whole call ──────────────────────────────────────────────────────────────────────────────────────────────────


class Outcome(Preset, Generic[T_co]):
    """Say how a call ended and why; times are seconds.

    ``error`` is kept when the status is DEGRADED.  ``remedies`` are the names of those applied, in order.  An outcome
    whose value can be pickled can be; where the type of its error is not known, that becomes an errors.RecordedError.
    """

    id: str
    status: Status
    value: T_co | None = None
    error: Exception | None = None
    attempts: int = 1
    elapsed: float = 0.0
    strategy: str = "adaptive"
    remedies: tuple[str, ...] = ()
    degraded_reason: str | None = None
    trace: Trace | None = field(default=None, repr=False)
    node: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the operation itself succeeded, at once or after healing."""
        return self.status is Status.OK or self.status is Status.HEALED

    def unwrap(self) -> T_co:
        """Return the value, the fallback's included; raise the user's own exception when there is none.

        So it does where that says that there is no more, a StopIteration or StopAsyncIteration, although all is well.
        """
        if self.status is Status.FAILED or (self.ok and self.error is not None):
            error = cast("Exception", self.error)
            try:
                raise error
            finally:
                del self, error  # the exception's traceback holds this frame: do not hold the exception in turn
        return cast("T_co", self.value)

    def explain(self) -> str:
        """Return in plain words what was tried, what went wrong and what was done about it."""
        lines = [
            f"{self.node or 'call'} {self.status.value}: {attempts_in_words(self.attempts)} in {self.elapsed:.3f} s"
        ]
        lines[0] += f", strategy {self.strategy} (outcome {self.id})"
        if self.trace is not None:
            lines += [f"  {line}" for line in self.trace.story]
        if self.remedies:
            lines.append(f"  remedies applied: {', '.join(self.remedies)}")
        if self.degraded_reason is not None:
            lines.append(f"  degraded: {self.degraded_reason}")
        if self.error is not None:
            lines.append(f"  {'kept' if self.status is Status.DEGRADED else 'ended in'}: {in_one_line(self.error)}")
        return "\n".join(map(on_a_line, lines))  # names, and errors, are anybody's

    def __getstate__(self) -> list[Any]:
        """Return the fields as they are pickled: an error that pickle cannot carry is rebuilt, or told, on the way."""
        from unbreakable.parcel import sealed

        return sealed(self, in_one_line)

    def __setstate__(self, values: list[Any]) -> None:
        from unbreakable.parcel import opened

        opened(self, values)

    def to_dict(self) -> dict[str, Any]:
        """Return what is JSON-ready of it: a value that JSON has as it is, other values and the error as text."""
        return {
            "id": self.id,
            "node": self.node,
            "status": self.status.value,
            "ok": self.ok,
            "value": as_it_is(self.value),
            "error": None if self.error is None else in_one_line(self.error),
            "attempts": self.attempts,
            "elapsed": self.elapsed,
            "strategy": self.strategy,
            "remedies": list(self.remedies),
            "degraded_reason": self.degraded_reason,
            "trace": None if self.trace is None else self.trace.to_dict(),
        }


def in_one_line(error: BaseException, most: int = 200) -> str:
    """Return the type and message of *error* in at most *most* characters, whatever its ``__str__`` does."""
    try:
        message = " ".join(str(error)[: 10 * most].split())  # cut first: it may be a whole page, or a whole film
    except Exception:
        message = "(its message cannot be read)"
    name = type(error).__name__
    text = f"{name}: {message}" if message else name
    return text if len(text) <= most else f"{text[: most - 1]}…"


def is_a(error: BaseException, kinds: type[BaseException] | tuple[type[BaseException], ...]) -> bool:
    """Return whether *error* is of one of these *kinds*, as ``except`` asks: what its attributes say is not asked."""
    return issubclass(type(error), kinds)


def note(error: BaseException, story: str) -> None:
    """Add *story* to the notes of *error*, in place of an older one: the same exception may be raised many times.

    Stories about one thing begin with the same words up to " failed".
    """
    start = story.split(" failed", 1)[0] + " failed"
    try:
        notes = [line for line in getattr(error, "__notes__", ()) if not str(line).startswith(start)]
        error.__notes__ = [*notes, story]
    except Exception:
        log("no note on %s", type(error).__name__, level=logging.DEBUG)


def attempts_in_words(attempts: int) -> str:
    """Return the number of attempts as it is said.

    >>> attempts_in_words(1), attempts_in_words(3)
    ('1 attempt', '3 attempts')
    """
    return f"{attempts} attempt{'' if attempts == 1 else 's'}"
