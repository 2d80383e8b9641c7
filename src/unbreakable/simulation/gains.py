"""What nodes that an engine was given have gained: their calls beside what the first attempts of these came to."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from unbreakable.fractal.ports import Gone
from unbreakable.runtime import new_lock
from unbreakable.simulation.pairs import MOST_KEPT, UNKNOWN, Pairs

MOST_TARGETS = 1_000


class Gains:
    """Keep calls beside their baselines for the 1,000 targets that were learned from last."""

    def __init__(self) -> None:
        self._pairs: OrderedDict[str, Pairs] = OrderedDict()
        self._lock = new_lock()

    def take(self, target: str, quick: Sequence[float], detours: Sequence[Gone], lost: int) -> None:
        """Take in calls at *target*; see ``Chooser.measure``."""
        with self._lock:
            pairs = self._pairs.setdefault(target, Pairs("the operation alone", counts=False))
            self._pairs.move_to_end(target)
            while len(self._pairs) > MOST_TARGETS:
                self._pairs.popitem(last=False)
        done = 0
        for gone in detours:
            pairs.add_alike(quick[done : gone.after])
            done = max(done, gone.after)
            _add(pairs, gone.call, gone.alone)
        pairs.add_alike(quick[done:])
        pairs.add_alike([math.inf] * min(lost, MOST_KEPT))

    def every(self) -> Iterator[tuple[str, Pairs]]:
        """Return what is known, by target."""
        with self._lock:
            return iter(list(self._pairs.items()))


def _add(pairs: Pairs, call: float, alone: float) -> None:
    if alone < 0.0:
        pairs.add(call, UNKNOWN, age=-alone)
    else:
        pairs.add(call, alone or call, rescued=alone > 0.0)
