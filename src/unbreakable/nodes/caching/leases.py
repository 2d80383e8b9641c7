"""What is asked for is loaded once; what was invalidated while it was loaded is not kept.

A load holds the *lease* of its key: the only right to store a value for it.  Whoever invalidates the key, one of its
tags or everything takes the lease away, and with it the load from the sight of those who come later.  So a call that
begins after an invalidation never gets what was read before it.  (The lease is that of Nishtala et al., "Scaling
Memcache at Facebook", NSDI 2013.)
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable

from unbreakable.nodes.caching.flight import Flight
from unbreakable.nodes.caching.shelf import Entry, Shelf
from unbreakable.runtime import Waiter
from unbreakable.runtime.broom import Broom


class Leases:
    """Keep the values of one cache, and the loads that may bring others."""

    def __init__(self, most: int) -> None:
        self.lock = threading.RLock()  # the finalizer of a value may come back here, in the same thread
        self.shelf = Shelf(most)
        self.flights: dict[Hashable, Flight] = {}
        self.under_way: set[Flight] = set()  # all of them: an event loop keeps only weak references to tasks
        self.broom = Broom()
        self.hits = self.misses = self.loads = self.failures = self.discarded = self.invalidated = 0

    def fresh(self, key: Hashable, now: float) -> Entry | None:
        """Return the entry of *key* if it is fresh *now*; takes no lock."""
        entry = self.shelf.entries.get(key)
        return entry if entry is not None and now < entry.until else None

    def hit(self, key: Hashable, now: float) -> Entry | None:
        """Return the entry of *key* if it is fresh *now*, and count that; takes no lock, so a count may be lost."""
        entry = self.fresh(key, now)
        if entry is not None:
            self.hits += 1
            entry.use()
        return entry

    # ── loading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def board(self, mine: Flight, here: object, now: float) -> Entry | Flight:
        """Return what answers the call: a fresh entry, the load that is under way, or *mine*, which is to begin.

        *here* is the event loop that the caller would block by waiting, None for one who waits on it.
        """
        if self.broom.is_due(len(self.under_way)):
            self.sweep(now)
        key = mine.entry.key
        with self.lock:
            entry = self.hit(key, now)
            if entry is not None:
                return entry
            self.misses += 1
            flight = self.flights.get(key)
            if flight is not None and flight.may_be_joined(now):
                if here is None or flight.loop is not here:
                    flight.callers += 1
                    return flight
            else:
                self.flights[key] = mine
                self.shelf.tag(mine.entry)
            self.loads += 1
            self.under_way.add(mine)
            return mine

    def sweep(self, now: float) -> None:
        """End the loads whose event loop was closed under them: nobody else will."""
        with self.lock:
            forsaken = [flight for flight in self.under_way if flight.is_forsaken]
            self.broom.swept(len(self.under_way) - len(forsaken))
        for flight in forsaken:
            self.land(flight, now)

    def line_up(self, flight: Flight, waiter: Waiter) -> bool:
        """Let *waiter* be woken when *flight* has landed; False when it has."""
        with self.lock:
            if not flight.over:
                flight.line[waiter] = None
            return not flight.over

    def land(self, flight: Flight, now: float) -> None:
        """End *flight*: keep what it brought if it still has the lease and is not too old, and wake who waits."""
        with self.lock:
            if not flight.over:
                self._settle(flight, now)
        for waiter in list(flight.line):  # again if need be: Ctrl-C may have come in between
            waiter.wake()
        flight.line.clear()

    def _settle(self, flight: Flight, now: float) -> None:
        self.under_way.discard(flight)
        flight.over = True
        self.failures += flight.has_failed
        fresh = flight.brought_a_value and now < flight.entry.until
        if not (fresh and self._keep(flight, now)):
            self.shelf.drop(flight.entry)
            self.discarded += flight.brought_a_value
        self.take_lease(flight)

    def _keep(self, flight: Flight, now: float) -> bool:
        """Store what *flight* brought; return whether it had the lease, before that and after."""
        leased = self.flights.get(flight.entry.key) is flight
        if leased:
            self.shelf.put(flight.entry, now)  # in the middle of this a finalizer may invalidate it
        return leased and self.take_lease(flight)

    def leave(self, flight: Flight) -> None:
        """Say that one caller no longer waits; a load that nobody waits for is broken off."""
        with self.lock:
            flight.callers -= 1
            if flight.callers or flight.over:
                return
            self.take_lease(flight)
        flight.cancel()

    def take_lease(self, flight: Flight) -> bool:
        """Take the lease from *flight*; return whether it had one."""
        if self.flights.get(flight.entry.key) is not flight:
            return False
        del self.flights[flight.entry.key]
        return True

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, entry: Entry, now: float) -> None:
        """Keep *entry* from now on; what is being loaded for its key will not take its place."""
        flight = Flight(entry, now, None)  # for the lease alone
        with self.lock:
            self.flights[entry.key] = flight
            self.shelf.tag(entry)
            if not self._keep(flight, now):
                self.shelf.drop(entry)

    def invalidate(self, key: Hashable, tags: Iterable[Hashable]) -> int:
        """Drop what is kept, and take the leases of what is loaded, for *key* (None for none) and the *tags*."""
        with self.lock:
            entries = self.shelf.with_tags(tags)
            if key is not None:
                self.flights.pop(key, None)
                entries += [self.shelf.entries[key]] if key in self.shelf.entries else []
            dropped = 0
            for entry in entries:
                dropped += self.shelf.drop(entry)
                flight = self.flights.get(entry.key)
                if flight is not None and flight.entry is entry:
                    del self.flights[entry.key]
            self.invalidated += dropped
        return dropped

    def invalidate_all(self) -> int:
        """Drop everything that is kept, and take every lease."""
        with self.lock:
            old, dropped = self.shelf.entries, len(self.shelf.entries)
            self.shelf.clear()
            self.flights.clear()
            self.invalidated += dropped
        del old  # here, outside the lock: this may run the values' own code, and take its time
        return dropped

    def size(self, now: float) -> int:
        """Return how many values are kept, those that are too old swept out first."""
        with self.lock:
            self.shelf.sweep(now, self.shelf.most)
            return len(self.shelf.entries)

    def after_fork(self) -> None:
        """Keep the values but no load; begin empty if another thread was changing something at that moment."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
        else:
            self.lock = threading.RLock()
            self.shelf.clear()
        self.flights, self.under_way = {}, set()
