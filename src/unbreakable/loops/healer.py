"""What the healing ladder decides, carried out on one loop, and told to its listeners."""

from __future__ import annotations

import itertools
import math
from typing import Any

from unbreakable.events import Event
from unbreakable.fractal import FractalNode
from unbreakable.loops.complaints import Complaints
from unbreakable.loops.events import LoopHealed, PathChanged, RungSkipped, RungTried, SurvivalEntered, SurvivalLeft
from unbreakable.loops.iteration import Iteration
from unbreakable.loops.ladder import GOOD, Ladder
from unbreakable.loops.lessons import Choice
from unbreakable.loops.paths import Paths
from unbreakable.loops.restarts import OF_LESS, RESTARTS, SPENT
from unbreakable.loops.rungs import Rung
from unbreakable.loops.slate import Slate

TURN = "it was its turn"


class Healer:
    """Do between two iterations what *ladder* decides, with *paths* and *slate*."""

    __slots__ = (
        "_is_mended",
        "_node",
        "_owes_refresh",
        "_paths",
        "_slate",
        "_survives_since",
        "complaints",
        "ladder",
        "latest",
        "latest_at",
    )

    def __init__(self, node: FractalNode, ladder: Ladder, paths: Paths, slate: Slate) -> None:
        self.ladder = ladder
        self.complaints = Complaints(node.name)
        self.latest: str | None = None  #: rung that was tried, and why
        self.latest_at = -math.inf  #: when that was
        self._node = node
        self._paths = paths
        self._slate = slate
        self._survives_since = 0.0
        self._owes_refresh = False  # since the budget was spent when it was its turn
        self._is_mended = False  # by a remedy after which the operation has not been asked yet

    def share(self, other: Healer) -> None:
        """Know, and learn, what *other* does, and speak with one voice."""
        self.ladder.share(other.ladder)
        self.complaints = other.complaints

    def start(self) -> None:
        """Begin with all patience; what was learned is kept."""
        self.ladder.start()
        self.complaints.reset()

    def succeeded(self, iteration: Iteration, now: float) -> None:
        """Draw the conclusions from a good iteration."""
        if self._is_mended or iteration.had_trouble:
            self._count_remedies(iteration, good=True)
        trouble = self._slate.verified()
        if trouble is not None:
            self._tell(RungSkipped, now, rung=Rung.SAFE_STATE_RESET.value, reason=trouble)
        if self.ladder.good >= GOOD:  # all was well already
            self.ladder.good += 1
            return
        survived = self.ladder.surviving
        if survived and not self.ladder.good:
            RESTARTS.give_back(OF_LESS)
        self._owes_refresh = False
        proven = self.ladder.succeeded(now)
        if self.ladder.good == GOOD:
            self._paths.settle()
            self.complaints.is_well(self, now)
        if proven is not None:
            self._tell(LoopHealed, now, rung=proven.value)
        if survived and not self.ladder.surviving:
            self._tell(SurvivalLeft, now, seconds=now - self._survives_since)

    def failed(self, iteration: Iteration, now: float) -> str:
        """Do what is to be done after a failed iteration; return what that was, in words."""
        self._count_remedies(iteration, good=False)
        if self._paths.fail_over():
            self._tell(PathChanged, now, path=self._paths.index + 1)
        due = self.ladder.failed(iteration.signature, now)
        if self._owes_refresh and Rung.QUANTUM_REFRESH not in due:
            due = (*due, Rung.QUANTUM_REFRESH)
        done = [choice for choice in (Choice(rung, TURN) for rung in due) if self._has_been_tried(choice, now)]
        self._owes_refresh = Rung.QUANTUM_REFRESH in due and all(
            choice.rung is not Rung.QUANTUM_REFRESH for choice in done
        )
        if all(choice.rung is Rung.ADAPTIVE_BACKOFF for choice in done):
            promising = (choice for choice in self.ladder.promising() if self._has_been_tried(choice, now))
            done.extend(itertools.islice(promising, 1))
        if not done:
            return ""
        words = "; ".join(f"{choice.rung.value}, for {choice.why}" for choice in done)
        self.latest_at = now
        self.latest = f"after failure {self.ladder.failures} in a row: {words}"
        return words

    def survive(self, why: str, now: float) -> None:
        """Go into survival mode, since that is decided elsewhere."""
        if not self.ladder.surviving:
            self.ladder.survive()
            self.complaints.survives(self)
            self.latest_at, self.latest = now, f"survival_mode, for {why}"
            self._survives_since = now
            self._tell(SurvivalEntered, now, failures=self.ladder.failures)

    def _has_been_tried(self, choice: Choice, now: float) -> bool:
        if not self._has_tried(choice.rung, now):
            return False
        self.ladder.tried(choice.rung, choice.rest)
        failures = self.ladder.failures
        self.complaints.tries(self, choice.rung, failures, now)
        self._tell(RungTried, now, rung=choice.rung.value, failures=failures, why=choice.why)
        return True

    def _count_remedies(self, iteration: Iteration, *, good: bool) -> None:
        asked, unasked = iteration.remedied()
        if good and self._is_mended:
            self.ladder.worked(Rung.KNOWN_REMEDY)
        self._is_mended = unasked
        if asked or unasked:
            self.ladder.tried(Rung.KNOWN_REMEDY)
        if good and asked:
            self.ladder.worked(Rung.KNOWN_REMEDY)

    def _has_tried(self, rung: Rung, now: float) -> bool:
        match rung:
            case Rung.SAFE_STATE_RESET:
                if self._slate.trouble is not None:
                    self._tell(RungSkipped, now, rung=rung.value, reason=self._slate.trouble)
                return self._slate.reset()
            case Rung.QUANTUM_REFRESH:
                if not RESTARTS.take(OF_LESS):
                    self._tell(RungSkipped, now, rung=rung.value, reason=SPENT)
                    return False
                self._paths.refresh()
            case Rung.SURVIVAL_MODE:
                self._survives_since = now
                self._tell(SurvivalEntered, now, failures=self.ladder.failures)
            case _:
                pass  # the ladder itself holds the pause
        return True

    def _tell(self, event: type[Event], now: float, **fields: Any) -> None:
        if self._node.listeners:
            self._node.tell(event(at=now, node=self._node.name, **fields))
