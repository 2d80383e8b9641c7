"""Whoever is called by a loop in the loop's own thread cannot wait for its end there: it may only ask for it."""

from __future__ import annotations

import pytest

from unbreakable.loops import LoopState
from unbreakable.loops.events import IterationEnded, TicksEnded
from unbreakable.runtime import BLOCKING


def said_by(step):
    """Return what *step* returns, or the RuntimeError that it raises."""
    try:
        return step()
    except RuntimeError as error:
        return str(error)


@pytest.mark.parametrize("overlap", ["skip", "allow_all"])
@pytest.mark.parametrize("event", [IterationEnded, TicksEnded])
@pytest.mark.parametrize("what", ["loop", "engine"])
def test_a_listener_cannot_wait_for_the_loop_that_calls_it(play, event, overlap, what):
    """It would wait for ever, and so would the loop."""

    async def story(stage):
        said = []

        async def work(ctx):
            await stage.work_for(0.5)

        loop = stage.loop(work, interval=1.0, overlap=overlap, max_iterations=4)
        wait = loop.wait_sync if what == "loop" else stage.engine.run
        loop.node.on(event, lambda _: said.append(said_by(wait)))
        loop.start()
        await stage.wait(loop)
        return set(said)

    refusals = ("it cannot wait for its own end", "would block the event loop")
    said = play(story) - {None}  # which is told when the loop has ended
    assert [True] == [any(words in each for words in refusals) for each in said]


@pytest.mark.parametrize("overlap", ["skip", "allow_all"])
@pytest.mark.parametrize("what", ["loop", "engine"])
def test_a_listener_may_stop_the_loop_that_calls_it(play, overlap, what):
    """As its operation may: it is told False at once, and the loop ends."""

    async def story(stage):
        said = []

        async def work(ctx):
            await stage.work_for(0.5)

        def stop(event):
            stop = stage.mine.stop_sync if what == "loop" else stage.engine.aclose_sync
            said.append((said_by(stop), stage.now()))

        stage.mine = stage.loop(work, interval=1.0, overlap=overlap)
        stage.mine.node.on(IterationEnded, stop)
        stage.mine.start()
        if stage.is_async:  # there it has to await that
            return [(False if what == "loop" else None, 0.5)], LoopState.STOPPED, 0.5
        await stage.wait(stage.mine)
        return said, stage.mine.state, stage.now()

    assert ([(False if what == "loop" else None, 0.5)], LoopState.STOPPED, 0.5) == play(story)


def test_an_operation_cannot_run_its_own_engine(play):
    """It would wait for its own iteration."""

    async def story(stage):
        async def work(ctx):
            stage.engine.run()

        loop = stage.loop(work, max_iterations=1, effects="once")
        loop.start()
        await stage.wait(loop)
        return loop.get_status().last_error

    assert any(words in play(story) for words in ("cannot wait for its own end", "would block the event loop"))


def test_who_runs_elsewhere_may_wait(play):
    """A thread that an operation has begun waits for the loop as any other does."""

    async def story(stage):
        said = []

        async def work(ctx):
            if ctx.iteration == 1:
                BLOCKING.world.carry(lambda: said.append(stage.mine.wait_sync()), "other")

        stage.mine = stage.loop(work, interval=1.0, max_iterations=2)
        stage.mine.start()
        await stage.wait(stage.mine)
        await stage.sleep(1.0)
        return said

    assert [None] == play(story)
