"""Whose turn it is to apply a remedy: one call at a time, for all that it serves, or each for itself."""

from __future__ import annotations

import weakref
from typing import Any

from unbreakable.runtime import Gate

MOST_AT_ONCE = 16  # calls, each of which has a remedy change its own arguments
PATIENT = 20  # cuts in a row, after which it may well take longer than it did, or hang


class Turn:
    """Let one call at a time apply a remedy, sixteen if it serves but the one; know when that last went through."""

    __slots__ = (
        "__weakref__",
        "alone",
        "cuts",
        "given",
        "judged",
        "mended_at",
        "needs",
        "shared",
        "through",
        "took",
        "verdict",
    )

    def __init__(self) -> None:
        self.alone, self.mended_at = Gate(1), float("-inf")
        self.through = self.judged = 0  #: how often it went through, and the latest of these times that was judged
        self.verdict: bool | None = None  #: whether that helped; None where calls do not agree: they succeed by chance
        self.shared = True  #: whether one application serves every call, as long as it changed no arguments
        self.needs = 0.0  #: seconds that whoever had to wait for its turn has to have left
        self.took = 0.0  #: seconds that it took when it went through last; 0.0: it never did
        self.cuts, self.given = 0, 0.0  #: how often it was cut since then, and the seconds that were in vain at most

    def went_through(self, since: float, now: float, *, shared: bool) -> None:
        """Note that it was applied from *since* to *now*, and whether for every call or just for the one."""
        self.mended_at, self.needs, self.took = now, now - since, now - since
        self.cuts, self.given = 0, 0.0 if shared else self.given
        self.through += 1
        if shared is not self.shared:
            self.shared = shared
            self.alone.resize(1 if shared else MOST_AT_ONCE)

    def ran_out_of_time(self, seconds: float) -> bool:
        """Note that so many *seconds* were too few for it; return whether that says that it is of no use.

        It does not where it took longer the last time.  To ask for twice as many finds those that will do soon.
        """
        self.needs, self.given = max(self.needs, 2.0 * seconds), max(self.given, seconds)
        self.cuts += 1
        return seconds >= self.took or self.cuts > PATIENT

    def was_cut_too_soon(self, left: float) -> bool:
        """Return whether so many seconds, *left* to a call, are far more than were in vain since it went through.

        What has gone through and did not help had the time for it.
        """
        return 0.0 < 2.0 * self.given < left and self.verdict is not False

    def had(self, seconds: float) -> None:
        """Note that it was given so many *seconds* and did not need them: more will change nothing."""
        self.given = max(self.given, seconds)

    def is_news(self, time: int, *, worked: bool) -> bool:
        """Return whether that it *worked* tells anything new of that *time* that it went through."""
        if time > self.judged:
            self.judged, self.verdict = time, worked
            return True
        if time == self.judged and worked is not self.verdict:
            self.verdict = None
        return time == self.judged and self.verdict is None

    def is_unjudged(self, time: int) -> bool:
        """Return whether nobody has judged that *time* that it went through; judge it then: the call was lost."""
        return time > self.judged and self.is_news(time, worked=False)


class Turns:
    """Keep a turn for each owner, such as the client whose token a remedy fetches anew, and as long as that lives.

    Of an owner that nobody can refer to weakly, as long as somebody holds the turn: a call of its that is being healed.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[weakref.ref[Any], Turn]] = {}
        self._held: weakref.WeakValueDictionary[int, Turn] = weakref.WeakValueDictionary()

    def of(self, owner: object) -> Turn:
        """Return the turn of *owner*."""
        place = id(owner)
        known = self._by_id.get(place)
        if known is not None and known[0]() is owner:
            return known[1]
        by_id = self._by_id
        try:
            fresh = (weakref.ref(owner, lambda _: by_id.pop(place, None)), Turn())
        except TypeError:
            return self._held.setdefault(place, Turn())
        if known is not None:  # of what was at this place in memory before, and whose end we were not told of
            by_id.pop(place, None)
        return by_id.setdefault(place, fresh)[1]

    def clear(self) -> None:
        """Forget all turns: after a fork nobody holds one."""
        self._by_id.clear()
        self._held.clear()
