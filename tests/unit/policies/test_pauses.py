"""A call gives its place back for a pause, and asks for another; on each driver."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unbreakable.errors import BulkheadFull, LimitReached
from unbreakable.policies import AdaptiveLimit, Bulkhead, Plan
from unbreakable.policies.places import come_back, full_of, in_a_place, is_back, pause
from unbreakable.runtime import Gate

LATE, ENDED = SimpleNamespace(answer=None), SimpleNamespace(answer="something")


class Shades:
    """Write down what they are told."""

    def __init__(self):
        self.told = []

    def step_out(self, ctx):
        self.told.append("out")

    def come_back(self, ctx):
        self.told.append("back")


def watched(bench, gate):
    """Return a runtime that writes down how many are inside, and away, while somebody sleeps."""
    seen = []

    async def sleep(seconds):
        seen.append((gate.inside, len(gate.away), seconds))

    fields = {"now": bench.runtime.now, "sleep": sleep, "preemptive": bench.runtime.preemptive}
    return SimpleNamespace(**fields), seen


def paused(bench, *, has_place=True, **fields):
    """Return what was seen in two pauses of a call that is in one of two places, or in none; and the call."""

    async def story():
        gate = Gate(2)
        if has_place:
            assert gate.enter_nowait()
        runtime, seen = watched(bench, gate)
        ctx = bench.context(permit=gate if has_place else None, **fields)
        ctx.runtime = runtime
        await pause(ctx, 1.0)
        await pause(ctx, 2.0)
        return seen, ctx, gate

    return bench.play(story)


@pytest.mark.parametrize(
    ("fields", "seen", "is_out"),
    [
        ({}, [(0, 1, 1.0), (0, 1, 2.0)], True),
        ({"racing": (ENDED,)}, [(0, 1, 1.0), (0, 1, 2.0)], True),
        ({"racing": (ENDED, LATE)}, [(1, 0, 1.0), (1, 0, 2.0)], False),
        ({"has_place": False}, [(0, 0, 1.0), (0, 0, 2.0)], False),
    ],
    ids=["alone", "after a late one", "beside a late one", "without a place"],
)
def test_the_place_is_free_in_a_pause_unless_an_attempt_is_at_work(bench, fields, seen, is_out):
    """In one pause after the other; who is away is known."""
    told, ctx, gate = paused(bench, **fields)

    assert seen == told
    assert (gate if is_out else None, set()) == (ctx.out_of, gate.away)
    assert (ctx.permit is gate) is (fields.get("racing", ())[-1:] == (LATE,))


@pytest.mark.parametrize("racing", [(), (LATE,)])
def test_the_shadows_are_told_of_a_pause_as_well(bench, racing):
    """They have places of their own, whether or not there are real ones."""
    bench.target.shades = shades = Shades()
    _, ctx, _ = paused(bench, has_place=False, racing=racing)
    ctx.runtime = bench.runtime

    assert bench.play(lambda: come_back(ctx)) is None
    assert [*["out"] * 2 * (not racing), "back"] == shades.told


def test_a_free_place_is_taken_at_once_after_a_pause(bench):
    """And is the call's again; who has given none back needs none."""
    gate = Gate(1)
    ctx = bench.context(out_of=gate)

    assert [True, True] == [is_back(ctx), is_back(ctx)]
    assert (gate, None, 1) == (ctx.permit, ctx.out_of, gate.inside)


def test_a_place_that_is_taken_is_waited_for(bench):
    """Not at all where nobody may wait; else until the deadline, which the refusal tells."""
    gate = Gate(1)
    assert gate.enter_nowait()

    async def story():
        ctx = bench.context(out_of=gate, deadline=bench.runtime.now() + 7.5)
        assert not is_back(ctx)
        refused = await come_back(ctx)
        return str(refused.error), refused.refused, bench.clock.now(), ctx

    *told, ctx = bench.play(story)
    assert ["1 calls to stub are in flight, and none came free in 7.500 s", True, 7.5] == told
    assert (None, gate, 7.5, 1) == (ctx.permit, ctx.out_of, ctx.in_line, gate.inside)


@pytest.mark.parametrize(
    ("policies", "most", "full"),
    [
        ({"bulkhead": Bulkhead(3)}, 3, BulkheadFull),
        ({"concurrency": AdaptiveLimit()}, 3, LimitReached),
        ({"bulkhead": Bulkhead(3), "concurrency": AdaptiveLimit()}, 3, BulkheadFull),
        ({"bulkhead": Bulkhead(3), "concurrency": AdaptiveLimit()}, 2, LimitReached),
    ],
)
def test_the_refusal_names_what_is_full(bench, policies, most, full):
    """Beside a limit it is the bulkhead only where its end is reached."""
    assert full is full_of(bench.context(plan=Plan(**policies)), Gate(most))


def test_who_has_paused_is_not_refused_for_want_of_a_place(bench):
    """The script goes on with its first answer, and asks for one before the next attempt; it ends without one."""
    bench.target.gate = gate = Gate(1)
    assert gate.enter_nowait()
    ctx = bench.context(out_of=gate)

    assert "in" == bench.play(lambda: in_a_place(bench.inner("in"), ctx, 0.0, BulkheadFull)).value
    assert (None, 1) == (ctx.permit, gate.inside)
