"""Which step waits for which, checked before anything runs.

The rules; each one broken is a GraphError that names the setting.  Always: at least one step, no id twice, dependencies
that exist, no cycle.  As soon as any step declares a ``kind``: at most one pivot; what comes after the pivot, or
after a retriable step, is retriable; a retriable step comes after the pivot if there is one, and has no ``compensate``;
every other step is compensatable with a ``compensate``, or has neither, which says that it has no effect to undo.

The point of no return is held back: the pivot (without one: the retriable steps) begins only when every step that does
not come after it is done, also those beside it, so that nothing that must be undone can fail any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from unbreakable.errors import GraphError
from unbreakable.runtime import is_async
from unbreakable.workflows.step import NotGiven, Step

MOST_STEPS = 1_000

Links = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Graph:
    """Hold checked steps by id, in the order given.

    ``needs`` are the dependencies as declared; ``waits`` are those and what holds back the point of no return;
    ``feeds`` is ``waits`` turned round.  ``before`` has a bit for each step that comes before, by its place.
    """

    steps: Mapping[str, Step]
    needs: Links
    waits: Links
    feeds: Links
    before: Mapping[str, int]
    pivot: str | None = None

    def ancestors(self, step: str) -> tuple[str, ...]:
        """Return all steps that *step* depends on, near and far, in the order given."""
        known = self._ancestors.get(step)
        if known is None:
            mask = self.before[step]
            known = tuple(other for place, other in enumerate(self.steps) if mask >> place & 1)
            self._ancestors[step] = known
        return known

    @cached_property
    def _ancestors(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def retriable(self) -> tuple[str, ...]:
        """Return the steps that are repeated until they succeed."""
        return tuple(step.id for step in self.steps.values() if step.kind == "retriable")

    @cached_property
    def awaited(self) -> str:
        """Return the path of the first function that only async code can call; empty if there is none."""
        for place, step in enumerate(self.steps.values()):
            for name in ("operation", "compensate"):
                if is_async(getattr(step, name)):
                    return f"steps[{place}].{name}"
        return ""

    @cached_property
    def text(self) -> str:
        """Return the shape of the graph as it is stored with a run: graphs are the same when their texts are."""
        import json

        shapes = [
            [step.id, sorted(self.needs[step.id]), step.kind, step.compensate is not None]
            for step in self.steps.values()
        ]
        return json.dumps(shapes, separators=(",", ":"))


def build_graph(steps: Sequence[Step]) -> Graph:
    """Return the graph of *steps*; raise GraphError, which names the path and what was expected, if they do not fit."""
    places = _places(steps)
    needs = {step.id: _needs(steps, index, places) for index, step in enumerate(steps)}
    before = _before(needs, places)
    pivot = next((step.id for step in steps if step.kind == "pivot"), None)
    waits = needs
    if any(step.kind for step in steps):
        final = _final(steps, pivot)
        _check_kinds(steps, before, final, pivot)
        waits = {step: (*found, *_held_back(steps, before, final, step)) for step, found in needs.items()}
    return Graph({step.id: step for step in steps}, needs, waits, _turned_round(waits), before, pivot)


def difference(stored: str, graph: Graph) -> str:
    """Return in words how *graph* differs from the text of another one; empty if it does not."""
    if stored == graph.text:
        return ""
    import json

    then, now = ({shape[0]: shape[1:] for shape in json.loads(text)} for text in (stored, graph.text))
    for step in (*then, *now):
        if step not in now:
            return f"step {step!r} is gone"
        if step not in then:
            return f"step {step!r} is new"
        for was, is_now, what in zip(then[step], now[step], ("depends_on", "kind", "has a compensate"), strict=True):
            if was != is_now:
                return f"step {step!r}: {what} was {was!r} and is {is_now!r}"
    return "the steps come in another order"


# ── always ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _places(steps: Sequence[Step]) -> dict[str, int]:
    if not 1 <= len(steps) <= MOST_STEPS:
        raise GraphError(f"steps must be a list of 1 to {MOST_STEPS} steps, not of {len(steps)}")
    places: dict[str, int] = {}
    for index, step in enumerate(steps):
        first = places.setdefault(step.id, index)
        if first != index:
            raise GraphError(f"steps[{index}].id must be its own: steps[{first}].id is {step.id!r}, too")
    return places


def _needs(steps: Sequence[Step], index: int, places: Mapping[str, int]) -> tuple[str, ...]:
    wanted = steps[index].depends_on
    if isinstance(wanted, NotGiven):
        return (steps[index - 1].id,) if index else ()
    for step in wanted:
        if step not in places:
            known = ", ".join(map(repr, list(places)[:20]))
            raise GraphError(f"steps[{index}].depends_on must name steps of the workflow ({known}), not {step!r}")
    return tuple(dict.fromkeys(wanted))


def _before(needs: Links, places: Mapping[str, int]) -> dict[str, int]:
    """Return for each step the places of all that come before it, as bits; raise GraphError on a cycle."""
    before: dict[str, int] = {}
    try:
        for step in TopologicalSorter(needs).static_order():
            mask = 0
            for need in needs[step]:
                mask |= before[need] | 1 << places[need]
            before[step] = mask
    except CycleError as error:
        circle = list(error.args[1])
        path = f"steps[{places[circle[-1]]}].depends_on"
        raise GraphError(f"{path} must not close a cycle: {' → '.join(circle)}") from None
    return before


# ── kinds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _final(steps: Sequence[Step], pivot: str | None) -> int:
    """Return the steps that are never undone, the pivot and the retriable ones, as bits."""
    return sum(1 << place for place, step in enumerate(steps) if step.id == pivot or step.kind == "retriable")


def _check_kinds(steps: Sequence[Step], before: Mapping[str, int], final: int, pivot: str | None) -> None:
    places = {step.id: place for place, step in enumerate(steps)}
    for place, step in enumerate(steps):
        path, earlier = f"steps[{place}]", before[step.id]
        if step.kind == "retriable":
            if pivot is not None and not earlier >> places[pivot] & 1:
                raise GraphError(f"{path}.depends_on must lead to the pivot {pivot!r}: a retriable step comes after it")
            if step.compensate is not None:
                raise GraphError(f"{path}.compensate must be left out: a retriable step is repeated, not undone")
        elif step.kind == "pivot" and step.id != pivot:
            raise GraphError(f"{path}.kind must not be 'pivot': a workflow has one, and it is {pivot!r}")
        elif earlier & final:
            culprit = next(other.id for at, other in enumerate(steps) if earlier & final & 1 << at)
            raise GraphError(f"{path}.kind must be 'retriable': it comes after {culprit!r}, which is not undone")
        elif step.kind == "compensatable" and step.compensate is None:
            raise GraphError(f"{path}.compensate must be given: a compensatable step says how it is undone")


def _held_back(steps: Sequence[Step], before: Mapping[str, int], final: int, this: str) -> tuple[str, ...]:
    """Return what *this* waits for besides its dependencies: a first step of no return waits for all that is undone."""
    place = next(at for at, step in enumerate(steps) if step.id == this)
    if not final >> place & 1 or before[this] & final:
        return ()
    return tuple(step.id for at, step in enumerate(steps) if not (final | before[this]) >> at & 1)


# ── links ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _turned_round(links: Links) -> Links:
    feeds: dict[str, list[str]] = {step: [] for step in links}
    for step, sources in links.items():
        for source in sources:
            feeds[source].append(step)
    return {step: tuple(targets) for step, targets in feeds.items()}
