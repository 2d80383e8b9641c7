"""Any run, in any order of events, ends as its status says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dense import most

from unbreakable.workflows.ending import Doubt
from unbreakable.workflows.graph import build_graph
from unbreakable.workflows.result import RunStatus, StepState
from unbreakable.workflows.saga import Saga
from unbreakable.workflows.step import Step

DONE = StepState.DONE


def step(id, *needs, undo=True, kind=None):
    return Step(id, print, depends_on=needs, compensate=print if undo else None, kind=kind)


class World:
    """Drives a saga by drawn decisions, counts effects, and objects to what must not happen."""

    def __init__(self, run, draw, limit):
        self.run, self.draw, self.limit = run, draw, limit
        self.effects = dict.fromkeys(run.graph.steps, 0)
        self.undos = dict.fromkeys(run.graph.steps, 0)

    def due(self):
        before = {id for id, state in self.run.ledger.items() if state is DONE}
        for id in self.run.begin(self.limit):
            assert set(self.run.graph.waits[id]) <= before
            assert not self.run.turned_back
        assert len(self.run.running) <= self.limit
        for id in self.run.undo():
            self.objections_to_undo(id)
        return sorted(self.run.running) + sorted(self.run.undoing)

    def objections_to_undo(self, id):
        assert self.run.turned_back
        assert not self.run.past_return
        later = [other for other in self.run.graph.steps if id in self.run.graph.ancestors(other)]
        assert not self.run.running & {id, *later}
        assert not any(self.run.must_undo(other) for other in later)

    def happen(self, id):
        if id in self.run.undoing:
            failed = self.draw(st.sampled_from([False, False, True]))
            self.undos[id] += 1
            if not failed:
                self.effects[id] = 0
            self.run.undone(id, failed=failed)
            return
        ending = self.draw(st.sampled_from(["returned", "returned", "returned", *Doubt]))
        took_effect = ending == "returned" or (ending is Doubt.NOBODY_KNOWS and self.draw(st.booleans()))
        self.effects[id] = 1 if took_effect else self.effects[id]
        if ending == "returned":
            self.run.returned(id)
        else:
            self.run.failed(id, ending)

    def to_the_end(self):
        cancel_after = self.draw(st.none() | st.integers(0, 10))
        number = 0
        while at_work := self.due():
            if number == cancel_after:
                assert set(self.run.cancel()) <= self.run.running
            else:
                self.happen(self.draw(st.sampled_from(at_work)))
            number += 1
        return self.run.status()

    def crash(self):
        """Forget everything that is not in the journal, as the death of the process does."""
        turned_back = self.run.turned_back
        for id in self.run.running:
            self.effects[id] = self.draw(st.integers(0, 1))
        repeatable = self.draw(st.booleans())
        self.run = Saga.restore(
            self.run.graph, self.run.ledger, self.run.doubtful, lambda id: repeatable, turned_back=turned_back
        )


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 8))
    ids = [str(n) for n in range(size)]
    steps = []
    pivot = draw(st.sampled_from([None, *ids]))
    final = set()
    for n, id in enumerate(ids):
        needs = draw(st.lists(st.sampled_from(ids[:n]), unique=True)) if n else []
        late = bool(final & set(needs))
        kind = "pivot" if id == pivot and not late else "retriable" if late else None
        if kind:
            final.add(id)
        steps.append(step(id, *needs, undo=kind is None and draw(st.booleans()), kind=kind))
    return build_graph(steps)


def judge(world, status):
    """Say in terms of effects what each status promises."""
    run = world.run
    if status is RunStatus.COMMITTED:
        assert set(run.ledger.values()) == {DONE}
        assert set(world.effects.values()) == {1}
    else:
        assert run.stuck or run.turned_back
    if status is RunStatus.COMPENSATED:
        assert all(not world.effects[id] for id, one in run.graph.steps.items() if one.compensate)
    if run.graph.pivot and run.ledger[run.graph.pivot] is DONE:
        assert not any(world.undos.values())


@settings(max_examples=most(300, 40))
@given(st.data(), graphs(), st.integers(1, 4))
def test_any_run_ends_as_its_status_says(data, graph, limit):
    """Whatever fails, is cut or is cancelled, in whatever order: all effects or none, or a person is called."""
    world = World(Saga(graph), data.draw, limit)

    judge(world, world.to_the_end())
    assert all(count <= 1 for count in world.undos.values())


@settings(max_examples=most(300, 40))
@given(st.data(), graphs(), st.integers(1, 4))
def test_any_run_that_crashes_ends_as_its_status_says(data, graph, limit):
    """The process may die between any two events, more than once."""
    world = World(Saga(graph), data.draw, limit)
    for _ in range(data.draw(st.integers(1, 3))):
        for _ in range(data.draw(st.integers(0, 12))):
            at_work = world.due()
            if not at_work:
                break
            world.happen(data.draw(st.sampled_from(at_work)))
        if world.run.status() is None:
            world.crash()

    judge(world, world.to_the_end())


DIAMOND = build_graph([step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")])


def outcomes(events):
    """Replay *events* on a diamond and return what may happen next, or the status if nothing may."""
    run = Saga(DIAMOND)
    run.begin(9)
    for id, ending in events:
        if ending in ("undone", "undo failed"):
            run.undone(id, failed=ending == "undo failed")
        elif ending == "returned":
            run.returned(id)
        else:
            run.failed(id, ending)
        run.begin(9)
        run.undo()
    ways = [(id, ending) for id in sorted(run.running) for ending in ("returned", *Doubt)]
    return run, ways + [(id, ending) for id in sorted(run.undoing) for ending in ("undone", "undo failed")]


def test_every_course_of_a_diamond_ends_well():
    """All endings of all steps in all orders are tried: none waits for ever, none breaks the order, none lies."""
    ends, left = dict.fromkeys(RunStatus, 0), [[]]
    while left:
        events = left.pop()
        run, ways = outcomes(events)
        left += [[*events, way] for way in ways]
        if not ways:
            ends[run.status()] += 1
            failed_undo = any(ending == "undo failed" for _, ending in events)
            assert (run.status() is RunStatus.NEEDS_ATTENTION) == failed_undo
            assert (run.status() is RunStatus.COMMITTED) == (len(events) == 4 and not run.turned_back)

    assert 2 == ends[RunStatus.COMMITTED]
    assert min(ends.values()) > 0


def test_long_chains_are_linear_work():
    """A chain of a thousand steps is undone without looking at all of them for each."""
    run = Saga(build_graph([step(str(n), *([str(n - 1)] if n else [])) for n in range(1000)]))
    for n in range(999):
        run.begin(9)
        run.returned(str(n))
    run.begin(9)
    run.failed("999", Doubt.REPORTED)
    for n in reversed(range(1000)):
        assert [str(n)] == run.undo()
        run.undone(str(n))

    assert [] == run.undo()
    assert RunStatus.COMPENSATED == run.status()
