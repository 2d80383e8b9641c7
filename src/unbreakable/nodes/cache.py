"""What was read is kept for a while, and never given to anybody who asks after it was declared invalid.

What holds, whoever asks, from whichever thread or event loop of this process:

- **Bounded age.**  A value that is kept was read no more than ``ttl`` ago, counted from the moment at which its load
  began, on a clock that does not step (on Linux it stands still while the machine sleeps).  A load that takes longer
  hands its value to those who wait for it, and keeps nothing; who comes later than ``ttl`` after it began does not
  wait for it, but begins another.
- **Invalidation wins.**  A call that begins after ``invalidate`` has returned gets nothing that was read before it.
- **One load.**  Who asks for what is being loaded waits for that load.
- **Only what the source said is kept**: no exception, no value that ``verify`` or ``schema`` refused, no fallback's.
- **Bounded room.**  At most ``max_size`` values are kept; see ``shelf.py`` for which.

Not promised: that the source does not change without telling (then the age is the bound), that a value was not changed
by somebody to whom it was given (it is not copied), and anything about other processes.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, Unpack

from unbreakable.events import Event
from unbreakable.fractal import FractalNode
from unbreakable.fractal.node import F
from unbreakable.fractal.options import Options
from unbreakable.fractal.ports import join
from unbreakable.fractal.remedies import Matcher
from unbreakable.fractal.settings import check_names
from unbreakable.fractal.status import NodeStatus
from unbreakable.nodes.caching.keys import check_loader, checked_key, checked_tags, tags_of_a_value
from unbreakable.nodes.caching.leases import Leases
from unbreakable.nodes.caching.loading import Loading
from unbreakable.nodes.caching.reading import AsyncReading, SyncReading
from unbreakable.nodes.caching.shelf import Entry
from unbreakable.policies import check
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing, run_blocking

E = TypeVar("E", bound=Event)

MOST_STALE = 0.01  # share of answers that may be stale; none is, as yet

_caches: weakref.WeakSet[CacheNode] = weakref.WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatus:
    """Say how a cache is doing; ``node`` says how its loads go.

    ``hits`` and ``misses`` count looks that found a fresh value and looks that did not (in a Python without a GIL, hits
    at the very same moment may count once); ``hit_rate`` is hits / (hits + misses), 0.0 before the first.  ``loads``
    were begun, of which ``load_failures`` failed and ``discarded`` brought a value that was not kept: it was
    invalidated meanwhile or took longer than the ttl.  ``in_flight`` are under way.  Of the values that were kept,
    ``evictions`` made room for others, ``expirations`` were found too old and ``invalidations`` were invalidated.
    """

    name: str
    size: int
    max_size: int
    hits: int
    misses: int
    hit_rate: float
    loads: int
    load_failures: int
    discarded: int
    in_flight: int
    evictions: int
    expirations: int
    invalidations: int
    node: NodeStatus

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-ready dictionary."""
        return asdict(self)


class CacheNode(Closing):
    """Keep what was read for at most *ttl* seconds: ``await cache.get(key)``, or ``cache.get_sync(key)``.

    >>> cache = CacheNode(ttl=60, loader=lambda city: f"weather of {city}")
    >>> cache.get_sync("CAI"), cache.get_sync("CAI"), cache.get_status().hits
    ('weather of CAI', 'weather of CAI', 1)

    *loader* takes the key, is async or sync, and reads the value at its source; ``get`` may be given a function of its
    own instead.  A load is a call of a protected function: the other keywords are those of ``ub.protect``, where
    ``effects`` is "none" unless told otherwise, and ``validate`` and ``key`` are asked about the key before a load.  A
    hit asks none of them.  *max_size* is the largest number of values that are kept.  *max_stale_ratio* is the largest
    share of answers that may be stale: none is, as yet, so that other values than the default and 0 are refused.

    A load belongs to all who wait for it: it goes on as long as one of them does, under the node's deadline, not under
    that of a caller, and sees the context variables of who came first.  In sync code the thread of who came first
    carries it, and has no more time for it than that caller has.

    A forked child keeps the values and none of the loads.  Raises ConfigurationError when a setting is wrong.
    """

    def __init__(
        self,
        ttl: float = 3600,
        *,
        max_size: int = 10_000,
        loader: Callable[[Any], Any] | None = None,
        max_stale_ratio: float = MOST_STALE,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_names(name or "cache", options, CacheNode)
        check.seconds("ttl", ttl, positive=True, endless=True)
        check.whole("max_size", max_size, least=1)
        check_loader(loader)
        if max_stale_ratio not in (MOST_STALE, 0, None) or isinstance(max_stale_ratio, bool):
            raise check.refuse(
                "max_stale_ratio", f"{MOST_STALE} or 0: stale values are not served yet", max_stale_ratio
            )
        system = options.pop("system", None)
        options.setdefault("effects", "none")
        self.node = FractalNode("cache" if name is None else name, **options)
        self.node.speaks_of_itself = True
        self.ttl, self.max_size = float(ttl), max_size
        self.leases = Leases(max_size)
        self.loading = Loading(self.node, self.leases, loader, self.ttl)
        _caches.add(self)
        join(self, system)

    @property
    def name(self) -> str:
        """Return the name, which its events bear."""
        return self.node.name

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @AsyncReading
    async def get(self, key: Hashable, fetch: Callable[[], Any] | None = None, *, tags: Iterable[Hashable] = ()) -> Any:
        """Return the value of *key*: the one that is kept, or what ``fetch()`` or else ``loader(key)`` returns.

        A value that a fallback gave, the load's or that of any protected call inside it, is not kept.

        *tags* are kept with the value by the call that loads it, for ``invalidate``: at most 64, the same in every call
        for a key.  ``get.outcome(…)`` returns an Outcome instead and never raises an Exception; a hit's has made no
        attempts, and a fallback's answer shows as DEGRADED.

        Raises what the load raised, with a note that tells the story; errors.DeadlineExceeded when the caller's time,
        or twice the node's deadline, is up before the load has ended; errors.ValidationFailed for a key that is
        not hashable, and for a load that would wait for itself; ConfigurationError when there is nothing to load with.
        """
        return (await self.loading.answer(ASYNCIO, key, fetch, tags)).given()

    @SyncReading
    def get_sync(self, key: Hashable, fetch: Callable[[], Any] | None = None, *, tags: Iterable[Hashable] = ()) -> Any:
        """Return the value of *key* in sync code, where *fetch* or the loader is a plain function; as ``get``.

        In a thread whose event loop is loading the same value it is loaded once more, rather than waited for in vain.
        """
        return run_blocking(self.loading.answer(BLOCKING, key, fetch, tags)).given()

    def set(self, key: Hashable, value: Any, *, tags: Iterable[Hashable] = ()) -> None:
        """Keep *value* for *key* as if it had been loaded at this moment; loads of the key under way are not kept.

        *tags* are kept with the value, as in ``get``.  This is for what you have just written.  For what you have read
        use ``get``: between your read and this call somebody may have invalidated it.
        """
        self.node.come_back()
        now = BLOCKING.now()
        self.leases.put(Entry(checked_key(key), now + self.ttl, tags_of_a_value(tags), value), now)

    # ── invalidating ────────────────────────────────────────────────────────────────────────────────────────────────

    def invalidate(self, key: Hashable = None, *, tags: Iterable[Hashable] | None = None) -> int:
        """Drop the value of *key* and those with any of the *tags*, or everything if neither is given; say how many.

        When this returns, it has happened, for every thread and event loop of this process.  Call it after you have
        written to the source.  Loads that are under way answer the callers who wait for them and are not kept.  An
        empty list of tags names nothing; None is no key here, whatever is kept for it.
        """
        if key is None and tags is None:
            return self.leases.invalidate_all()
        return self.leases.invalidate(checked_key(key), checked_tags(() if tags is None else tags))

    async def invalidate_all_levels(self, key: Hashable = None, *, tags: Iterable[Hashable] | None = None) -> int:
        """Invalidate at every level of this cache.  There is one, this process, so this is ``invalidate``."""
        return self.invalidate(key, tags=tags)

    def invalidate_all_levels_sync(self, key: Hashable = None, *, tags: Iterable[Hashable] | None = None) -> int:
        """Invalidate at every level, from sync code."""
        return self.invalidate(key, tags=tags)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def __len__(self) -> int:
        """Return how many values are kept; among many, a few may be too old and not swept out yet."""
        return self.leases.size(BLOCKING.now())

    def __bool__(self) -> bool:
        """Return True: an empty cache is a cache."""
        return True

    def __contains__(self, key: Hashable) -> bool:
        """Return whether there is a fresh value of *key*; counts as no use."""
        return self.leases.fresh(checked_key(key), BLOCKING.now()) is not None

    def get_status(self) -> CacheStatus:
        """Return how the cache is doing right now."""
        leases, size = self.leases, len(self)
        leases.sweep(BLOCKING.now())
        hits, misses = leases.hits, leases.misses
        return CacheStatus(
            name=self.name,
            size=size,
            max_size=self.max_size,
            hits=hits,
            misses=misses,
            hit_rate=hits / max(1, hits + misses),
            loads=leases.loads,
            load_failures=leases.failures,
            discarded=leases.discarded,
            in_flight=len(leases.under_way),
            evictions=leases.shelf.evicted,
            expirations=leases.shelf.expired,
            invalidations=leases.invalidated,
            node=self.node.get_status(),
        )

    def on(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[E], None]:
        """Call *listener* with every event of that *kind* that a load brings; see ``FractalNode.on``."""
        return self.node.on(kind, listener)

    def remedy(self, *what: Matcher, name: str | None = None) -> Callable[[F], F]:
        """Register the decorated function as a remedy for loads that fail.

        *what* and *name* are those of ``FractalNode.remedy``.
        """
        return self.node.remedy(*what, name=name)

    def __repr__(self) -> str:
        """Return the name and how much is kept."""
        return f"<CacheNode {self.name!r}, {len(self.leases.shelf.entries)} of {self.max_size} values>"

    # ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def aclose(self) -> None:
        """Drop all values; loads under way go on for those who wait for them.  The cache can be used again."""
        self.leases.invalidate_all()
        await self.node.aclose()

    def aclose_sync(self) -> None:
        """Drop all values, from sync code."""
        self.leases.invalidate_all()
        self.node.aclose_sync()

    def after_fork(self) -> None:
        """Keep the values; no load of the parent process goes on here."""
        self.leases.after_fork()


def _after_fork() -> None:
    for cache in list(_caches):
        cache.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
