"""Which target a call belongs to: a node has one for each key and each sort of effects."""

from __future__ import annotations

import inspect
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from unbreakable.fractal.judging import refuse_awaitable
from unbreakable.fractal.target import GUESTS, Sort, Target
from unbreakable.policies import Circuit
from unbreakable.policies.effects import Effects
from unbreakable.runtime import new_lock
from unbreakable.stats import Counts

MOST_KEYS = 1_000
ASKED = 16  # targets of many that are asked at a time how many of their calls have succeeded
CHANCES = 32  # targets whose circuits are not closed that are passed over in search of one to let go of


class Make(Protocol):
    """Make a target of that *name*; with *like*, for calls of another *sort* on the same one."""

    def __call__(self, name: str, sort: Sort | None = None, like: Target | None = None) -> Target:
        """Return the target."""


class Targets:
    """Keep the targets of one node: the main one, for a key of None as well, and with a *key* the 1,000 used last."""

    def __init__(self, name: str, key: Callable[..., Any] | None, make: Make) -> None:
        self.name, self.key, self.make = name, key, make
        self.lock = new_lock()
        self.main = make(name)
        self.by_key: OrderedDict[Any, Target] = OrderedDict()
        self.main.circuit.followers = self._circuits_of_keys
        self.effects_of: Callable[..., Effects] | None = None
        self.only = self.main if key is None else None  #: the main one, if every call belongs to it
        self.turns = deque([self.main])  #: the order in which they are asked how many calls have succeeded
        self.counted = 0  #: successes that they have told of
        self.left_behind = Counts()  #: the calls of targets that were dropped for newer keys

    def tell_effects(self, effects_of: Callable[..., Effects]) -> None:
        """Let ``effects_of(*arguments)`` say what each single call does: the circuit is the same, the plan fits."""
        self.effects_of, self.only = effects_of, None

    def of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, is_guest: bool = False) -> Target:
        """Return the target that a call with these arguments belongs to; a guest's is told from the node's own."""
        key = None if self.key is None else self.key(*args, **kwargs)
        target = self.main if key is None else self._of_key(key)
        if is_guest:
            return target.doing(GUESTS, self.make)
        return target if self.effects_of is None else target.doing(self.effects_of(*args, **kwargs), self.make)

    def if_any(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Target | None:
        """Return what ``of`` returns; None when there is no key to be had, for which the script refuses the call."""
        try:
            return self.of(args, kwargs)
        except Exception:
            return None

    def _of_key(self, key: Any) -> Target:
        with self.lock:
            if key in self.by_key:
                self.by_key.move_to_end(key)
                return self.by_key[key]
        check_key(key)  # where it is new, since what can be none always is
        fresh = self.make(f"{self.name}[{key}]")  # outside the lock: listeners may be told of what the memory knew
        with self.lock:
            target = self.by_key.setdefault(key, fresh)
            if target is fresh:
                self.turns.append(fresh)
            fresh.circuit.take_after(self.main.circuit)
            self._drop()
        return target

    def _drop(self) -> None:
        """Let go of the targets used least lately that are too many: rather of one at rest than of what it refuses.

        One whose places are taken is in use.  Whoever chooses the keys must not choose how much is done at once.
        """
        for chance in range(2 * CHANCES):
            if len(self.by_key) <= MOST_KEYS:
                return
            key, old = self.by_key.popitem(last=False)
            if has_calls_inside(old) or (chance < CHANCES and not old.circuit.is_closed):
                self.by_key[key] = old
                continue
            self.turns.remove(old)
            for each in (old, *old.twins.values()):
                each.when_late = partial(self._count_late, old, each)
                each.learn_next_at(0)
                each.when_late()
                each.ear = None  # it needs no more news

    def _count_late(self, dropped: Target, each: Target) -> None:
        """Count what has ended since last time at *each* sort of a target that was *dropped*."""
        with self.lock:
            self._count(dropped)
            counts, now = Counts(), each.tally()
            for more in (self.left_behind, now):
                counts.merge(more)
            counts.take_back(each.counted_late)
            self.left_behind, each.counted_late = counts, now

    def _circuits_of_keys(self) -> list[Circuit]:
        with self.lock:
            return [target.circuit for target in self.by_key.values()]

    def every(self) -> list[Target]:
        """Return the targets in use."""
        with self.lock:
            kept = (self.main, *self.by_key.values())
        return [each for target in kept for each in (target, *target.twins.values())]

    def asked(self) -> list[Target]:
        """Return the targets, one for each key; without the main one where calls have keys and none was its own."""
        with self.lock:
            kept = list(self.by_key.values())
        mains = (self.main, *self.main.twins.values())
        return [self.main, *kept] if not kept or any(each.tally().finished for each in mains) else kept

    def successes(self) -> int:
        """Return how many calls succeeded, those of targets that are no longer kept included.

        Of many targets a few are asked each time, in turn: what the others have done since theirs is counted later.
        """
        if not (self.by_key or self.main.twins):
            return self.main.successes_so_far  # of most nodes that is all
        with self.lock:
            for _ in range(min(len(self.turns), ASKED)):
                self._count(self.turns[0])
                self.turns.rotate(-1)
            return self.counted

    def _count(self, target: Target) -> None:
        successes = target.successes_of_all()
        self.counted, target.counted = self.counted + successes - target.counted, successes

    def tally(self) -> Counts:
        """Return how calls ended, those of targets that are no longer kept included."""
        counts = Counts()
        counts.merge(self.left_behind)
        for target in self.every():
            counts.merge(target.tally())
        return counts


def check_key(key: Any) -> None:
    """Raise TypeError for what is like no other key: each call would have a target of its own, and no circuit."""
    if isinstance(key, Coroutine):  # a pool of connections may be awaited, too, and equals itself
        refuse_awaitable(key)
    if inspect.isgenerator(key) or inspect.isasyncgen(key) or key != key:  # noqa: PLR0124 - nan
        raise TypeError(f"a {type(key).__name__} is like none before it: return what is equal for calls of one target")


def has_calls_inside(target: Target) -> bool:
    """Return whether calls that its bulkhead, or its limit, counts are at work on *target*, or in a pause."""
    return target.gate is not None and (target.gate.inside > 0 or bool(target.gate.away))
