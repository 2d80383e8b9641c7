"""Play a fixed rule in a world, event by event: attempts, pauses, copies of those that take long, a deadline."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from benchmarks.truth.luck import PAUSES, SHARES, Luck
from benchmarks.truth.rule import Bucket, Rule
from benchmarks.truth.service import Service


class Run(NamedTuple):
    """Hold what became of the calls, in their order, and when requests were made."""

    comes: Any
    took: Any  #: seconds; the deadline for calls that were cut by it
    fine: Any
    made: Any  #: requests for each call
    begun: Any  #: the moment of each request
    errors: Mapping[str, int] = MappingProxyType({})  #: what ours raised, how often


class Heap:
    """Do things in the order of their moments."""

    def __init__(self) -> None:
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number, self.now = 0, 0.0

    def at(self, moment: float, what: Callable[[], None]) -> None:
        """Have *what* done at that moment."""
        self.number += 1
        heapq.heappush(self.events, (moment, self.number, what))

    def run(self) -> None:
        """Do everything."""
        events, pop = self.events, heapq.heappop
        while events:
            self.now, _, what = pop(events)
            what()


class Call:
    """Be one call under way; *attempt* is the number of the one that is, and *open* how many copies of it are."""

    __slots__ = ("asked", "attempt", "came", "done", "number", "open")

    def __init__(self, number: int, came: float) -> None:
        self.number, self.came = number, came
        self.attempt, self.open, self.asked, self.done = 0, 0, 0, False


class Player:
    """Play the calls of one run by *rule*."""

    def __init__(self, luck: Luck, rule: Rule) -> None:
        self.luck, self.rule, self.heap = luck, rule, Heap()
        self.service = Service(luck, self.heap.at)
        self.bucket = None if rule.bucket is None else Bucket(rule.bucket)
        self.comes = luck.comes.tolist()
        self.took, self.fine = np.zeros(luck.calls), np.zeros(luck.calls, bool)

    def run(self) -> Run:
        """Return what became of the calls."""
        self._next(0)
        self.heap.run()
        made, begun = np.asarray(self.service.made), np.asarray(self.service.begun)
        return Run(self.luck.comes, self.took, self.fine, made, begun)

    def _next(self, number: int) -> None:
        self.heap.at(self.comes[number], lambda: self._come(number))

    def _come(self, number: int) -> None:
        if number + 1 < self.luck.calls:
            self._next(number + 1)
        call = Call(number, self.heap.now)
        self.heap.at(call.came + self.luck.world.deadline, lambda: call.done or self._end(call, fine=False))
        self._begin(call)

    def _begin(self, call: Call) -> None:
        if call.done:
            return
        call.attempt += 1
        call.open = 0
        self._ask(call, self.rule.first if call.attempt == 1 else self.rule.again)
        for after in self.rule.copies:
            attempt = call.attempt
            self.heap.at(self.heap.now + after, lambda attempt=attempt: self._copy(call, attempt))

    def _copy(self, call: Call, attempt: int) -> None:
        if call.done or call.attempt != attempt or not call.open:
            return
        call.asked += 1
        if self.rule.share >= 1.0 or self.luck.rolls(SHARES, call.asked)[call.number] < self.rule.share:
            self._ask(call, self.rule.aside)

    def _ask(self, call: Call, endpoint: int) -> None:
        attempt = call.attempt
        call.open += 1
        self.service.ask(call.number, endpoint, self.heap.now, lambda fine: self._reply(call, attempt, fine))

    def _reply(self, call: Call, attempt: int, fine: bool) -> None:
        if call.done or call.attempt != attempt:
            return
        call.open -= 1
        if self.bucket is not None:
            self.bucket.take(fine)
        if fine:
            self._end(call, fine=True)
        elif not call.open:
            self._again(call)

    def _again(self, call: Call) -> None:
        rule, now = self.rule, self.heap.now
        if call.attempt >= rule.attempts or (self.bucket is not None and not self.bucket.allows()):
            self._end(call, fine=False)
            return
        pause = float(rule.pause(call.attempt, lambda nth: self.luck.rolls(PAUSES, nth)[call.number]))
        if now + pause >= call.came + self.luck.world.deadline:
            self._end(call, fine=False)
            return
        self.heap.at(now + pause, lambda: self._begin(call))

    def _end(self, call: Call, *, fine: bool) -> None:
        call.done = True
        self.took[call.number], self.fine[call.number] = self.heap.now - call.came, fine
