"""Whatever happens to the loops of a group, and whenever: each goes on, and each tick has one fate."""

from __future__ import annotations

import datetime as dt
import random
import shutil

import pytest

from unbreakable.loops import QuantumLoopEngine
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time

NOON = dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC)
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
HOW = ("inline", "thread")


def tree(engine, dice):
    """Return groups, one within the other, with whatever strategies."""
    groups = [engine.create_group("0", strategy=dice.choice(STRATEGIES), max_restarts=3)]
    for number in range(1, 4):
        parent = dice.choice([*groups, None])
        settings = {"max_restarts": dice.choice((0, 1, 5)), "max_seconds": dice.choice((30.0, 300.0))}
        groups.append(engine.create_group(str(number), strategy=dice.choice(STRATEGIES), parent=parent, **settings))
    return groups


class Weather:
    """What the operations meet, which is the same for those that fail at the same time."""

    def __init__(self, seed, sleep):
        self.dice, self.sleep, self.is_bad = random.Random(seed), sleep, True

    async def work(self, ctx):
        ctx.state["begun"] = ctx.state.get("begun", 0) + 1
        mood = self.dice.random()
        if self.is_bad and mood < 0.3:
            raise ConnectionError("down")
        await self.sleep(1e9 if self.is_bad and mood < 0.4 else self.dice.choice((0.0, 0.4, 2.5)))
        ctx.state["done"] = ctx.state.get("done", 0) + 1


class Company:
    """Loops of several groups, which somebody meddles with."""

    def __init__(self, stage, seed):
        self.stage, self.dice = stage, random.Random(seed)
        self.weather = Weather(seed, stage.works_on.sleep)
        self.groups, self.loops, self.lives = tree(stage.engine, self.dice), [], []

    def start(self, loop):
        if not loop.is_running:
            loop.start()
            self.lives.append((loop, loop.life.control))

    def another(self):
        """Make one more loop, and start it."""
        dice = self.dice
        isolation = dice.choice(HOW if self.stage.can_cancel else HOW[1:])  # a plain one that hangs never ends
        settings = {"interval": dice.choice((1.0, 3.0, 7.0)), "overlap": dice.choice(("skip", "allow_all"))}
        settings |= {"group": dice.choice(self.groups), "isolation": isolation, "deadline": 3.0}
        self.loops.append(self.stage.loop(self.weather.work, name=str(len(self.loops)), **settings))
        self.start(self.loops[-1])

    async def meddle(self):
        """Do something to a loop at some moment."""
        await self.stage.sleep(self.dice.uniform(0.0, 9.0))
        loop, what = self.dice.choice(self.loops), self.dice.randrange(7)
        if what == 0:
            self.another()
        elif what == 1:
            await self.stage.stop(loop, grace=self.dice.choice((0.0, 1.0)))
        elif what == 2:
            self.start(loop)
        elif what == 3 and loop.state in ("running", "paused"):
            loop.trigger()
        else:
            (loop.pause if what == 4 else loop.resume)()

    async def restart(self):
        """Have all loops go on, in better weather."""
        self.weather.is_bad = False
        for loop in self.loops:
            loop.resume()
            await self.stage.stop(loop, grace=0.0)
            self.start(loop)


@pytest.mark.parametrize("seed", range(2))
def test_every_tick_has_one_fate_and_all_are_well_in_the_end(play, seed):
    """Loops come and go, are paused, stopped and started, while others hang and fail; nobody is lost by it."""

    async def story(stage):
        company = Company(stage, seed)
        for _ in range(9):
            company.another()
        for _ in range(30):
            await company.meddle()
        await company.restart()
        await stage.sleep(150.0)
        groups, loops = [each.get_status() for each in company.groups], [each.get_status() for each in company.loops]
        for loop in company.loops:
            await stage.stop(loop)
        ticks = [sum(life.seen for whose, life in company.lives if whose is loop) for loop in company.loops]
        return groups, loops, ticks, [loop.get_status().ledger for loop in company.loops]

    groups, loops, ticks, ledgers = play(story)

    assert sum(group.restarts for group in groups) > 0 < sum(loop.restarts for loop in loops)
    assert not any(group.surviving for group in groups)
    assert {("running", False, None)} == {(each.state, each.surviving, each.stuck) for each in loops}
    assert [(each, 0) for each in ticks] == [(ledger.total, ledger.pending) for ledger in ledgers]
    assert all(ledger.run for ledger in ledgers)


def family(engine):
    """Return a group of two loops: one hangs in its second iteration, so that both are restarted, and one is well."""
    group = engine.create_group("family", strategy="one_for_all")

    def hang(ctx):
        if ctx.iteration == 2:
            BLOCKING.world.sleep(1e6)

    async def count(ctx):
        ctx.state["begun"] = ctx.state.get("begun", 0) + 1
        try:
            await ASYNCIO.sleep(5.0)
        finally:
            await ASYNCIO.sleep(0.04)
        ctx.state["done"] = ctx.state.get("done", 0) + 1

    settings = {"group": group, "interval": 10.0, "effects": "once"}
    sick = engine.create_loop(hang, name="sick", deadline=1.0, isolation="thread", **settings)
    well = engine.create_loop(count, name="well", **settings)
    sick.start(), well.start()
    return group, sick, well


@pytest.mark.parametrize("moment", [11.0, 11.02, 30.0])
def test_a_program_that_is_killed_goes_on_with_its_groups(tmp_path, moment):
    """In the middle of a restart, too: the tick at work is interrupted, the state is that of the latest good one."""
    file = tmp_path / "now" / "loops.db"
    file.parent.mkdir()

    with virtual_time(at=NOON) as clock:
        engine = QuantumLoopEngine(file)
        family(engine)
        clock.advance(moment)
        shutil.copytree(file.parent, tmp_path / "kept")
        engine.aclose_sync(grace=0.0)
    shutil.rmtree(file.parent)
    shutil.copytree(tmp_path / "kept", file.parent)
    with virtual_time(at=NOON + dt.timedelta(seconds=moment)) as clock:
        engine = QuantumLoopEngine(file)
        group, sick, well = family(engine)
        clock.advance(100.0 - moment + 8.0)
        ledgers = [loop.get_status().ledger for loop in (sick, well)]
        state, fates = dict(well._work.slate.state), well.explain(1)
        engine.aclose_sync()

    assert [11, 11] == [ledger.total + ledger.pending for ledger in ledgers]
    assert 1 == ledgers[1].interrupted
    assert "tick 1: interrupted" in fates
    assert state["begun"] == state["done"] == ledgers[1].run == 10
    assert (0, 0) == (group.get_status().restarts, group.get_status().escalations)
