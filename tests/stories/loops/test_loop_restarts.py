"""Loops that fail together do not make everything anew at once."""

from __future__ import annotations

import pytest

from unbreakable.loops.events import RungSkipped, RungTried
from unbreakable.loops.restarts import RESTARTS, SPENT
from unbreakable.runtime import BLOCKING

MANY = 30


@pytest.fixture
def budget(monkeypatch):
    """Return a function that sets how much there is, and how fast it comes back."""

    def budget(most: float, rate: float) -> None:
        monkeypatch.setattr(RESTARTS, "most", most)
        monkeypatch.setattr(RESTARTS, "rate", rate)

    return budget


def crowd(stage, down, **settings):
    """Return loops that fail as long as their target is down, all at the same time."""

    async def work(ctx):
        if down:
            raise ConnectionError("down")

    return [stage.loop(work, name=f"loop {number}", effects="once", **settings) for number in range(MANY)]


@pytest.mark.parametrize("play", ["event loop"], indirect=True)
def test_a_refresh_that_is_denied_is_made_up_for(play, budget):
    """Ten at once, as many again after a pause, until all had their turn; nobody stops."""
    budget(most=1.0, rate=0.1)

    async def story(stage):
        loops, refreshed, skipped = crowd(stage, [True]), [], []
        for loop in loops:
            loop.node.on(RungTried, lambda event: refreshed.append((stage.now(), event.rung)))
            loop.node.on(RungSkipped, lambda event: skipped.append(event.reason))
            loop.start()
        began = stage.now()
        await stage.sleep(100.0)
        moments = [at - began for at, rung in refreshed if rung == "quantum_refresh"]
        return moments, skipped, stage.engine.get_status()

    moments, skipped, status = play(story)

    assert [48.0] * 10 + [64.0] * 10 + [80.0] * 10 == moments
    assert [SPENT] * (20 + 10) == skipped
    assert (MANY, 30) == (status.active_loops, status.restarts.denied)
    assert status.to_dict()["restarts"] == status.restarts.to_dict()


@pytest.mark.parametrize("play", ["event loop"], indirect=True)
def test_probes_are_held_down_as_long_as_they_fail(play, budget):
    """Ten of thirty in each pause; when the target is back, all are back after three of them."""
    budget(most=1.0, rate=1 / 16)
    down = [True]

    async def story(stage):
        loops = crowd(stage, down)
        for loop in loops:
            loop.start()
        await stage.sleep(400.5)
        before = sum(loop.get_status().ledger.failed for loop in loops)
        await stage.sleep(160.0)
        probes = sum(loop.get_status().ledger.failed for loop in loops) - before
        told = next(line for line in map(loops[-1].explain, range(400, 560)) if "budget" in line)
        down.clear()
        await stage.sleep(60.0)
        return probes, told, [loop.get_status().surviving for loop in loops]

    probes, told, surviving = play(story)

    assert 60 <= probes <= 140  # of 300 that there would be
    assert told.endswith(f"backed off: {SPENT}")
    assert [False] * MANY == surviving


def test_a_substitute_runs_where_a_probe_is_denied(play, budget):
    """The service is kept up, and the operation left in peace."""
    budget(most=0.2, rate=0.0)

    async def story(stage):
        _, ran = stage.down()
        await stage.sleep(300.0)
        return ran

    ran = play(story)

    assert ["work"] * 13 + ["care", "work"] + ["care"] * 5 == ran[:20]


def test_a_worker_that_hangs_again_and_again_is_replaced_as_the_budget_allows(play, budget):
    """The loop goes on in between, says why it does nothing, and learns nothing from that."""
    budget(most=0.1, rate=0.0)

    async def story(stage):
        began = []

        def hang(ctx):
            began.append(stage.now())
            BLOCKING.world.sleep(1_000.0)

        loop = stage.loop(hang, effects="once", isolation="thread", deadline=0.1, interval=1.0, quantum_mode=False)
        loop.start()
        await stage.sleep(40.0)
        before, status = [round(at - began[0]) for at in began], loop.get_status()
        budget(most=0.1, rate=0.1)
        await stage.sleep(40.0)
        return before, len(began), status

    before, afterwards, status = play(story)

    assert [0, 1] == before
    assert (True, 5) == (afterwards > 2, status.ledger.failed - len(before))
    assert f"Rejected: {SPENT}" == status.last_error
    assert all("Rejected" not in known.signature for known in status.known_failures)


def test_a_path_is_kept_where_another_one_cannot_be_paid(play, budget):
    """Its worker is well; to change to one that nobody may start would cost the loop its iterations."""
    budget(most=0.0, rate=0.0)

    async def story(stage):
        ran = []

        def work(ctx):
            ran.append(ctx.iteration)
            raise ConnectionError("down")

        loop = stage.loop(work, effects="once", isolation="thread", interval=1.0)
        loop.start()
        await stage.sleep(10.0)
        return ran, loop.get_status()

    ran, status = play(story)

    assert [1, 2, 3, 4, 5] == ran
    assert (1, "ConnectionError: down") == (status.path, status.last_error)
