"""What a run does next: which steps begin, which are undone, how it ends.

The law of this file.  Nothing here waits, calls or records; whoever drives it tells what happened and asks what is due.

    NOT_BEGUN ─begin─▶ UNCERTAIN ─┬─ it returned ───▶ DONE        once the run has turned back, each of the three
                                  ├─ it said so ────▶ FAILED      ─ compensation ─▶ UNDONE or UNDO_FAILED
                                  └─ nobody knows ──▶ UNCERTAIN

A run turns back when a step fails, when nobody can go on with what one returned, or when the caller cancels.  Past the
point of no return (the pivot is done; without a pivot, a retriable step was begun) it never does: what fails there is
*stuck*, and a person has to look.  So is a pivot that nobody can undo and of which nobody knows whether it happened.

A step is *settled* when it has nothing left to undo and all that came after it is settled: compensations run in the
reverse order of the dependencies, independent ones at the same time.  One that fails settles its step, too: it never
stops the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from unbreakable.workflows.ending import Doubt
from unbreakable.workflows.graph import Graph, Links
from unbreakable.workflows.result import RunStatus, StepState

MAY_NEED_UNDO = frozenset({StepState.UNCERTAIN, StepState.FAILED, StepState.DONE})


AFTER = {
    Doubt.NEVER_BEGAN: StepState.NOT_BEGUN,
    Doubt.REPORTED: StepState.FAILED,
    Doubt.NOBODY_KNOWS: StepState.UNCERTAIN,
}


class Queue:
    """Free each step once all that it waits for is settled; linear in steps and links."""

    def __init__(self, waits: Links, feeds: Links) -> None:
        self._feeds = feeds
        self._missing = {step: len(sources) for step, sources in waits.items()}
        self.free = [step for step, missing in self._missing.items() if not missing]

    def settle(self, step: str) -> None:
        """Say that *step* is over, which may free others."""
        for target in self._feeds[step]:
            self._missing[target] -= 1
            if not self._missing[target]:
                self.free.append(target)


class Saga:
    """Hold where one run of *graph* stands."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ledger = dict.fromkeys(graph.steps, StepState.NOT_BEGUN)
        self.running: set[str] = set()  #: steps whose operation is running
        self.undoing: set[str] = set()  #: steps whose compensation is running
        self.doubtful: set[str] = set()  #: steps of which it is not certain that they had their effect
        self.stuck: set[str] = set()
        self.turned_back = False
        self._forward = Queue(graph.waits, graph.feeds)
        self._backward = Queue({}, {})
        self._held: set[str] = set()  # free to be undone, but their operation has not ended yet

    @classmethod
    def restore(
        cls,
        graph: Graph,
        ledger: Mapping[str, StepState],
        doubtful: Collection[str],
        repeatable: Callable[[str], bool],
        *,
        turned_back: bool,
        unusable: Collection[str] = (),
    ) -> Saga:
        """Return a run as its journal tells it.

        A step that was begun and of which no end is known is begun again if it is *repeatable*; otherwise nobody knows
        what became of it, and the run turns back.  So it does where a step is done and its result is *unusable*.
        """
        saga = cls(graph)
        saga.ledger.update(ledger)
        saga.doubtful.update(doubtful)
        if turned_back:
            saga._turn_back()
            return saga
        done = [step for step, state in saga.ledger.items() if state is StepState.DONE]
        for step in done:
            if step not in unusable:
                saga._forward.settle(step)
        saga._forward.free = [step for step in saga._forward.free if saga.ledger[step] is not StepState.DONE]
        for step in [step for step in done if step in unusable]:
            saga.unusable(step, certain=step not in doubtful)
        for step in [step for step, state in saga.ledger.items() if state is StepState.UNCERTAIN]:
            saga.doubtful.add(step)
            if not repeatable(step):
                saga._forward.free.remove(step)
                saga.failed(step, Doubt.NOBODY_KNOWS)
        return saga

    # ── what is due ─────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, limit: int) -> list[str]:
        """Return the steps to begin now, so that at most *limit* run at the same time; they count as running."""
        if self.turned_back:
            return []
        free, room = self._forward.free, max(0, limit - len(self.running))
        steps, free[:] = free[:room], free[room:]
        self.running.update(steps)
        self.ledger.update(dict.fromkeys(steps, StepState.UNCERTAIN))
        return steps

    def undo(self) -> list[str]:
        """Return the steps to compensate now; no limit keeps an undo waiting."""
        due, free = [], self._backward.free
        while free:
            step = free.pop()
            if step in self.running:
                self._held.add(step)
            elif self.must_undo(step):
                due.append(step)
            else:
                self._backward.settle(step)
        self.undoing.update(due)
        return due

    def must_undo(self, step: str) -> bool:
        """Return whether *step* may have had an effect that its compensation has not undone yet."""
        return self.ledger[step] in MAY_NEED_UNDO and self.graph.steps[step].compensate is not None

    def status(self) -> RunStatus | None:
        """Return how the run ended, None while there is something to do; to be asked after ``begin`` and ``undo``."""
        if self.running or self.undoing or (self._backward.free if self.turned_back else self._forward.free):
            return None
        if self.stuck or StepState.UNDO_FAILED in self.ledger.values():
            return RunStatus.NEEDS_ATTENTION
        return RunStatus.COMPENSATED if self.turned_back else RunStatus.COMMITTED

    # ── what happened ───────────────────────────────────────────────────────────────────────────────────────────────

    def returned(self, step: str, *, certain: bool = True) -> None:
        """Note that the operation of *step* returned; not *certain*: something else answered in its place."""
        self.ledger[step] = StepState.DONE
        self.doubtful.discard(step) if certain else self.doubtful.add(step)
        self._forward.settle(step)
        self._ended(step)

    def unusable(self, step: str, *, certain: bool = True) -> None:
        """Note that the operation of *step* returned, and that nobody can go on with what it returned."""
        self.ledger[step] = StepState.DONE
        self.doubtful.discard(step) if certain else self.doubtful.add(step)
        if self.past_return:
            self.stuck.add(step)
        else:
            self._turn_back()
        self._ended(step)

    def failed(self, step: str, doubt: Doubt) -> None:
        """Note that the operation of *step* did not return."""
        if doubt is Doubt.NEVER_BEGAN and step in self.doubtful:
            doubt = Doubt.NOBODY_KNOWS  # this repeat never began, but an earlier call may have
        self.ledger[step] = AFTER[doubt]
        if doubt is not Doubt.NEVER_BEGAN:
            self.doubtful.add(step)
        if self.past_return or (doubt is Doubt.NOBODY_KNOWS and self._is_final(step)):
            self.stuck.add(step)
        else:
            self._turn_back()
        self._ended(step)

    def undone(self, step: str, *, failed: bool = False) -> None:
        """Note that the compensation of *step* returned, or *failed* for good."""
        self.ledger[step] = StepState.UNDO_FAILED if failed else StepState.UNDONE
        self.undoing.discard(step)
        self._backward.settle(step)

    def again(self, step: str) -> None:
        """Note that the compensation of *step* was interrupted, and is to be made again."""
        self.undoing.discard(step)
        self._backward.free.append(step)

    def cancel(self) -> list[str]:
        """Turn back unless it is too late; return the running steps to be cut.

        A pivot that is running is left to end by itself, since nobody could tell what a cut one did.
        """
        if self.past_return or self.graph.pivot in self.running:
            return []
        self._turn_back()
        return sorted(self.running)

    # ── within ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def past_return(self) -> bool:
        """Return whether the run can only go forward."""
        if self.turned_back:
            return False
        if self.graph.pivot is not None:
            return self.ledger[self.graph.pivot] is StepState.DONE
        return any(self.ledger[step] is not StepState.NOT_BEGUN for step in self.graph.retriable)

    def _is_final(self, step: str) -> bool:
        return step == self.graph.pivot and self.graph.steps[step].compensate is None

    def _turn_back(self) -> None:
        if not self.turned_back:
            self.turned_back = True
            self._backward = Queue(self.graph.feeds, self.graph.waits)

    def _ended(self, step: str) -> None:
        self.running.discard(step)
        if step in self._held:
            self._held.discard(step)
            self._backward.free.append(step)
