"""What is due before its failure, over all signatures of a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from unbreakable.fractal.foresight import NEVER, Foresight, Life, Mended
from unbreakable.runtime import new_lock

MOST_FORESIGHTS = 32  # the latest


class Due(NamedTuple):
    """Say which remedy is due before a failure of that signature, and by which rule."""

    signature: str
    remedy: str
    rule: str


class Outlook:
    """Know when failures that were mended come back, and which remedy is due."""

    def __init__(self) -> None:
        self._foresights: dict[str, Foresight] = {}  # by signature, the one used last at the end
        self._mended: dict[str, Mended] = {}  # by remedy
        self._news: list[list[Any]] = []
        self._lock = new_lock()

    def fell(self, signature: str, now: float, worked_at: float, successes: int) -> None:
        """Take in a failure, after calls that worked until *worked_at*, *successes* in all."""
        with self._lock:
            foresight = self._foresights.get(signature)
            if foresight is None:
                return
            life = foresight.fell(now, worked_at, self._last(foresight), successes)
            if life is not None:
                self._news = [*self._news, [signature, foresight.remedy, *life]][-MOST_FORESIGHTS:]

    def mended(self, signature: str, name: str, at: float, successes: int) -> None:
        """Take in that remedy *name* went through *at* a moment, and that an attempt has seen it work."""
        with self._lock:
            self._foresight(signature, name)
            if at > self._mended.get(name, NEVER).at:
                self._mended[name] = Mended(at, successes)

    def recall(self, signature: str, name: str, life: Sequence[Any]) -> None:
        """Take in a *life* of another process."""
        with self._lock:
            self._foresight(signature, name).add(Life(*life))

    def _foresight(self, signature: str, name: str) -> Foresight:
        found = self._foresights.pop(signature, None)
        if found is None or found.remedy != name:
            found = Foresight(name)
        self._foresights[signature] = found
        while len(self._foresights) > MOST_FORESIGHTS:
            del self._foresights[next(iter(self._foresights))]
        names = {each.remedy for each in self._foresights.values()}
        self._mended = {each: mended for each, mended in self._mended.items() if each in names}
        return found

    def _last(self, foresight: Foresight) -> Mended:
        return self._mended.get(foresight.remedy, NEVER)

    def next(self, successes: int) -> float:
        """Return the moment from which something may be due, after so many *successes*; ``math.inf`` for never."""
        with self._lock:
            moments = [foresight.due_at(self._last(foresight), successes) for foresight in self._foresights.values()]
        return min(moments, default=math.inf)

    def near(self, successes: int) -> float:
        """Return after how many more than these *successes* something else may be due; ``math.inf`` for never."""
        with self._lock:
            counts = [foresight.near(self._last(foresight)) for foresight in self._foresights.values()]
        return min((count for count in counts if count > successes), default=math.inf)

    def due(self, now: float, successes: int, u: float) -> Due | None:
        """Return the remedy that is to be applied now, before its failure; None for none, or for its control."""
        with self._lock:
            for signature, foresight in self._foresights.items():
                mended = self._last(foresight)
                if foresight.is_due(now, mended, successes):
                    rule = str(foresight.rule)
                    return Due(signature, foresight.remedy, rule) if foresight.claim(now, mended, u) else None
        return None

    def prevented(self, due: Due, at: float, successes: int) -> None:
        """Take in that the remedy that was due went through *at* a moment."""
        with self._lock:
            foresight = self._foresights.get(due.signature)
            if foresight is not None:
                foresight.count()
        self.mended(due.signature, due.remedy, at, successes)

    def forget(self, due: Due) -> None:
        """Foresee this no more: its remedy is gone, or changes each call's own arguments."""
        with self._lock:
            self._foresights.pop(due.signature, None)

    def take_news(self) -> list[list[Any]]:
        """Return the lives that have ended since last time."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return by signature what is foreseen, and what came of it."""
        with self._lock:
            return {signature: foresight.to_dict() for signature, foresight in self._foresights.items()}
