"""What keeps one loop in a state file, so that another process goes on where this one was."""

from __future__ import annotations

import math
from typing import Any

from unbreakable.errors import NotRecordable, StateError, StateNotOurs, StateOwned, StateTooNew
from unbreakable.events import Event
from unbreakable.log import log
from unbreakable.loops.checkpoint import MOST_RECENT, Checkpoint, ranges
from unbreakable.loops.control import Control
from unbreakable.loops.events import LoopTakenUp, StateKeptAgain, StateNotKept
from unbreakable.loops.ledger import Fate
from unbreakable.loops.shelf import Found, Shelf, statement
from unbreakable.loops.timing import ahead
from unbreakable.loops.work import Work
from unbreakable.outcome import in_one_line
from unbreakable.runtime import BLOCKING, Runtime
from unbreakable.storage.sqlite import Durability, Statement
from unbreakable.storage.text import storable
from unbreakable.storage.values import record

NOT_FOR_US = (StateOwned, StateNotOurs, StateTooNew)
RETRY = 1.0  # seconds that a disk which refuses is left alone


class Keeper:
    """Keep where loop *name* stands on *shelf*: before each iteration, and after it with its state, if it was good.

    A disk that refuses stops no loop: it goes on in memory, ``trouble`` says why, and it is tried again.
    """

    def __init__(self, shelf: Shelf, name: str, durability: Durability) -> None:
        self.durability: Durability = durability
        self.path = shelf.path
        self._shelf, self._name = shelf, storable(name)
        self._seq = self._state_seq = self._lessons_seq = 0  #: of the latest records that are kept
        self._state: str | None = None  #: as it is kept, None: not by this process in the file that is open
        self._coming: str | None = None  #: the state that is to be written
        self._taught, self._learned = -1, -1  #: the version of the lessons that are kept, and of those to be written
        self._verified = self._opened = -1  #: the latest good state, and the latest opening of the file, that were seen
        self._is_read = self._unsure = False  #: unsure whether the records that were written last are there
        self._has_noted_the_end = False
        self._seen: tuple[int, ...] | None = None  #: the records that were found when the file could only be read
        self._not_before = -math.inf
        self._refused: str | None = None  #: by the disk
        self._strange: str | None = None  #: what cannot be recorded in the state

    @property
    def trouble(self) -> str | None:
        """Why the loop, or its state, is not kept at this moment; None when it is."""
        return self._refused or self._strange

    # ── the beginning and the end of a run ──────────────────────────────────────────────────────────────────────────

    def enter(self, work: Work) -> Checkpoint | None:
        """Open the file; return where somebody else has left the loop, and give *work* its state and its counts.

        Raises StateOwned, StateNotOurs or StateTooNew when the file is somebody else's, ConfigurationError when another
        loop of this process has the name.
        """
        self._shelf.enter(self._name, self)
        self._has_noted_the_end = False
        try:
            self._reopened(self._shelf.ready(self.durability))
            return self._take_up(work, self._shelf.read(self._name))
        except BaseException as error:
            if isinstance(error, StateError) and not isinstance(error, NOT_FOR_US):
                self._failed(work, error)
                return self._look(work)
            self._shelf.leave(self._name, self)
            raise

    def close(self, control: Control, work: Work) -> None:
        """Give the file back at the end; keep where the loop stands, if its end came before it could note that."""
        try:
            if not self._has_noted_the_end:
                self._shelf.write_now(self._statements(control, work))
                self._succeeded(work)
        except Exception as error:
            self._failed(work, error)
        finally:
            self._shelf.leave(self._name, self)

    def leave(self) -> None:
        """Give the file back, and change nothing in it."""
        self._shelf.leave(self._name, self)

    def forget(self) -> None:
        """Know nothing, in a forked child: the file, and what becomes of the loop, is the parent's."""
        self._is_read, self._state, self._refused, self._strange = False, None, None, None

    def _look(self, work: Work) -> Checkpoint | None:
        """Do the same with a file that can only be read, on a disk that is full, say; None where that fails, too."""
        try:
            found = self._shelf.look(self._name)
        except StateError:
            return None
        self._seen = _numbers(found)
        return self._take_up(work, found)

    def _take_up(self, work: Work, found: Found) -> Checkpoint | None:
        if self._is_read and found.seq <= self._seq:
            return None  # nobody has kept it since this process did
        self._is_read, self._seq, self._state_seq = True, found.seq, found.state_seq
        self._lessons_seq = found.lessons_seq
        if found.lessons is not None:
            self._taught = work.ladder.learn(found.lessons)
        if isinstance(found.state, dict):
            work.slate.restore(found.state)
        checkpoint = found.checkpoint
        if checkpoint is not None:
            work.book.restore(checkpoint.fates, checkpoint.stretches)
            work.tally.begun = checkpoint.iteration
            self._tell(
                work, LoopTakenUp, iteration=checkpoint.iteration, interrupted=next(iter(checkpoint.interrupted), None)
            )
        return checkpoint

    # ── in between ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def note_the_end(self, runtime: Runtime, control: Control, work: Work) -> None:
        """Keep where the loop stands at its end, once."""
        self._not_before = -math.inf
        await self.note(runtime, control, work)
        self._has_noted_the_end = True

    async def note(self, runtime: Runtime, control: Control, work: Work) -> None:
        """Keep where the loop stands now; only what comes from outside is raised: a cancellation."""
        if runtime.now() < self._not_before:
            return
        try:
            await self._shelf.write(runtime, self._statements(control, work))
        except Exception as error:
            self._failed(work, error)
        else:
            self._succeeded(work)

    def _statements(self, control: Control, work: Work) -> list[Statement]:
        opened = self._shelf.ready(self.durability)
        if opened != self._opened:
            self._reopened(opened)
            self._is_read = self._seen is not None and self._seen == _numbers(self._shelf.read(self._name))
            self._seen = None
        if not self._is_read:
            self._shelf.set_aside(self._name)
            self._is_read = True
        if self._unsure:
            self._skip()
        self._look_at_the_state(work)
        place = checkpoint_of(control, work, self._state_seq + (self._coming is not None))
        statements = [statement("loop", self._name, self._seq + 1, place.text)]
        if self._coming is not None:
            statements.append(statement("loop_state", self._name, self._state_seq + 1, self._coming))
        lessons = work.ladder.known
        self._learned = lessons.version if lessons else self._taught
        if lessons and self._learned != self._taught:
            statements.append(statement("loop_lessons", self._name, self._lessons_seq + 1, lessons.text))
        self._unsure = True
        return statements

    def _reopened(self, opened: int) -> None:
        """Count nothing as written in a file that is not the one of before."""
        if opened != self._opened:
            self._opened, self._state, self._taught = opened, None, -1

    def _look_at_the_state(self, work: Work) -> None:
        """Have in ``_coming`` what is to be written of the state, None if that is kept already."""
        slate = work.slate
        if self._state is not None and self._verified == slate.verifications:
            self._coming = None
            return
        self._verified, state = slate.verifications, slate.verified_state
        try:
            text = record(slate.state if state is None else state, "ctx.state").text
        except NotRecordable as error:
            if self._strange is None:
                self._say(work, str(error), "but its state is not kept for now")
            self._strange, self._coming = str(error), None
        else:
            self._strange, self._coming = None, None if text == self._state else text

    def _succeeded(self, work: Work) -> None:
        self._seq += 1
        if self._coming is not None:
            self._state_seq, self._state = self._state_seq + 1, self._coming
        if self._learned != self._taught:
            self._lessons_seq, self._taught = self._lessons_seq + 1, self._learned
        self._unsure = False
        if self._refused is not None:
            self._refused = None
            self._tell(work, StateKeptAgain)

    def _failed(self, work: Work, error: Exception) -> None:
        if self._refused is None:
            self._say(work, in_one_line(error), "but is not kept for now")
        self._refused, self._not_before = in_one_line(error), BLOCKING.now() + RETRY

    def _skip(self) -> None:
        """Give the next records higher numbers in the same slots: these may be there all the same."""
        self._seq, self._state_seq, self._verified = self._seq + 2, self._state_seq + 2, -1
        self._lessons_seq, self._taught = self._lessons_seq + 2, -1
        self._unsure = False

    def _say(self, work: Work, reason: str, what: str) -> None:
        log("loop %s goes on, %s: %s", self._name, what, reason)
        self._tell(work, StateNotKept, reason=reason)

    def _tell(self, work: Work, event: type[Event], **fields: Any) -> None:
        if work.node.listeners:
            work.node.tell(event(at=BLOCKING.now(), node=work.node.name, **fields))


def _numbers(found: Found) -> tuple[int, ...]:
    return found.seq, found.state_seq, found.lessons_seq


def checkpoint_of(control: Control, work: Work, state: int) -> Checkpoint:
    """Return where the loop of *control* and *work* stands; *state* is the number of its latest state that is kept."""
    with control.lock:
        waiting, schedule, book = control.waiting, control.schedule, control.book
        first, origin = schedule.anchor(waiting[0] if waiting else control.seen, ahead())
        return Checkpoint(
            wall=BLOCKING.wall(),
            epoch=schedule.epoch,
            ticks=schedule.by,
            first=first,
            origin=origin,
            seen=control.seen,
            number=control.number,
            waiting=ranges(waiting),
            at_work=None if control.at_work is None else control.at_work.number,
            beside=[tick.number for tick in control.beside.values() if tick is not None],
            most=None if control.most == math.inf else int(control.most),
            left=None if control.left == math.inf else int(control.left),
            paused=control.paused,
            is_over=control.is_over and not control.goes_on,
            iteration=work.tally.begun,
            counts={fate.value: book.counts.get(fate, 0) for fate in Fate},
            recent=[stretch.to_list() for stretch in list(book.recent)[-MOST_RECENT:]],
            state=state,
        )
