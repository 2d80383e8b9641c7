"""A call runs in a place of its target's, stands in line for one, or is told that there is none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.errors import BulkheadFull, LimitReached
from unbreakable.policies import Plan, places
from unbreakable.policies.places import in_a_place
from unbreakable.policies.priority import priority
from unbreakable.runtime import Gate
from unbreakable.testing import virtual_time


class Counted(Gate):
    """A gate that writes down how it was asked, and has room after so many seconds."""

    def __init__(self, most, comes_free):
        super().__init__(most)
        self.comes_free, self.asked = comes_free, []

    async def enter(self, runtime, seconds, look=None, rank=0):
        self.asked.append((seconds, rank))
        await runtime.sleep(min(seconds, self.comes_free))
        if self.comes_free <= seconds:
            self.leave()
        return await super().enter(runtime, 0.0, rank=rank)


def play(bench, *, wait, comes_free=99.0, deadline=60.0, taken=2, full=BulkheadFull, **fields):
    """Return what a call comes to that wants one of two places, of which some are taken."""

    async def story():
        gate = bench.target.gate = Counted(2, comes_free)
        for _ in range(taken):
            assert gate.enter_nowait()
        ctx = bench.context(deadline=bench.runtime.now() + deadline, plan=Plan(deadline=deadline), **fields)
        result = await in_a_place(bench.inner((1.0, "in")), ctx, wait, full)
        lines = [line.split("  ")[-1] for line in ctx.notebook.lines]
        return result, gate, lines, bench.clock.now(), ctx.permit

    return bench.play(story)


def test_a_free_place_is_taken_and_given_back(bench):
    """Nobody stands in line, and there is nothing to tell."""
    result, gate, lines, at, permit = play(bench, wait=5.0, taken=1)

    assert ("in", 1, [], [], 1.0, None) == (result.value, gate.inside, gate.asked, lines, at, permit)


@pytest.mark.parametrize(("wait", "deadline", "asked"), [(5.0, 60.0, 5.0), (60.0, 5.0, 5.0)])
def test_a_place_that_comes_free_in_time_is_taken(bench, wait, deadline, asked):
    """The story tells for how long it was waited; whoever looks for a limit is told that there was no room."""
    bench.target.flow = SimpleNamespace(is_full=lambda: bench.node.heard.append("full"))
    result, gate, lines, at, _ = play(bench, wait=wait, deadline=deadline, comes_free=2.5)

    assert ("in", 1, 3.5, ["full"]) == (result.value, gate.inside, at, bench.node.heard)
    assert [pytest.approx(asked)] == [seconds for seconds, _ in gate.asked]
    assert ["waited 2.500 s for one of 2 places"] == lines


def test_a_place_that_is_free_by_then_was_not_waited_for(bench):
    """There is nothing to tell."""
    result, _, lines, at, _ = play(bench, wait=5.0, comes_free=0.0)

    assert ("in", [], 1.0) == (result.value, lines, at)


@pytest.mark.parametrize(
    ("wait", "deadline", "at", "waited"),
    [
        (0.0, 60.0, 0.0, ""),
        (0.5, 60.0, 0.5, ", and none came free in 0.5 s"),
        (5.0, 60.0, 5.0, ", and none came free in 5 s"),
        (60.0, 5.0, 5.0, ", and none came free in 5 s"),
    ],
)
@pytest.mark.parametrize("full", [BulkheadFull, LimitReached])
def test_who_finds_no_place_is_told_how_many_there_are(bench, wait, deadline, at, waited, full):
    """And for how long none came free."""
    result, gate, lines, when, permit = play(bench, wait=wait, deadline=deadline, full=full)
    message = f"2 calls to stub are in flight{waited}"

    assert (full, True, message) == (type(result.error), result.refused, str(result.error))
    assert (2, [f"refused: {message}"], at, None) == (gate.inside, lines, when, permit)


def test_who_had_less_time_than_the_wait_is_told_how_long_it_was():
    """A call inside another waits no longer than that has time."""

    @ub.protect("inside", bulkhead=ub.Bulkhead(1, wait=10.0))
    def inside(depth):
        return depth and inside(depth - 1)

    @ub.protect("around", deadline=2.0, retry=False)
    def around():
        return inside(1)

    with virtual_time():
        assert "1 calls to inside are in flight, and none came free in 2 s" == str(around.outcome().error)


def test_the_more_important_stand_in_front(bench):
    """By the priority of the code that calls."""
    asked = []
    for name in ("critical", "normal", "low"):
        with priority(name):
            asked += play(bench, wait=5.0)[1].asked

    assert [rank for _, rank in asked] == sorted({rank for _, rank in asked})


def test_a_place_that_the_quick_path_took_is_used(bench):
    """It is given back to the gate that it is a place of."""
    held = Gate(1)
    held.enter_nowait()
    result, gate, _, _, permit = play(bench, wait=0.0, permit=held)

    assert ("in", 0, 2, None) == (result.value, held.inside, gate.inside, permit)


def test_who_is_in_knows_its_place(bench):
    """Whoever waited half a second for it, too; so that it is not taken twice further in."""
    seen = []

    async def inner(ctx):
        seen.append((ctx.permit, len(ctx.notebook.lines)))

    async def story():
        gate = bench.target.gate = Counted(1, 0.5)
        assert gate.enter_nowait()
        await in_a_place(inner, bench.context(deadline=bench.runtime.now() + 60.0), 5.0, BulkheadFull)
        return gate

    assert [(bench.play(story), 1)] == seen


@pytest.mark.parametrize("gives_back", [True, False])
def test_a_place_that_a_closed_loop_gives_back_is_taken_at_once(bench, monkeypatch, gives_back):
    """There may be calls that nobody goes on with; if none of them held a place there is still none."""

    async def story():
        gate = bench.target.gate = Gate(1)
        assert gate.enter_nowait()
        collect = lambda _: [gate.leave()] if gives_back else True
        monkeypatch.setattr(places, "ASYNCIO", SimpleNamespace(collect_closed=collect))
        found = await in_a_place(bench.inner("in"), bench.context(), 0.0, BulkheadFull)
        return getattr(found, "value", None), gate.inside

    assert (("in", 0) if gives_back else (None, 1)) == bench.play(story)


def test_a_place_that_was_waited_for_is_known_before_anything_is_said_of_it(bench):
    """Should a signal's exception come up then, whoever ends the call gives it back."""

    def tell(line):
        raise KeyboardInterrupt

    async def story():
        bench.target.gate = Counted(1, 0.5)
        assert bench.target.gate.enter_nowait()
        ctx = bench.context(deadline=bench.runtime.now() + 60.0, notebook=SimpleNamespace(tell=tell))
        try:
            await in_a_place(bench.inner("in"), ctx, 5.0, BulkheadFull)
        except KeyboardInterrupt:
            return ctx.permit

    assert isinstance(bench.play(story), Counted)
