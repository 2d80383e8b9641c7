"""One spell of failures of a loop: from the first one up to enough good iterations."""

from __future__ import annotations

from unbreakable.loops.lessons import SURVIVED, Lesson, Lessons
from unbreakable.loops.rungs import Rung

MOST = 16  # failures of one spell that are told apart


class Spell:
    """Note what is tried in a spell that *began* at a moment, and draw the conclusions into *lessons*."""

    __slots__ = ("_advance", "_began", "_healed_in", "_latest", "_lessons", "_pending", "_tried", "took", "was_rested")

    def __init__(self, lessons: Lessons, began: float) -> None:
        self._lessons = lessons
        self._began = began
        self._healed_in = 0.0  # seconds
        self._latest: str | None = None  # signature
        self._tried: dict[str, set[Rung]] = {}
        self._pending: dict[str, Rung] = {}  # what was tried first after the latest failure of a signature
        self._advance: tuple[Lesson, float] | None = None  # a rest in advance whose verdict is to come, and its cost
        self.took = 0.0  #: intervals
        self.was_rested = False  #: whether there was a rest in advance

    @property
    def lesson(self) -> Lesson | None:
        """What is known of the latest failure."""
        return None if self._latest is None else self._lessons.find(self._latest)

    def failed(self, signature: str | None) -> None:
        """Take in a failure: what was tried for that *signature* has not worked."""
        if signature is not None and signature not in self._tried and len(self._tried) >= MOST:
            signature = None
        self._latest = signature
        rung = None if signature is None else self._pending.pop(signature, None)
        if signature is not None and rung is not None:
            self._lessons.of(signature).judge(rung, worked=False)
        if self._advance is not None:
            lesson, cost = self._advance
            self._advance = None
            lesson.in_vain(cost)
            self._lessons.version += 1

    def has_tried(self, rung: Rung) -> bool:
        """Return whether *rung* was tried for the latest failure, earlier in this spell."""
        return self._latest is None or rung in self._tried.get(self._latest, ())

    def tried(self, rung: Rung) -> None:
        """Take in that *rung* is tried for the latest failure; the first time counts."""
        if self._latest is None or rung in (Rung.ADAPTIVE_BACKOFF, Rung.SURVIVAL_MODE):
            return  # these are time
        tried = self._tried.setdefault(self._latest, set())
        if rung in tried:
            self._pending.pop(self._latest, None)
        else:
            tried.add(rung)
            self._pending[self._latest] = rung

    def rests(self, lesson: Lesson, cost: float) -> None:
        """Take in a rest in advance."""
        lesson.pay(cost)
        self._lessons.version += 1
        self._advance, self.was_rested = (lesson, cost), True

    def well(self, now: float) -> None:
        """Take in the first good iteration after a failure."""
        self._healed_in = now - self._began

    def healed(self, rest: float, *, survived: bool) -> None:
        """Draw the conclusions: all is well; before the first good iteration there was a rest of *rest* intervals."""
        for signature, rung in self._pending.items():
            self._lessons.of(signature).judge(rung, worked=True, seconds=self._healed_in)
        if self._latest is None:
            return
        by_rung = self._latest in self._pending
        needed = 1.0 if by_rung else SURVIVED if survived else rest
        lesson = self._lessons.find(self._latest)
        if lesson is None and needed <= 1.0:
            return  # it was over at once: nothing to remember
        lesson = self._lessons.of(self._latest)
        if not by_rung and (survived or rest > 1.0):
            rung = Rung.SURVIVAL_MODE if survived else Rung.ADAPTIVE_BACKOFF
            lesson.judge(rung, worked=True, seconds=self._healed_in)
        if not self.was_rested:
            lesson.healed_by_table(needed, self.took)
