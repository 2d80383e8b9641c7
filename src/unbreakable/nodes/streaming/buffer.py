"""One line of items, of which the front is in memory and the rest, if need be, on disk.

The law of this file.  Items leave in the order in which they came, whichever way they took.  Once something is on disk
that is not in memory, whatever comes later goes there, too; memory takes items again when the disk has been read to its
end.  Every accepted item is counted in exactly one place, and moves from one to the other under the lock.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unbreakable.errors import Rejected, StateError, StateGone, StateInUse
from unbreakable.nodes.streaming.counting import Counting, Tally
from unbreakable.nodes.streaming.entry import Entry, entry_of, rows, stored
from unbreakable.nodes.streaming.milestone import Milestone
from unbreakable.runtime import Line, Waiter, new_lock
from unbreakable.storage.log import Log
from unbreakable.storage.reading import Gap, Record
from unbreakable.storage.turn import Turn, unannounced

MOST_READ = 1_000  # items that are read from disk at once
BRIEFLY = 0.05  # seconds for somebody to be through with a few lines of arithmetic


class Lease:
    """The items that are being delivered, oldest first; worth nothing once the buffer has given another one."""

    __slots__ = ("entries",)

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Say how many items memory holds; whether each is written to the log, and waits there to be confirmed."""

    most: int
    logs_all: bool = False
    confirms: bool = False


class Buffer:
    """Hold the line; safe to use from any thread.

    *run* makes places that no other process gives.  *told* is told of each gap that reading comes across.
    """

    def __init__(self, rules: Rules, log: Log | None, run: str, told: Callable[[Gap], None]) -> None:
        self.rules, self.log, self.run = rules, log, run
        self.count, self.line = Counting(), Line()
        self.lease: Lease | None = None
        self.ended: str | None = None  #: why nothing is taken in any more
        self._told, self._lock = told, new_lock()
        self.turn = Turn("the stream", self._lock)
        self._entries: deque[Entry | Gap] = deque()
        self._left: deque[Entry] = deque()  #: what an earlier buffer had only in memory, to go between what is read
        self._unread = 0 if log is None else log.count()  #: how many items are on disk and not in memory
        self._next = 1 if log is None else log.last + 1
        self._passed = 0  #: the number of the last item that came into memory
        self._keeper: Callable[[], object] = _nobody  # a weak reference to whoever handles the items
        self._kept: object = None  #: the same, as long as there are any
        self._wanted = 0
        self._waiter: Waiter | None = None  #: whoever waits for that many items
        self.settled = Milestone(0 if self._unread else self.last)

    @property
    def last(self) -> int:
        """Return the number of the item that came last, 0 for none."""
        return self._next - 1

    # ── in ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, flags: int, payload: Any, id: str | None = None, tally: Tally | None = None) -> Entry | None:
        """Take an item and return it, None when there is no room now; StateGone when the folder is gone.

        One that has an *id* comes from the dead letters, and is counted no second time.  *tally* counts it, too.
        Raises Rejected once it has ``ended``, and StateInUse in a handler of signals that interrupted this very thread
        in the middle of work on the line.
        """
        self.turn.refuse_if_mine()
        with unannounced, self._lock:
            if self.ended is not None:  # asked here: a handler may close it at any moment before
                raise Rejected(self.ended)
            entry = self._put(flags, payload, id, tally)
            if entry is not None and self._waiter is not None:
                self._wake()
        return entry

    def _put(self, flags: int, payload: Any, id: str | None, tally: Tally | None) -> Entry | None:
        number, place = self._next, f"{self.run}-{self._next}"
        spills = self._unread > 0 or self._held() >= self.rules.most
        entry = Entry(number, place, id or place, flags, payload, spills or self.rules.logs_all)
        try:
            if entry.is_logged and not self._has_logged(entry):
                return None
            self._come(entry, spills, is_new=id is None)
        except BaseException:
            if self.log is not None and self.log.last >= number == self._next:  # an interrupt, when it was written
                self._come(entry, spills, is_new=id is None)
            raise
        if tally is not None:
            tally.add(number, self.settled.value)
        return entry

    def refuse_if_mine(self) -> None:
        """Raise StateInUse in a handler of signals that interrupted this thread in work on the line, or on its log."""
        self.turn.refuse_if_mine()
        if self.log is not None:
            self.log.refuse_if_mine()

    def _come(self, entry: Entry, spills: bool, *, is_new: bool) -> None:
        """Count *entry*, which is written if it has to be, as the last of all.

        Python lets an interrupt in where something is called: before the first of these lines, or after the last.
        """
        if self._kept is None:
            self._kept = self._keeper()
        self.count.put(entry, is_new=is_new)
        self._next = entry.number + 1
        if spills:
            self._unread += 1
        else:
            self._passed = entry.number
            self._entries.append(entry)

    def _held(self) -> int:
        return len(self._entries) + len(self._left) + (0 if self.lease is None else len(self.lease.entries))

    def _has_logged(self, entry: Entry) -> bool:
        if self.log is None:
            return False
        try:
            self.log.append(*stored(entry))
        except (StateGone, StateInUse):
            raise  # waiting does not help
        except StateError:
            return False  # log.trouble says why
        return True

    # ── out ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def ready(self) -> int:
        """Return how many items can be taken, those of the present lease included."""
        with unannounced, self._lock:
            return self._ready()

    def _ready(self) -> int:
        return self._held() + self._unread - (self.last - self._confirmed)

    def call(self, waiter: Waiter, wanted: int) -> None:
        """Wake *waiter* once when at least *wanted* items can be taken; whoever waited before is forgotten."""
        with unannounced, self._lock:
            self._wanted, self._waiter = wanted, waiter

    def keep(self, handles: object, weakly: Callable[[], object]) -> None:
        """Hold *handles* from now on whenever something is in the line, and *weakly*, which returns it, at any time."""
        with unannounced, self._lock:
            self._keeper, self._kept = weakly, handles

    def is_kept_by(self, weakly: Callable[[], object]) -> bool:
        """Return whether nobody was named since to handle the items: the event loop of the last one may be closed."""
        return self._keeper is weakly

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be handled, on disk or in memory."""
        with unannounced, self._lock:
            return not self._held() and not self._unread

    def let_go(self, waiter: Waiter) -> bool:
        """Hold whoever handles the items no longer, if there are none, and wake *waiter* when the next one comes."""
        with unannounced, self._lock:
            if self._held() or self._unread:
                return False
            self._wanted, self._waiter, self._kept = 0, waiter, None
        return True

    def notify(self) -> None:
        """Wake whoever waits for as many items as there are now."""
        with unannounced, self._lock:
            self._wake()

    def _wake(self) -> None:
        """Wake them under the lock: a handler that waits in the middle of it would wait for whoever is woken."""
        waiter = self._waiter
        if waiter is None or self._ready() < self._wanted:
            return
        waiter.wake()
        if self._waiter is waiter:  # not before: an interrupt in between would leave it asleep
            self._waiter = None

    def take(self, most: int) -> Lease | None:
        """Return up to *most* items, None when there are none; raises StateError when the disk cannot be read.

        What is left of an earlier lease comes first, and that lease is worth nothing any more.
        """
        gaps: list[Gap] = []
        with unannounced:
            with self._lock:
                self._give_back()
                entries = self._next_entries(most, gaps)
                self.lease = lease = Lease(entries) if entries else None
            for gap in gaps:
                self._told(gap)
                self.settled.reach(gap.last)
        return lease

    def _next_entries(self, most: int, gaps: list[Gap]) -> list[Entry]:
        """Return up to *most* items from the front; gaps before the first of them are passed."""
        entries: list[Entry] = []
        while len(entries) < most and self._has_next(is_urgent=not (entries or gaps)):
            head = self._entries[0]
            if isinstance(head, Entry):
                if head.number > self._confirmed:
                    break
                entries.append(head)
            elif entries:
                break  # what is before it must be settled first
            else:
                gaps.append(head)
                self.count.lost(head.first, head.last)
                self._done(head.last)
            self._entries.popleft()
        return entries

    @property
    def _confirmed(self) -> int:
        return self.log.synced if self.log is not None and self.rules.confirms else self.last

    def _has_next(self, *, is_urgent: bool) -> bool:
        """Return whether memory holds something, read from disk if need be; a disk that refuses is told if urgent."""
        if not self._entries and self._unread and self.log is not None:
            try:
                found = self.log.read(min(self.rules.most, MOST_READ), self._confirmed, above=self._passed)
            except StateError:
                if is_urgent:
                    raise
                return False
            for each in found:
                self._let_in_what_is_left(each.first if isinstance(each, Gap) else each.number)
                self._come_in(each)
            if not found or not self._unread:
                self._let_in_what_is_left(self._next)
        return bool(self._entries)

    def _let_in_what_is_left(self, before: int) -> None:
        """Let what is numbered below *before* come in; what is on disk and lower has come in already."""
        while self._left and self._left[0].number < before:
            self._entries.append(self._left.popleft())

    def _come_in(self, found: Record | Gap) -> None:
        if isinstance(found, Gap):
            self._entries.append(found)
            self._unread -= found.last - found.first + 1
            self._passed = found.last
        else:
            self._entries.append(entry_of(found))
            self._unread -= 1
            self._passed = found.number

    def _give_back(self) -> None:
        if self.lease is not None:
            self._entries.extendleft(reversed(self.lease.entries))
            self.lease = None

    def release(self) -> None:
        """Let what is being delivered be taken once more, by whoever comes next."""
        with unannounced, self._lock:
            self._give_back()

    # ── done ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self, lease: Lease, upto: int) -> bool:
        """Note that items of *lease* numbered up to *upto* are handled; False when they are no longer in it."""
        return self._finish(lease, upto, self.count.settled)

    def bury(self, lease: Lease, number: int) -> bool:
        """Note that the first item, which has that *number*, was set aside; False when it is no longer in the lease."""
        return self._finish(lease, number, self.count.buried)

    def forget(self, lease: Lease, number: int) -> bool:
        """Note that the first item, which has that *number*, was set aside by an earlier process; else as ``bury``."""
        return self._finish(lease, number, self.count.twice)

    def _finish(self, lease: Lease, upto: int, counted: Callable[[list[Entry]], None]) -> bool:
        with unannounced:
            with self._lock:
                entries = [entry for entry in lease.entries if entry.number <= upto] if lease is self.lease else []
                if not entries:
                    return False
                lease.entries = lease.entries[len(entries) :]
                if not lease.entries:
                    self.lease = None
                counted(entries)
                if any(entry.is_logged for entry in entries):
                    self._done(upto)
            self.settled.reach(upto)
            self.line.call()
        return True

    def _done(self, number: int) -> None:
        if self.log is not None:
            with contextlib.suppress(StateError):  # the next process delivers it once more; log.trouble says why
                self.log.done(number)

    def kept_both(self) -> None:
        """Note that an item came out of the dead letters, and that its letter has to stay."""
        with unannounced, self._lock:
            self.count.kept_both()

    def discarded(self) -> None:
        """Note that somebody has dealt with a dead letter."""
        with unannounced, self._lock:
            self.count.discarded()

    def counted(self) -> dict[str, int]:
        """Return how many items were accepted, and where they are.

        In a handler of signals that interrupted this thread in its work on the log, nobody is waited for who may wait
        for that: he stands where every item is counted.
        """
        with unannounced:
            is_ours = self._lock.acquire(timeout=-1 if self.log is None or not self.log.is_mine else BRIEFLY)
            try:
                return self.count.to_dict()
            finally:
                if is_ours:
                    self._lock.release()

    # ── opening and leaving ─────────────────────────────────────────────────────────────────────────────────────────

    def adopt(self, before: Buffer) -> None:
        """Take over what an earlier buffer of the same stream counted, and what it could not write down."""
        kept = before.only_in_memory()
        with unannounced, self._lock:
            (self._left if self._unread else self._entries).extend(kept)
            self._next = max(self._next, before.last + 1)
            self.count.take_over(before.count, len(kept))
            self.settled = Milestone(0 if kept or self._unread else self.last)

    def only_in_memory(self) -> list[Entry]:
        """Return the items that are nowhere else, in order."""
        with unannounced, self._lock:
            leased = [] if self.lease is None else self.lease.entries
            held = (*leased, *self._entries, *self._left)
            return [each for each in held if isinstance(each, Entry) and not each.is_logged]

    def write_down(self) -> None:
        """Write what is nowhere but in memory to the log, before what came later; raises StateError."""
        self.release()
        log = self.log
        if log is None:
            return
        for row in rows(self.only_in_memory()):
            with unannounced, self._lock:
                log.insert([stored(entry) for entry in row])
                for entry in row:
                    entry.is_logged = True
                self.count.logged(len(row))


def _nobody() -> None:
    """Handle nothing: whoever takes the items holds the stream."""
