"""A log on disk: what was added is there after a crash, in order, until it is done with.

The law of this file.  ``append`` returns once the record is written: it survives the death of the process, as long as
no ``sync`` fails.  ``sync`` returns once everything appended before is on the device and so survives a power cut.
``done`` says up to where records are done with; a file is removed only when the device knows that all of its records
are.  Damage is passed over and told, record by record.  One process owns the folder.  A full or broken disk refuses
``append`` and ``sync`` with a StateError and nothing else: reading goes on.  Nothing is written to a folder that was
deleted or replaced.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType

from unbreakable.errors import StateError, StateGone, StateNotOurs
from unbreakable.storage.disk import DISK, Disk
from unbreakable.storage.mark import Mark
from unbreakable.storage.owner import Ownership
from unbreakable.storage.reading import Found, Reading
from unbreakable.storage.segments import Segments
from unbreakable.storage.trouble import explained
from unbreakable.storage.turn import Turn
from unbreakable.storage.writing import Limits, Writer

SEGMENT_BYTES = 16 * 2**20
MOST_PAYLOAD = 16 * 2**20  # bytes of one record
OVERHEAD = 1_024  # bytes of a file that are no payload, at most
LEAST_LOG_BYTES = 64 * 1024
SHARE = 8  # a file takes at most this part of the log's limit, so that there is something to remove before it is full


class Log:
    """Hold the log in *folder*, which is made if it is not there; safe to use from any thread.

    With *durable* the folder itself is synced, too, when files come and go.  *log_bytes* is how many bytes all files
    together may take, and while a disk confirms nothing one file more: an eighth, at most 16 MiB.  Raises StateOwned
    when another process has it, StateTooNew when a newer version wrote it.
    """

    def __init__(self, folder: Path, *, durable: bool, log_bytes: int, disk: Disk = DISK) -> None:
        self.folder = folder
        self._troubles: dict[str, StateError] = {}  #: by what was asked last and refused
        self._appending, self._confirming = Task(self, "append"), Task(self, "sync")
        self._gathering, self._being_done = Task(self, "gather"), Task(self, "done")
        self._reading_on = Task(self, "read")
        self._disk, self._durable = disk, durable
        self._turn, self._syncing, self._pid = Turn(str(folder)), Turn(str(folder)), os.getpid()
        self._is_open = True
        try:
            disk.make_folder(folder)
        except OSError as error:
            raise self._explained(error) from error
        self._owner = Ownership(folder / "log", "folder")
        try:
            self._recover(log_bytes)
        except BaseException as error:
            self._owner.release()
            if isinstance(error, OSError):
                raise self._explained(error) from error
            raise

    def _recover(self, log_bytes: int) -> None:
        self._mark = Mark(self.folder / "mark", self._disk)
        try:
            self._segments = Segments(self.folder, self._disk)
            if self._mark.is_lost and self._segments.all:
                self._mark.write(self._segments.all[0].header.follows)
            self.run, self._done = os.urandom(8), self._mark.number
            limits = Limits(
                durable=self._durable, segment_bytes=min(SEGMENT_BYTES, log_bytes // SHARE), log_bytes=log_bytes
            )
            last = max(self._mark.number, self._segments.last)
            self._writer = Writer(self._segments, self._disk, limits, self.run, last)
            self._reading = Reading(self._segments, self._disk, self._mark.number)
            self._remove_what_is_done()
            if self._durable:
                self._sync_what_was_found()
        except BaseException:
            self._mark.close()
            raise

    def _sync_what_was_found(self) -> None:
        """Ask the device for what an earlier process wrote and may not have lived to see confirmed."""
        try:
            for segment in self._segments.all:
                descriptor = self._disk.open(segment.path)
                try:
                    self._disk.sync(descriptor)
                finally:
                    self._disk.close(descriptor)
            self._disk.sync_folder(self.folder)
        except OSError as error:  # whoever wrote it has long been told that it is not confirmed
            self._troubles["sync"] = explained(error, self.folder)

    # ── use ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def append(self, number: int, flags: int, payload: bytes) -> None:
        """Write a record whose *number* is above all others, or raise a StateError and write nothing."""
        with self._here, self._turn.lock, self._appending:
            self._refuse_if_gone()
            if not self._writer.has_room(payload):
                self._writer.seal()  # all that is in the present file may be done with
                self._remove_what_is_done()
            self._writer.append(number, flags, payload)

    def insert(self, records: list[tuple[int, int, bytes]]) -> None:
        """Write records, of numbers in one row, that were never in the log and come before others that are."""
        with self._here, self._turn.lock, self._appending:
            self._refuse_if_gone()
            self._writer.insert(records)

    def _refuse_if_gone(self) -> None:
        """Write nothing where nobody would find it, and nothing into a folder that somebody else may have by now."""
        if not self._owner.is_current:
            raise StateGone(f"{self.folder}: was deleted or replaced while this process worked with it")

    def sync(self) -> int:
        """Return the number up to which everything is on the device, after what was appended so far is.

        After a StateError what was appended is still held, and asked of the device by the next call or ``append``.
        """
        with self._syncing, self._syncing.lock:
            with self._here, self._turn.lock, self._gathering:
                batch = self._writer.begin_sync()
            try:
                for segment in batch.segments:
                    if segment.descriptor is not None:
                        self._disk.sync(segment.descriptor)
                if batch.names:
                    self._disk.sync_folder(self.folder)
            except BaseException:  # an interrupt as well: nobody knows how far it came
                with self._here, self._turn.lock, self._confirming:
                    self._writer.distrust()
                    raise
            with self._here, self._turn.lock, self._confirming:
                self._writer.end_sync(batch)
                return self._writer.synced

    def read(self, most: int, upto: int, above: int = 0) -> list[Found]:
        """Return the next records, at most *most*, numbered up to *upto*, in order, with the gaps between them.

        Each is returned once, a few hundred KiB at a time; none at the end.  What is not above *above* is passed over.
        """
        with self._here, self._turn.lock, self._reading_on:
            self._reading.skip(above)
            return self._reading.read(most, upto)

    def done(self, number: int) -> None:
        """Say that everything numbered up to *number* is done with.

        After a StateError it may be read once more by the next process.
        """
        with self._here, self._turn.lock, self._being_done:
            self._done = number
            self._mark.write(number)
            self._remove_what_is_done()

    def close(self) -> None:
        """Let go of the folder; closing twice is the same as once."""
        if self._pid != os.getpid():
            return
        with self._syncing, self._syncing.lock, self._turn, self._turn.lock:
            if self._is_open:
                self._is_open = False
                with contextlib.suppress(OSError):
                    self._writer.write_again()
                    self._writer.seal()
                    if self._mark.number < self._done:
                        self._mark.write(self._done)  # the disk had refused
                    self._remove_what_is_done()
                self._let_go()
                self._owner.release()

    def forget(self) -> None:
        """Let go of the folder in a forked child, whose parent goes on with it."""
        self._let_go()
        self._owner.forget()

    def _let_go(self) -> None:
        self._reading.close()
        self._mark.close()
        for segment in self._segments.all:
            self._segments.close(segment)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def trouble(self) -> StateError | None:
        """Return why what was asked last is refused, None when everything works."""
        return next(iter(self._troubles.values()), None)

    @property
    def is_mine(self) -> bool:
        """Whether this thread is at work on the log, where a handler of signals has interrupted it."""
        return self._turn.is_mine or self._syncing.is_mine

    def refuse_if_mine(self) -> None:
        """Raise StateInUse where a handler of signals has interrupted this thread in its work on the log."""
        self._syncing.refuse_if_mine()
        self._turn.refuse_if_mine()

    @property
    def last(self) -> int:
        """Return the number of the last record that was ever in the log, as far as is known."""
        return self._writer.last

    @property
    def synced(self) -> int:
        """Return the number up to which everything is on the device."""
        return self._writer.synced

    @property
    def size_bytes(self) -> int:
        """Return how many bytes the files take."""
        return self._segments.size_bytes

    @property
    def broken(self) -> list[str]:
        """Return the names of files that cannot be read at all, and were there, set aside, when the log was opened."""
        return self._segments.broken

    def count(self) -> int:
        """Return how many records are there that were not read yet."""
        return self._segments.count_above(self._reading.last)

    # ── how it is done ──────────────────────────────────────────────────────────────────────────────────────────────

    def _remove_what_is_done(self) -> None:
        number, writer = self._mark.number, self._writer
        past = [each for each in self._segments.all if each.is_past(number) and not writer.is_open(each)]
        if not past:
            return
        self._mark.sync()
        for segment in past:
            self._reading.leave(segment)
            self._segments.drop(segment)
        if self._durable:
            self._disk.sync_folder(self.folder)

    @property
    def _here(self) -> Turn:
        """The turn of who reads and writes, if that is possible here."""
        if self._pid != os.getpid():
            raise StateError(f"{self.folder}: opened by process {self._pid}; open it anew in a forked child")
        return self._turn

    def enter(self) -> None:
        """Begin a task, in the turn of this thread."""
        if not self._is_open:
            raise StateError(f"{self.folder}: it is closed")

    def leave(self, verb: str, error: BaseException | None) -> None:
        """End a task; remember, and raise as a StateError, what the system refused to the *verb*."""
        if error is None:
            self._troubles.pop(verb, None)
        elif isinstance(error, (OSError, StateError)):
            trouble = self._troubles[verb] = self._explained(error)
            if trouble is not error:
                raise trouble from error

    def _explained(self, error: OSError | StateError) -> StateError:
        if isinstance(error, StateError):
            return error
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            return StateNotOurs(f"{error.filename}: a file is in the way; name another folder")
        return explained(error, self.folder)


class Task:
    """What *verb* says, done to *log* by whoever has its turn."""

    __slots__ = ("_log", "_verb")

    def __init__(self, log: Log, verb: str) -> None:
        self._log, self._verb = log, verb

    def __enter__(self) -> None:
        self._log.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._log.leave(self._verb, error)
