"""What a worker process is told of one attempt, and what it answers."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unbreakable.errors import RemoteFailure, Unsendable
from unbreakable.fractal.scope import set_scope
from unbreakable.loops.wire import pack, unpack
from unbreakable.outcome import in_one_line
from unbreakable.parcel import facts
from unbreakable.policies import Context
from unbreakable.policies.deeds import Deeds

MOST_BYTES = 63 * 2**20  # of what the operation is given and leaves, its state for the most part; of an exception
MOST_CHARACTERS = 8_000  # of a traceback that is told in a note
FIRST, LAST = 5, 40  # places in one that are told
HEAD = "Traceback (most recent call last):\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold what the operation finds in its context; *seconds* is how long the attempt may take."""

    key: str
    attempt: int
    seconds: float
    arguments: Mapping[str, Any]
    scope: dict[str, Any]

    @classmethod
    def of(cls, ctx: Context, state: object) -> Request:
        """Return the request for the attempt that *ctx* is about to make with *state*."""
        return cls(
            key=ctx.idempotency_key,
            attempt=ctx.attempt,
            seconds=ctx.remaining(),
            arguments=dict(ctx.arguments),
            scope={"state": state, "tick": ctx.tick, "iteration": ctx.iteration},
        )

    def pickled(self) -> bytes:
        """Return the request as it is sent; Unsendable if that is not possible."""
        return _packed("what the operation is given", self)

    def open_in(self, ctx: Context) -> None:
        """Let *ctx*, opened in the worker process, say what the one in the loop's process says."""
        set_scope(ctx, {**self.scope, "idempotency_key": self.key})
        ctx.attempt, ctx.arguments = self.attempt, self.arguments
        ctx.deadline = ctx.runtime.now() + self.seconds
        ctx.deadline_is_ours = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold how an attempt ended; *exhausted* and *deeds* tell of the protected calls in it.

    *exhausted*: one has repeated the error in vain; *deeds*: what they have done.
    The value that the operation returned is not sent: a loop has no use for it.
    """

    state: bytes
    error: bytes | None = None
    told: str = ""
    said: Mapping[str, Any] | None = None
    exhausted: bool = False
    deeds: Deeds | None = None

    @classmethod
    def to(
        cls, state: object, error: BaseException | None, *, exhausted: bool = False, deeds: Deeds | None = None
    ) -> Answer:
        """Return what there is to say; an *error* that cannot be sent is sent as text."""
        try:
            pickled = _packed("ctx.state", state)
        except Unsendable as refusal:
            error, pickled = error or refusal, b""
        if error is None:
            return cls(state=pickled, deeds=deeds)
        return cls(
            state=pickled,
            error=_pickled(error),
            told=in_one_line(error),
            said=facts(error),
            exhausted=exhausted,
            deeds=deeds,
        )

    def read_state(self) -> Any:
        """Return the state as the attempt left it, None if it could not be sent; Unsendable if it cannot be read."""
        try:
            return unpack(self.state) if self.state else None
        except Exception as refusal:
            raise Unsendable(f"ctx.state cannot be read back: {in_one_line(refusal)}") from refusal

    def failure(self) -> Exception | None:
        """Return the exception that ended the attempt, or what stands for it; None if it was good."""
        if self.error is None:
            return None
        try:
            error = unpack(self.error)
        except Exception:
            error = None
        if isinstance(error, Exception):
            return error
        stand_in = RemoteFailure(self.told)
        stand_in.__dict__.update(self.said or {})
        return stand_in


def _pickled(error: BaseException) -> bytes:
    """Return *error* with the story of where it was raised, if it can be sent and read, else nothing."""
    story = _story(error)[-MOST_CHARACTERS:]
    try:
        error.add_note(f"in worker process {os.getpid()}:\n{story}")
        pickled = pack(error)
        unpack(pickled)
    except Exception:
        return b""
    return pickled if len(pickled) <= MOST_BYTES else b""


def _story(error: BaseException) -> str:
    """Return its traceback, without the middle of a very long one: of a recursion that takes longer than a tick."""
    places = []
    place = error.__traceback__
    while place is not None:
        places.append(place)
        place = place.tb_next
    left_out = len(places) - FIRST - LAST
    if left_out <= 0 or isinstance(error, BaseExceptionGroup):
        return "".join(traceback.format_exception(error))
    told = "".join(traceback.format_exception(type(error), error, places[-LAST]))
    before, head, end = told.rpartition(HEAD)
    return f"{before}{head}{''.join(traceback.format_tb(places[0], FIRST))}  ... {left_out} more ...\n{end}"


def _packed(what: str, thing: object) -> bytes:
    try:
        packed = pack(thing)
    except Exception as refusal:
        raise Unsendable(f"{what} cannot be sent between processes: {in_one_line(refusal)}") from refusal
    if len(packed) > MOST_BYTES:
        raise Unsendable(f"{what} is too big to be sent: {len(packed):,} bytes, of {MOST_BYTES:,} at most")
    return packed
