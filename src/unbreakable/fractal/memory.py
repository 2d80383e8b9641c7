"""What nodes of one process know about the same targets."""

from __future__ import annotations

import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from unbreakable.fractal.target import AGE_AT
from unbreakable.record import Record
from unbreakable.runtime import new_lock
from unbreakable.stats import Traffic

MOST_TARGETS = 1_000
MOST_LESSONS = 256
MOST_LIVES = 64
MOST_TRIALS = 64  # of a remedy against a signature; then what is known of it counts half


class Knowledge(Record):
    """Sum up what is known: attempts learned from, sorts of failure known, calls healed, plans made."""

    learnings: int
    patterns: int
    healings: int
    optimizations: int


class LocalMemory:
    """Keep what was learned in this process, for at most 1,000 targets; nodes that are given the same one share it.

    >>> memory = LocalMemory()
    >>> memory.get("partner-api") is None
    True
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._watchers: dict[str, weakref.WeakSet[Callable[..., None]]] = {}
        self._most_watched = MOST_TARGETS
        self._lock = new_lock()

    def get(self, target: str) -> dict[str, Any] | None:
        """Return what is known about *target*, None for nothing."""
        with self._lock:
            return self._known.get(target)

    def add(self, target: str, record: dict[str, Any], source: object) -> None:
        """Merge *record* into what is known and tell the watchers of the target."""
        with self._lock:
            known = self._known.pop(target, None)
            self._known[target] = record if known is None else merged(known, record)
            while len(self._known) > MOST_TARGETS:
                self._known.popitem(last=False)
            watchers = list(self._watchers.get(target, ()))
        for told in watchers:
            told(record, source)

    def watch(self, target: str, told: Callable[[dict[str, Any], object], None]) -> None:
        """Call ``told(record, source)`` for every record that is added for *target*, as long as *told* lives."""
        with self._lock:
            self._watchers.setdefault(target, weakref.WeakSet()).add(told)
            if len(self._watchers) > self._most_watched:
                self._forget_the_dead()

    def _forget_the_dead(self) -> None:
        """Let go of targets that nobody watches any more; rarely enough to cost each watcher next to nothing."""
        self._watchers = {target: watchers for target, watchers in self._watchers.items() if watchers}
        self._most_watched = max(MOST_TARGETS, 2 * len(self._watchers))

    def targets(self) -> list[str]:
        """Return the names of the targets of which something is known, the one that was learned of last at the end."""
        with self._lock:
            return list(self._known)

    def summary(self) -> Knowledge:
        """Return in four figures what is known of all targets together."""
        with self._lock:
            records = list(self._known.values())
        totals: Counter[str] = Counter()
        for record in records:
            totals.update(record["totals"])
        patterns = {lesson[0] for record in records for lesson in record["lessons"]}
        return Knowledge(
            learnings=totals["learnings"],
            patterns=len(patterns),
            healings=totals["healings"],
            optimizations=totals["optimizations"],
        )


def merged(known: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Return both records as one: traffic, lessons and totals added, the newest lives, plan and arms kept.

    A record that forgets takes the place of the traffic known so far.
    """
    traffic = Traffic() if record.get("forgets") else Traffic.from_dict(known["traffic"])
    traffic.merge(Traffic.from_dict(record["traffic"]))
    if traffic.ok.count > AGE_AT:
        traffic.halve()
    return {
        "traffic": traffic.to_dict(),
        "lessons": added(known["lessons"], record["lessons"]),
        "lives": [*known.get("lives", ()), *record.get("lives", ())][-MOST_LIVES:],
        "plan": record["plan"] or known["plan"],
        "arms": record["arms"],
        "totals": {name: total + record["totals"][name] for name, total in known["totals"].items()},
    }


def added(known: Iterable[list[Any]], fresh: Iterable[list[Any]]) -> list[list[Any]]:
    """Return both as one list of lessons, the 256 that were learned last: counts and costs add up in any order.

    A lesson is a signature, a remedy, what was believed of that before, how often it worked and did not, and the
    millionths of seconds which that took.
    """
    rows: dict[tuple[str, str], list[Any]] = {}
    for row in (*known, *fresh):
        signature, remedy, prior, *counts = row
        before = rows.pop((signature, remedy), [signature, remedy, prior, 0, 0, 0])
        total = [one + other for one, other in zip(before[3:], counts, strict=True)]
        if total[0] + total[1] > MOST_TRIALS:
            total = [each // 2 for each in total]
        rows[signature, remedy] = [signature, remedy, prior, *total]
    return list(rows.values())[-MOST_LESSONS:]
