"""The lines of a trace: what is known of a call becomes a few numbers, without a word of what it was about.

A trace is text, a JSON array a line.  The first line is the HEADER, with a name for the ``half``.  Then:

* ``["p", process]``: the lines from here to the next one like it are that process's;
* ``["s", number, {…}]``: settings in force, with the name of the node; calls name them by number;
* ``["f", number, kind, sort, flags]``: a sort of failure: its kind, which signature it has (a number, too), FLAGS;
* ``["c", settings, target, began, seconds, status, attempts]``: a call.  ``began`` is in seconds since 1970,
  ``seconds`` what it had until its deadline, "inf" without one.  ``attempts`` is how long it took, if its only attempt
  succeeded, which took as long; else a list of that and of ``[attempt, copy, began, seconds, failure, retry_after]``,
  where ``failure`` is None for a success, CUT for one that was given up, else a number; ``retry_after`` is left out
  where there is none;
* ``["l", count]``: so many calls are missing here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from unbreakable.errors import AttemptTimeout
from unbreakable.events import AttemptMade, CallEnded
from unbreakable.policies import Plan
from unbreakable.record import Preset

VERSION = 1
HEADER = {"unbreakable": "calls", "version": VERSION}
CUT = -1
FLAGS = ("unsent", "in_doubt", "exhausted", "covered")
POLICIES = ("retry", "breaker", "timeout", "hedge", "bulkhead", "concurrency", "throttle", "budget")
MOST_KNOWN = 256  # settings, sorts of failures, targets that have a number at a time


class Lines:
    """Put calls into lines, each with what has to be known to read it, unless the file has that already."""

    def __init__(self, process: str) -> None:
        self.process = process
        self._numbers: dict[str, dict[Any, int]] = {"settings": {}, "failure": {}, "target": {}, "sort": {}}
        self._next = dict.fromkeys(self._numbers, 0)
        self._new: list[list[Any]] = []
        self._held: list[Plan] = []  # so that no other plan comes to have the id of one that has a number

    def forget(self) -> None:
        """Begin anew, in a file that has nothing: no number has two meanings, in this file or the one before."""
        self._numbers["settings"].clear()
        self._numbers["failure"].clear()
        self._held = []

    def of(self, calls: Sequence[CallEnded], wall: float, lost: int, room: int) -> tuple[bytes, int]:
        """Return the lines of as many of *calls* as there is *room* for, in bytes, and how many that are.

        They begin with that so many are *lost*; *wall* is what to add to the calls' clock for seconds since 1970.
        """
        text, count = _text([["p", self.process], *([["l", lost]] if lost else [])]), 0
        for call in calls:
            line, new, self._new = self._call(call, wall), self._new, []
            told = _text([*new, line])
            if len(text) + len(told) > room:
                self.forget()  # what was to be known is not in the file
                break
            text, count = text + told, count + 1
        return text, count

    def _call(self, call: CallEnded, wall: float) -> list[Any]:
        attempts = [self._attempt(each) for each in call.attempts]
        only, took = attempts[0] if len(attempts) == 1 else [], round(call.at - call.began, 6)
        return [
            "c",
            self._settings(call),
            self._number("target", (call.node, call.target))[0],
            round(call.began + wall, 6),
            _finite(call.seconds),
            call.status,
            took if only == [1, 0, 0.0, took, None] else [took, *attempts],
        ]

    def _attempt(self, made: AttemptMade) -> list[Any]:
        code = None if made.ended == "ok" else CUT if made.ended == "cut" else self._failure(made)
        wish = [] if made.retry_after is None else [round(made.retry_after, 6)]
        return [made.attempt, made.copy, round(made.began, 6), round(made.seconds, 6), code, *wish]

    def _failure(self, made: AttemptMade) -> int:
        sort = self._number("sort", made.signature)[0]
        flags = "".join(name[0] for name in FLAGS if getattr(made, name))
        number, is_new = self._number("failure", (made.kind, sort, flags))
        if is_new:
            self._new.append(["f", number, made.kind, sort, flags])
        return number

    def _settings(self, call: CallEnded) -> int:
        number, is_new = self._number("settings", (call.node, call.preemptive, call.pinned, id(call.plan)))
        if is_new:
            self._held = [*self._held[1 - MOST_KNOWN :], call.plan]
            told = {"node": call.node, "preemptive": call.preemptive, "pinned": call.pinned, **settings_of(call.plan)}
            self._new.append(["s", number, told])
        return number

    def _number(self, what: str, key: Any) -> tuple[int, bool]:
        """Return the number of *key*, and whether it is new; what is known of too many is forgotten."""
        known = self._numbers[what]
        if key in known:
            return known[key], False
        if len(known) >= MOST_KNOWN:
            known.clear()
        self._next[what] += 1
        known[key] = self._next[what]
        return known[key], True


def _text(lines: Sequence[list[Any]]) -> bytes:
    return "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines).encode()


def settings_of(plan: Plan) -> dict[str, Any]:
    """Return every setting of *plan*, JSON-ready; None is off."""
    policies = {name: _policy(getattr(plan, name)) for name in POLICIES}
    others = {"effects": plan.effects, "strategy": plan.strategy, "observations": plan.observations}
    return {**policies, "deadline": _finite(plan.deadline), **others}


def _policy(policy: Preset | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    return {name: _setting(name, getattr(policy, name)) for name in policy.fields}


def _setting(name: str, value: Any) -> Any:
    if isinstance(value, Preset):
        return _policy(value)
    if name == "on":  # types of errors have no place in a file: whether all of them, else whether our own cut
        return "all" if value is Exception else "cut, too" if issubclass(AttemptTimeout, value) else "some"
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float) -> float | str:
    return round(value, 6) if math.isfinite(value) else "inf"
