"""Whatever is under way inside a call is known to it, by whichever door it was begun: nothing is doubled or missed."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.torture.test_deeds_left_behind import ledger_of, play, tries_of
from tests.torture.test_doubt import MyError

import unbreakable as ub
from unbreakable.policies import Context, current
from unbreakable.policies.under_way import UnderWay, all_over, is_inside, under_way
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep

pytestmark = pytest.mark.usefixtures("looks_take_no_time")


class Clock:
    """Tell the seconds since the story began."""

    def __init__(self):
        self.began = ASYNCIO.now()

    def now(self):
        return round(ASYNCIO.now() - self.began, 3)


class Work:
    """What takes twenty seconds, in each of the library's forms."""

    def __init__(self):
        self.done = []

    async def act(self):
        await sleep(20.0)
        self.done.append(1)

    async def protected(self):
        await ub.protect("act", effects="once")(self.act)()

    async def outcome(self):
        await ub.protect("act", effects="once")(self.act).outcome()

    async def block(self):
        async for attempt in ub.attempts("act", effects="once"):
            async with attempt:
                await self.act()

    async def executed(self):
        await ub.FractalNode("act", effects="once").execute(self.act)

    async def simulated(self):
        await ub.QuantumSimulationEngine().execute_quantum(self.act, effects="once")

    async def loaded(self):
        await ub.CacheNode(effects="once").get("key", fetch=self.act)

    async def orchestrated(self):
        await ub.OrchestratorNode().orchestrate([ub.Step("act", self.act)])

    async def orchestrated_in_time(self):
        await ub.OrchestratorNode(deadline=25.0).orchestrate([ub.Step("act", self.act)])

    async def worked_off(self):
        steps = {"steps": [ub.Step("act", self.act)]}
        await (await ub.QuantumSystem().create_quantum_workflow("act", workflow=steps)).run_once()

    async def of_our_own(self):
        with under_way("once"):
            await self.act()


FORMS = pytest.mark.parametrize("form", [name for name in vars(Work) if name[0] != "_" and name != "act"])


async def look():
    await sleep(1.0)
    raise ConnectionResetError


@FORMS
def test_what_is_under_way_is_not_begun_again(form):
    """What fails beside it is no reason to do it twice."""
    work = Work()

    async def both():
        await asyncio.gather(getattr(work, form)(), look())

    assert (1, 1) == (play(lambda: tries_of(both)), len(work.done))


@FORMS
def test_what_is_under_way_is_waited_for_by_a_compensation(form):
    """A step that was refused a connection has begun it before."""
    work, kept, undone = Work(), [], []

    async def step():
        kept.append(asyncio.create_task(getattr(work, form)()))
        await sleep(1.0)
        raise ConnectionRefusedError

    async def story():
        clock = Clock()

        async def undo(ctx):
            undone.append((len(work.done), clock.now(), ctx.state["certain"]))

        return await ub.OrchestratorNode(retry=False).orchestrate([ub.Step("act", step, compensate=undo)])

    result = play(story)

    assert ("compensated", [(1, 20.0, False)]) == (result.status.value, undone)


@pytest.mark.parametrize("leaves", ["break", "error"])
def test_a_loop_of_attempts_that_is_left_before_its_block_is_not_under_way(leaves):
    """Nothing was begun in it, so nothing keeps what is around it from being repeated."""
    loops = []

    async def work():
        loops.append(loop := ub.attempts("act", effects="once"))  # held, so that no collector closes it
        async for _ in loop:
            if leaves == "break":
                break
            raise ConnectionResetError
        raise ConnectionResetError

    assert 3 == play(lambda: tries_of(work))


@pytest.mark.parametrize("effects", ["unknown", "idempotent"])
def test_a_loop_of_attempts_that_its_caller_gives_up_is_not_under_way(effects):
    """What its first attempts have done is known, and nobody waits for the next one, which never begins."""
    loops, undone = [], []

    async def work():
        loops.append(loop := ub.attempts("act", effects=effects, retry=ub.Retry(5, backoff=ub.Backoff(0.0))))
        async for attempt in loop:
            if attempt.number == 2:
                raise MyError("given up")
            async with attempt:
                raise MyError("no")

    async def story():
        clock = Clock()

        async def undo():
            undone.append(clock.now())

        return await ub.OrchestratorNode(retry=False).orchestrate([ub.Step("act", work, compensate=undo)])

    assert 3 == play(lambda: tries_of(work))
    assert ("compensated", [0.0]) == (play(story).status.value, undone)


def test_a_loop_of_attempts_that_is_given_up_after_a_doubt_leaves_it():
    """Its first attempt may have arrived; that no other follows clears nothing up."""
    loops = []

    async def work():
        loops.append(loop := ub.attempts("act", retry=ub.Retry(5, backoff=ub.Backoff(0.0))))
        async for attempt in loop:
            if attempt.number == 2:
                raise MyError("given up")
            async with attempt:
                raise ConnectionResetError

    assert "uncertain" == play(lambda: ledger_of(work))


def test_a_loop_of_attempts_is_under_way_between_them():
    """The first has done something, and the next is about to."""
    done = []

    async def work():
        async for attempt in ub.attempts("act", retry=ub.Retry(2, backoff=ub.Backoff(5.0, jitter=False))):
            async with attempt:
                done.append(1)
                if len(done) == 1:
                    raise ConnectionResetError

    async def both():
        await asyncio.gather(work(), look())

    assert (1, [1, 1]) == (play(lambda: tries_of(both)), done)


# ── the wait itself ─────────────────────────────────────────────────────────────────────────────────────────────────


def scope_of_ours():
    scope = Context()
    scope.above = current()
    return scope


def test_several_may_wait_for_the_same_end():
    """The run inside a step, and the one around it."""

    async def story():
        scope, ends, clock = scope_of_ours(), [], Clock()
        work = UnderWay("once", scope)

        async def wait():
            ends.append((await all_over(scope, ASYNCIO, lambda _: clock.began + 100.0), clock.now()))

        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            group.create_task(wait())
            await sleep(5.0)
            work.end()
        return ends

    assert [(True, 5.0)] * 2 == play(story)


@pytest.mark.parametrize(("until", "expected"), [(3.0, (False, 3.0)), (5.5, (True, 5.0)), (-1.0, (False, 0.0))])
def test_who_waits_waits_no_longer_than_it_may(until, expected):
    """What goes on longer is told."""

    async def story():
        scope, clock = scope_of_ours(), Clock()
        work = UnderWay("idempotent", scope)
        asyncio.get_running_loop().call_later(5.0, work.end)
        return await all_over(scope, ASYNCIO, lambda _: clock.began + until), clock.now()

    assert expected == play(story)


def test_what_is_beside_a_scope_is_not_waited_for():
    """Two steps of one run have one ledger, and each its own calls."""

    async def story():
        around = scope_of_ours()
        mine, other = scope_of_ours(), scope_of_ours()
        for scope in (mine, other):
            scope.above, scope.own_deeds = around, around.deeds
        with UnderWay("once", other) as work:
            assert (is_inside(work, other), is_inside(work, around), is_inside(work, mine)) == (True, True, False)
            return [await all_over(scope, ASYNCIO, lambda _: ASYNCIO.now()) for scope in (mine, other, around)]

    assert [True, False, False] == play(story)


def test_what_is_over_is_not_kept_by_a_call_that_lasts():
    """A call around many others, each of which leaves something behind for a while, remembers those that are at it."""

    async def story():
        most, tasks = [], set()

        @ub.protect("part", effects="idempotent")
        async def part():
            await sleep(5.0)

        @ub.protect("layer")
        async def layer():
            tasks.add(asyncio.create_task(part()))
            await sleep(0.1)

        @ub.protect("whole", effects="idempotent", deadline=1000.0)
        async def whole():
            for _ in range(30):
                await layer()
                await sleep(2.0)
                most.append(len(ub.current().deeds.left))

        await whole()
        return max(most)

    assert 3 == play(story)


def test_what_ends_by_an_error_is_over():
    """It is under way no more, whatever became of it."""

    async def story():
        scope = scope_of_ours()
        with contextlib.suppress(KeyError), UnderWay("once", scope):
            raise KeyError
        return await all_over(scope, ASYNCIO, lambda _: 0.0), list(scope.deeds.at_work)

    assert (True, []) == play(story)
