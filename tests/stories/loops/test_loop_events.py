"""Who listens to a loop is told of each tick and each iteration how it has ended."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.events import Event
from unbreakable.loops.events import IterationEnded, TicksEnded

NOTHING = 1e-9


def told_by(loop):
    """Return the lists of what is told of the ticks, and of the iterations, from now on."""
    ticks, iterations = [], []
    loop.node.on(TicksEnded, ticks.append)
    loop.node.on(IterationEnded, iterations.append)
    return ticks, iterations


def fates(ticks):
    """Return how many ticks were told of, by their fates."""
    found = Counter()
    for each in ticks:
        found[each.fate] += each.last - each.first + 1
    return dict(found)


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all", "cancel_other", "allow_all"])
def test_the_ticks_that_are_told_are_those_of_the_ledger(play, overlap):
    """Each once, with its number and its epoch, whatever has become of it, up to the end of the loop."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for((0.0, 2.5, 0.4)[ctx.iteration % 3])
            if ctx.iteration in range(10, 16):
                raise ConnectionError("down")

        loop = stage.loop(work, interval=1.0, overlap=overlap, effects="once", missed="replay_all")
        ticks, iterations = told_by(loop)
        for _ in range(2):
            loop.start()
            await stage.sleep(20.5)
            loop.pause()
            await stage.sleep(5.0)
            loop.resume()
            loop.trigger()
            await stage.sleep(20.0)
            loop.reconfigure(interval=1.5)
            await stage.sleep(20.0)
            await stage.stop(loop)
        return ticks, iterations, counts(loop), loop.get_status()

    ticks, iterations, ledger, status = play(story)

    assert ledger == fates(ticks)
    numbers = [(each.epoch, number) for each in ticks for number in range(each.first, each.last + 1)]
    assert len(numbers) == len(set(numbers)) == status.ledger.total
    assert list(range(1, status.current_iteration + 1)) == sorted(each.number for each in iterations)
    run = {"run", "healed", "failed", "interrupted"}
    assert sum(ledger.get(fate, 0) for fate in run) == sum(each.tick is not None for each in iterations)
    assert 1 <= sum(each.tick is None for each in iterations) <= 2, "those that were triggered"


def test_an_iteration_is_told_with_how_long_it_took_and_why_it_failed(play):
    """It has the id of its tick, which its operation had as its key."""

    async def story(stage):
        keys = []

        async def work(ctx):
            keys.append(ctx.idempotency_key)
            await stage.work_for(0.25)
            if ctx.iteration == 2:
                raise ConnectionError("down")

        loop = stage.loop(work, interval=1.0, effects="once", max_iterations=2)
        _, iterations = told_by(loop)
        loop.start()
        await stage.wait(loop)
        return keys, iterations

    keys, (one, two) = play(story)

    assert keys == [one.tick, two.tick]
    assert ((1, "run", ""), (2, "failed")) == ((one.number, one.fate, one.why), (two.number, two.fate))
    assert "ConnectionError: down" in two.why
    assert [0.25, 0.25] == [pytest.approx(each.seconds, abs=NOTHING) for each in (one, two)]
    assert {"event": "IterationEnded", "node": "work", "fate": "run"}.items() <= one.to_dict().items()


def test_who_comes_late_is_told_from_then_on(play):
    """Nothing is kept for whom nobody knows of; and a listener that raises costs the loop nothing."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(0.0)

        def fail(event):
            raise RuntimeError("no")

        loop = stage.loop(work, interval=1.0)
        loop.start()
        await stage.sleep(3.5)
        unheard = loop._work.book.unheard
        loop.node.on(TicksEnded, fail)
        ticks, _ = told_by(loop)
        await stage.sleep(4.0)
        return unheard, ticks, counts(loop), loop.get_status().last_error

    unheard, ticks, ledger, error = play(story)

    assert unheard is None
    assert ({"run": 8}, None) == (ledger, error)
    assert [5, 6, 7] == [each.first for each in ticks][-3:]


def test_who_listens_to_all_hears_of_them_too(play):
    """They are events as the others are."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(0.0)

        loop, kinds = stage.loop(work, interval=1.0, max_iterations=1), []
        loop.node.on(Event, lambda event: kinds.append(type(event).__name__))
        loop.start()
        await stage.wait(loop)
        return kinds

    assert ["Succeeded", "IterationEnded", "TicksEnded"] == play(story)
