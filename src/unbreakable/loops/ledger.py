"""What became of every tick of a loop: counted exactly, and for the latest ones remembered with the reason."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from unbreakable.items import Items

MOST = 64  # stretches of ticks that share a fate and a reason; older ones are only counted


class Fate(enum.StrEnum):
    """Say how a tick ended; each ends in one way."""

    RUN = "run"  #: its iteration was good at once
    HEALED = "healed"  #: its iteration was good after something had gone wrong in it
    DEGRADED = "degraded"  #: the loop was in survival mode, and its substitute ran instead
    FAILED = "failed"  #: its iteration ended in an error
    INTERRUPTED = "interrupted"  #: its iteration was begun, and cut short: by a restart, or the end of loop or process
    SKIPPED_OVERLAP = "skipped_overlap"  #: an earlier iteration was in progress
    SKIPPED_MISSED = "skipped_missed"  #: nobody was awake at the time
    BACKED_OFF = "backed_off"  #: the loop was failing, and rested
    DROPPED = "dropped"  #: it waited for its turn, and too many did, or the loop ended first
    PAUSED = "paused"  #: the loop was paused
    NOT_LEADER = "not_leader"  #: another machine has the loop


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger(Items[int]):
    """Say how many ticks ended in which way, over all starts of a loop; ``ledger["healed"]`` works, too.

    ``total`` is the sum; with ``pending``, the ticks that are at work or wait for their turn, it is the number of ticks
    that there were so far.  Iterations that were triggered by hand belong to no tick.
    """

    run: int = 0
    healed: int = 0
    degraded: int = 0
    failed: int = 0
    interrupted: int = 0
    skipped_overlap: int = 0
    skipped_missed: int = 0
    backed_off: int = 0
    dropped: int = 0
    paused: int = 0
    not_leader: int = 0
    pending: int = 0

    @property
    def total(self) -> int:
        """How many ticks have ended."""
        return sum(self[fate.value] for fate in Fate)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as a JSON-ready dictionary."""
        return asdict(self)


@dataclass(slots=True)
class Stretch:
    """Ticks *first* to *last* of one start of a loop, which all ended in the same way for the same reason."""

    epoch: str
    first: int
    last: int
    fate: Fate
    reason: str

    def to_list(self) -> list[Any]:
        """Return the values of its fields, in their order."""
        return [self.epoch, self.first, self.last, self.fate, self.reason]

    @property
    def text(self) -> str:
        """Say how they ended, and why."""
        fate = self.fate.value.replace("_", " ")
        return f"{fate}: {self.reason}" if self.reason else fate


class Book:
    """Count the fates of ticks, and remember the latest stretches of them."""

    __slots__ = ("counts", "recent", "unheard")

    def __init__(self) -> None:
        self.unheard: deque[tuple[str, int, int, Fate, str]] | None = None  #: of what somebody listens for
        self.counts: dict[Fate, int] = {}
        self.recent: list[Stretch] = []

    def note(self, epoch: str, first: int, past: int, fate: Fate, reason: str = "") -> None:
        """Take in that ticks *first* up to, and without, *past* ended in *fate*; nothing if there are none."""
        if past <= first:
            return
        self.counts[fate] = self.counts.get(fate, 0) + past - first
        if self.unheard is not None:
            self.unheard.append((epoch, first, past, fate, reason))
        if self.recent:
            latest = self.recent[-1]
            if latest.last == first - 1 and latest.fate is fate and (latest.reason, latest.epoch) == (reason, epoch):
                latest.last = past - 1
                return
        self.recent.append(Stretch(epoch, first, past - 1, fate, reason))
        del self.recent[:-MOST]

    def restore(self, counts: dict[Fate, int], stretches: Iterable[Stretch]) -> None:
        """Begin with what another process has counted, and remembers."""
        self.counts.update(counts)
        self.recent.clear()
        self.recent.extend(stretches)

    def lost(self, epoch: str, at_work: Iterable[int], waiting: Iterable[Iterable[int]]) -> None:
        """Note that another process ended in the middle of ticks *at_work*, and that none of *waiting* will run."""
        for number in at_work:
            self.note(epoch, number, number + 1, Fate.INTERRUPTED, "the process ended in the middle of it")
        for first, past in waiting:
            self.note(epoch, first, past, Fate.DROPPED, "the process ended first, and the loop began anew")

    def copy(self) -> Book:
        """Return another book that says the same."""
        book = Book()
        book.counts, book.recent = self.counts.copy(), self.recent.copy()
        if book.recent:
            book.recent[-1] = replace(book.recent[-1])  # the only one that still grows
        return book

    def ledger(self, pending: int = 0) -> Ledger:
        """Return the counts; *pending* ticks have not ended yet."""
        return Ledger(**{fate.value: count for fate, count in self.counts.items()}, pending=pending)

    def find(self, epoch: str, number: int) -> Stretch | None:
        """Return what is remembered of tick *number*."""
        for stretch in reversed(self.recent):
            if stretch.epoch == epoch and stretch.first <= number <= stretch.last:
                return stretch
        return None
