"""Values stay within bounds: what is asked for again is kept, the rest makes room.

The order of leaving is S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction",
SOSP 2023): what comes in stands in a *small* queue, a tenth of the room; who was asked for meanwhile moves on to the
*main* one, where every use earns another round; of the others a *ghost* is kept, by which they enter the main queue
when they come back soon.  A hit changes nothing but one number of the entry, so that it needs no lock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Any

MOST_USES = 3  # that are counted for an entry, as in the paper: each earns one more round in the main queue
MOST_PASSED = 64  # entries that go another round before one must leave: a bound for the pause, not seen in hit ratios
MOST_SWEPT = 16  # entries that are too old to be kept are dropped with each new one; more would be a pause


class Entry:
    """A value, the moment until which it is fresh, its tags, and how often it was asked for lately."""

    __slots__ = ("key", "queue", "tags", "until", "uses", "value")

    def __init__(self, key: Hashable, until: float, tags: tuple[Hashable, ...] = (), value: Any = None) -> None:
        self.key, self.until, self.tags, self.value = key, until, tags, value
        self.uses = 0
        self.queue: OrderedDict[Hashable, Entry] | None = None  #: the one it stands in; None before and after

    def given(self) -> Any:
        """Return the value."""
        return self.value

    def use(self) -> None:
        """Count one use; uses at the same moment may count once."""
        if self.uses < MOST_USES:
            self.uses += 1


class Shelf:
    """Keep at most *most* entries.

    Its user calls the methods one at a time, under a lock; ``entries`` may be read without.  In the middle of any line
    a finalizer may call back, or Ctrl-C end it all: so each step stands whatever has gone meanwhile, and whatever is
    in ``entries`` is before that, and after that still, in a queue and among those with its tags.
    """

    def __init__(self, most: int) -> None:
        self.most, self.small_most = most, max(1, most // 10)
        self.evicted = self.expired = 0
        self.clear()

    def clear(self) -> None:
        """Keep nothing."""
        self.entries: dict[Hashable, Entry] = {}
        self.small: OrderedDict[Hashable, Entry] = OrderedDict()
        self.main: OrderedDict[Hashable, Entry] = OrderedDict()
        self.ghosts: OrderedDict[int, None] = OrderedDict()  # hashes of keys: a key itself may be large
        self.tagged: dict[Hashable, dict[Entry, None]] = {}

    # ── coming ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, entry: Entry, now: float) -> None:
        """Keep *entry*, in the place of another of its key if there is one; its tags were told before."""
        key, queue, old = entry.key, self.small, self.entries.get(entry.key)
        if old is None:
            self.sweep(now, MOST_SWEPT)
            self._make_room(now, self.most - 1)
            queue = self.main if hash(key) in self.ghosts else self.small
        elif old.queue is not None:
            queue, entry.uses = old.queue, old.uses
        entry.queue, queue[key] = queue, entry
        queue.move_to_end(key)
        self.entries[key] = entry
        self.ghosts.pop(hash(key), None)
        if old is not None:
            self.expired += old.until <= now
            self.untag(old)
        self._make_room(now, self.most)  # if a finalizer put something in meanwhile

    def tag(self, entry: Entry) -> None:
        """Let *entry*, kept or only on its way, be found by its tags."""
        for tag in entry.tags:
            self.tagged.setdefault(tag, {})[entry] = None

    def untag(self, entry: Entry) -> None:
        """Let *entry* no longer be found by its tags."""
        for tag in entry.tags:
            entries = self.tagged.get(tag, {})
            entries.pop(entry, None)
            if not entries:
                self.tagged.pop(tag, None)

    def with_tags(self, tags: Iterable[Hashable]) -> list[Entry]:
        """Return the entries, kept or on their way, that have any of the *tags*."""
        return list(dict.fromkeys(entry for tag in tags for entry in list(self.tagged.get(tag, ()))))

    # ── going ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def drop(self, entry: Entry) -> bool:
        """Keep *entry* no longer; return whether it was kept."""
        kept = self.entries.get(entry.key) is entry
        if kept:
            self.entries.pop(entry.key, None)
        if entry.queue is not None and entry.queue.get(entry.key) is entry:
            entry.queue.pop(entry.key, None)
        self.untag(entry)
        return kept

    def sweep(self, now: float, most: int) -> None:
        """Drop at most *most* of the entries that came first and are too old to be used."""
        for queue in (self.small, self.main):
            while most > 0 and (entry := first_of(queue)) is not None and entry.until <= now:
                self.expired += self.drop(entry)
                queue.pop(entry.key, None)
                most -= 1

    def _make_room(self, now: float, most: int) -> None:
        """Let entries go until at most *most* are left."""
        passed = 0
        while len(self.entries) > most:
            queue = self.small if len(self.small) >= self.small_most or not self.main else self.main
            entry = first_of(queue)
            if entry is None:
                break
            if entry.uses and now < entry.until and passed < MOST_PASSED:
                self._pass_on(entry, queue)
                passed += 1
                continue
            if queue is self.small:
                self._remember(entry.key)
            self.evicted += self.drop(entry)
            queue.pop(entry.key, None)

    def _pass_on(self, entry: Entry, queue: OrderedDict[Hashable, Entry]) -> None:
        """Give *entry* a round in the main queue: the first for its uses so far, another for one of them."""
        entry.queue = self.main
        self.main[entry.key] = entry
        self.main.move_to_end(entry.key)
        if queue is self.small:
            self.small.pop(entry.key, None)
        else:
            entry.uses -= 1

    def _remember(self, key: Hashable) -> None:
        self.ghosts[hash(key)] = None
        while len(self.ghosts) > self.most:
            self.ghosts.popitem(last=False)


def first_of(queue: OrderedDict[Hashable, Entry]) -> Entry | None:
    """Return the entry that has stood in *queue* for longest, None if it is empty."""
    while True:
        try:
            return next(iter(queue.values()), None)
        except RuntimeError:  # a finalizer changed it between the two calls
            continue
