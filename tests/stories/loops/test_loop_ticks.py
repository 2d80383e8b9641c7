"""When a loop runs."""

from __future__ import annotations

from contextlib import nullcontext

from tests.dense import most

from unbreakable.loops import LoopState


def test_runs_on_a_grid_that_does_not_drift(play):
    """However long the work takes, the next run is at the next multiple of the interval."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append(stage.now())
            await stage.work_for(0.7)

        loop = stage.loop(work, interval=2.0, max_iterations=5)
        loop.start()
        await stage.wait(loop)
        return moments

    assert [0.0, 2.0, 4.0, 6.0, 8.0] == play(story)


def test_is_exactly_on_time_after_thousands_of_ticks(play):
    """Nothing adds up to a drift."""
    ticks = most(10_000, 2_000)

    async def story(stage):
        last = []

        async def work(ctx):
            last[:] = [stage.now(), ctx.tick]

        loop = stage.loop(work, interval=0.1, max_iterations=ticks + 1)
        loop.start()
        await stage.wait(loop)
        return last[0], last[1].number

    assert (ticks / 10, ticks) == play(story)


def test_work_longer_than_the_interval_skips_ticks_and_never_overlaps(play):
    """Ticks that pass while an iteration is in progress are skipped, and the operation is told how many."""

    async def story(stage):
        seen, at_work = [], []

        async def work(ctx):
            at_work.append(1)
            seen.append((stage.now(), ctx.tick.number, ctx.tick.missed, len(at_work)))
            await stage.work_for(5.0)
            at_work.pop()

        loop = stage.loop(work, interval=2.0, max_iterations=3)
        loop.start()
        await stage.wait(loop)
        return seen

    assert [(0.0, 0, 0, 1), (6.0, 3, 2, 1), (12.0, 6, 2, 1)] == play(story)


def test_without_an_interval_iterations_follow_at_once_and_others_have_their_turn(play):
    """A loop without pause blocks nobody, even if its operation never waits."""

    async def story(stage):
        async def work(ctx):
            pass

        busy = stage.loop(work, interval=0)
        other = stage.loop(work, name="other", interval=0, max_iterations=10)
        busy.start()
        other.start()
        await stage.wait(other)
        return other.state, await stage.stop(busy)

    assert (LoopState.FINISHED, True) == play(story, time=nullcontext)


def test_the_operation_knows_its_tick_and_iteration(play):
    """The context tells which iteration this is, and when it was due."""

    async def story(stage):
        seen = []

        async def work(ctx):
            seen.append((ctx.iteration, ctx.tick))

        loop = stage.loop(work, interval=3.0, max_iterations=2)
        loop.start()
        await stage.wait(loop)
        origin = seen[0][1].nominal
        return origin, seen

    origin, seen = play(story)

    assert [(1, 0, origin, origin), (2, 1, origin + 3.0, origin + 3.0)] == [
        (iteration, tick.number, tick.nominal, tick.actual) for iteration, tick in seen
    ]


def test_a_state_that_is_replaced_is_the_state(play):
    """Whoever assigns a new dictionary finds it in the next iteration; one that fails leaves nothing."""

    async def story(stage):
        seen = []

        async def work(ctx):
            seen.append(dict(ctx.state))
            ctx.state = {"count": ctx.state.get("count", 0) + 1}
            if ctx.iteration == 2:
                raise ValueError("wrong")

        loop = stage.loop(work, interval=1.0, max_iterations=4)
        loop.start()
        await stage.wait(loop)
        return seen

    counts = [state.get("count", 0) for state in play(story)]

    assert ([0, 1], [1, 2]) == (counts[:2], counts[-2:])


def test_a_state_that_is_no_dictionary_is_a_failed_iteration(play):
    """The message says what to do, and the state stays what it was."""

    async def story(stage):
        async def work(ctx):
            ctx.state["good"] = ctx.iteration
            if ctx.iteration == 2:
                ctx.state = "something else"

        loop = stage.loop(work, interval=1.0, max_iterations=3)
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert "ctx.state must stay a dictionary: put what is to be kept in it, not str" in status.last_error
    assert (2, 1) == (status.ledger.run, status.ledger.failed)
