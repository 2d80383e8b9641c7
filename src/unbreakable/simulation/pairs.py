"""Calls beside their baselines: how long each took, and how long the operation alone would have, if that is known."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from unbreakable.runtime import new_lock
from unbreakable.simulation.speedup import PAIRED, Speedup

MOST_KEPT = 5_000  # calls, the newest: 80 kB
LEAST = 8  # calls below which nothing is said
STALE = 64  # an interval is reckoned anew when so small a part of the calls is new
UNKNOWN = math.nan
FADING = 0.999  # what a call leaves of the longest one: what one in a thousand takes is about remembered
MEDIAN, TAIL = 0.5, 0.99


class Pairs:
    """Keep the newest 5,000 calls of one job, with their baselines.

    Seconds are kept as floats of 32 bits, whose error is a ten-millionth.  Any thread may add to it, or ask.
    """

    def __init__(self, baseline: str, *, counts: bool = True) -> None:
        self.baseline, self.added, self.controls = baseline, 0, 0
        self.counts = counts  #: whether requests are counted
        #: seconds of calls, of the same alone, from which chance decides, and requests, negative where rescued
        self._piles = array("f"), array("f"), array("f"), array("f")
        self.longest = 0.0  #: seconds of the longest that ended, alone; older ones count less and less
        self._told: dict[float, tuple[int, Speedup | None]] = {}  #: by quantile, when it was reckoned, and to what
        self._lock = new_lock()

    def add(self, call: float, alone: float, *, age: float = UNKNOWN, sent: int = 1, rescued: bool = False) -> None:
        """Take in a call that took *call* seconds, and the operation alone *alone*; ``math.inf`` never ends.

        *alone* is UNKNOWN where that cannot be told.  *age* is set where it is left to chance whether it can: 0 for a
        call that went another way than the operation, else after how many seconds its first attempt was overtaken.
        *sent* is the number of requests, *rescued* says that the call succeeded though its first attempt failed.
        """
        entry = (call, alone, age, -sent if rescued else sent)
        with self._lock:
            self.controls += age == 0.0 and not math.isnan(alone)
            self.longest = max(FADING * self.longest, alone if alone < math.inf else 0.0)
            place, self.added = self.added % MOST_KEPT, self.added + 1
            for pile, value in zip(self._piles, entry, strict=True):
                if place < len(pile):
                    pile[place] = value
                else:
                    pile.append(value)

    def add_alike(self, calls: Sequence[float]) -> None:
        """Take in *calls*, in seconds, that were made by one attempt: alone they would have taken the same."""
        newest = array("f", calls[-MOST_KEPT:])
        news = (newest, newest, array("f", [UNKNOWN]) * len(newest), array("f", [1.0]) * len(newest))
        with self._lock:
            place, self.added = self.added % MOST_KEPT, self.added + len(newest)
            room = MOST_KEPT - place
            for pile, new in zip(self._piles, news, strict=True):
                pile[place : place + len(new[:room])] = new[:room]  # at the end it grows
                pile[: len(new[room:])] = new[room:]

    def estimate(self, quantile: float = MEDIAN) -> Speedup | None:
        """Return how the calls compare at that *quantile*, be it measurable or not; None if too little is known."""
        with self._lock:
            at, known = self._told.get(quantile, (-MOST_KEPT, None))
            if self.added - at <= min(self.added, MOST_KEPT) // STALE:
                return known
            at, place = self.added, self.added % MOST_KEPT if self.added > MOST_KEPT else 0
            piles = [pile[place:] + pile[:place] for pile in self._piles]
        found = None if at < LEAST else self._reckoned(quantile, *piles)
        self._told[quantile] = (at, found)
        return found

    def value(self, quantile: float = MEDIAN) -> Speedup | None:
        """Return the speed-up at that *quantile*; None when it cannot be told from none."""
        found = self.estimate(quantile)
        return found if found is not None and found.is_measurable else None

    def _reckoned(self, quantile: float, *piles: array[float]) -> Speedup | None:
        try:
            import numpy as np

            from unbreakable.simulation.ratio import Paired
        except ImportError:  # then nothing can be told; it was logged when the first plan was wanted
            return None

        call, alone, age, sent = (np.frombuffer(pile, dtype=np.float32).astype(np.float64) for pile in piles)
        interval = Paired(call, alone, age).interval(quantile)
        if interval is None:
            return None
        return Speedup(
            **interval._asdict(),
            n=len(call),
            baseline=self.baseline,
            quantile=quantile,
            estimator=PAIRED,
            rescued=float(np.mean(sent < 0)),
            extra_load=float(np.mean(np.abs(sent))) - 1.0 if self.counts else None,
        )
