"""A log on disk: what was added is there after a crash, in order, until it is done with.

The law of this file.  ``append`` returns once the record is written: it survives the death of the process, as long as
no ``sync`` fails.  ``sync`` returns once everything appended before is on the device and so survives a power cut.
``done`` says up to where records are done with; a file is removed only when the device knows that all of its records
are.  Damage is passed over and told, record by record.  One process owns the folder.  A full or broken disk refuses
``append`` and ``sync`` with a StateError and nothing else: reading goes on.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from unbreakable.storage.disk import DISK, Disk
from unbreakable.storage.mark import Mark
from unbreakable.storage.owner import Ownership
from unbreakable.storage.reading import Found, Reading
from unbreakable.storage.segments import Segments
from unbreakable.storage.trouble import StateError, StateNotOurs, explained
from unbreakable.storage.writing import Limits, Writer

SEGMENT_BYTES = 16 * 2**20
MOST_PAYLOAD = 16 * 2**20  # bytes of one record
LEAST_LOG_BYTES = 64 * 1024
SHARE = 8  # a file takes at most this part of the log's limit, so that there is something to remove before it is full


class Log:
    """Hold the log in *folder*, which is made if it is not there; safe to use from any thread.

    With *durable* the folder itself is synced, too, when files come and go.  *log_bytes* is how many bytes all files
    together may take.  Raises StateOwned when another process has it, StateTooNew when a newer version wrote it.
    """

    def __init__(self, folder: Path, *, durable: bool, log_bytes: int, disk: Disk = DISK) -> None:
        self.folder = folder
        self.trouble: StateError | None = None  #: why the last write or sync failed, None when it did not
        self._disk, self._durable = disk, durable
        self._lock, self._syncing, self._pid = threading.Lock(), threading.Lock(), os.getpid()
        self._is_open = True
        with self._explained():
            disk.make_folder(folder)
        self._owner = Ownership(folder / "log")
        try:
            with self._explained():
                self._recover(log_bytes)
        except BaseException:
            self._owner.release()
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
            self.trouble = explained(error, self.folder)

    # ── use ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def append(self, number: int, flags: int, payload: bytes) -> None:
        """Write a record whose *number* is above all others, or raise a StateError and write nothing."""
        with self._at_work():
            self._writer.append(number, flags, payload)

    def insert(self, records: list[tuple[int, int, bytes]]) -> None:
        """Write records, of numbers in one row, that were never in the log and come before others that are."""
        with self._at_work():
            self._writer.insert(records)

    def sync(self) -> int:
        """Return the number up to which everything is on the device, after what was appended so far is.

        After a StateError what was appended is still held, and asked of the device by the next call or ``append``.
        """
        with self._syncing:
            with self._at_work():
                batch = self._writer.begin_sync()
            try:
                for segment in batch.segments:
                    if segment.descriptor is not None:
                        self._disk.sync(segment.descriptor)
                if batch.names:
                    self._disk.sync_folder(self.folder)
            except BaseException:  # an interrupt as well: nobody knows how far it came
                with self._at_work():
                    self._writer.distrust()
                    raise
            with self._at_work():
                self._writer.end_sync(batch)
                return self._writer.synced

    def read(self, most: int, upto: int, above: int = 0) -> list[Found]:
        """Return the next records, at most *most*, numbered up to *upto*, in order, with the gaps between them.

        Each is returned once, a few hundred KiB at a time; none at the end.  What is not above *above* is passed over.
        """
        with self._at_work(is_writing=False):
            self._reading.skip(above)
            return self._reading.read(most, upto)

    def done(self, number: int) -> None:
        """Say that everything numbered up to *number* is done with.

        After a StateError it may be read once more by the next process.
        """
        with self._at_work():
            self._done = number
            self._mark.write(number)
            self._remove_what_is_done()

    def close(self) -> None:
        """Let go of the folder; closing twice is the same as once."""
        if self._pid != os.getpid():
            return
        with self._syncing, self._lock:
            if self._is_open:
                self._is_open = False
                with contextlib.suppress(OSError):
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
        """Return the names of files that could not be read at all and were set aside when the log was opened."""
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

    @contextlib.contextmanager
    def _at_work(self, *, is_writing: bool = True) -> Iterator[None]:
        if self._pid != os.getpid():
            raise StateError(f"{self.folder}: opened by process {self._pid}; open it anew in a forked child")
        with self._lock:
            if not self._is_open:
                raise StateError(f"{self.folder}: it is closed")
            try:
                with self._explained():
                    yield
            except StateError as trouble:
                self.trouble = trouble
                raise
            if is_writing:
                self.trouble = None

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (FileExistsError, NotADirectoryError) as error:
            raise StateNotOurs(f"{error.filename}: a file is in the way; name another folder") from error
        except OSError as error:
            raise explained(error, self.folder) from error
