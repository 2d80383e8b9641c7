"""Loops that belong together are restarted together, by the rules of OTP's supervisors."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.errors import ConfigurationError
from unbreakable.loops import QuantumLoopEngine
from unbreakable.loops.events import GroupRestarted, LoopRestarted
from unbreakable.runtime import BLOCKING

CUT = "interrupted: loop b was restarted, and this one with it"


def family(stage, strategy, faulty="b", names="abcd", **settings):
    """Return a group of loops, of which the *faulty* ones always fail, and what is told of their restarts."""
    group, told = stage.engine.create_group("family", strategy=strategy), []

    loops = []
    for name in names:
        loop = stage.loop(work_of(name, faulty), name=name, group=group, effects="once", **settings)
        loop.node.on(LoopRestarted, lambda event: told.append((event.node, event.by, stage.now())))
        loops.append(loop)
    return group, loops, told


def work_of(name, faulty):
    async def work(ctx):
        if name in faulty:
            raise ConnectionError("down")

    return work


@pytest.mark.parametrize(
    ("strategy", "restarted"), [("one_for_one", "b"), ("one_for_all", "abcd"), ("rest_for_one", "bcd")]
)
def test_who_is_restarted_is_said_by_the_strategy(play, strategy, restarted):
    """In the order in which they were made, once, and nobody stops or misses a tick by it."""

    async def story(stage):
        group, loops, told = family(stage, strategy)
        for loop in reversed(loops):  # in whatever order they are started
            loop.start()
        await stage.sleep(60.5)
        anew = [loop.name for loop in loops if loop._work.paths.refreshed]
        return group.get_status(), [loop.get_status() for loop in loops], told, anew

    group, loops, told, anew = play(story)

    assert [(name, "b") for name in restarted] == [(name, by) for name, by, _ in told]
    assert 1 == len({at for _, _, at in told})
    assert [*restarted] == anew
    assert (1, 1, 0, False) == (group.restarts, group.recent_restarts, group.escalations, group.surviving)
    assert "loop b: it was refreshed after failure 8 in a row: ConnectionError: down" == group.latest_restart
    assert {name: int(name in restarted) for name in "abcd"} == {loop.name: loop.restarts for loop in loops}
    assert ["family"] * 4 == [loop.group for loop in loops]
    assert [61] * 3 == [loop.ledger.run for loop in loops if loop.name != "b"]


def test_the_order_is_that_of_creation_also_for_who_comes_later(play):
    """One that is made after a restart, or while others run, has the last place; one that is let go of has none."""

    async def story(stage):
        group, loops, told = family(stage, "rest_for_one", names="abc")
        for loop in loops:
            loop.start()
        await stage.sleep(10.0)
        late = stage.loop(work_of("late", ""), name="late", group=group)
        late.node.on(LoopRestarted, lambda event: told.append((event.node, event.by, stage.now())))
        late.start()
        loops[2].let_go()
        await stage.sleep(51.0)
        names = [loop.name for loop in group.get_loops()]
        await stage.stop(loops[2])
        return names, [name for name, _, _ in told], loops[2].get_status().ledger.run

    names, told, run = play(story)

    assert (["a", "b", "late"], ["b", "late"]) == (names, told)
    assert 61 <= run <= 62, "who is let go of goes on"


def test_what_is_in_progress_is_cut_and_the_ledger_is_exact(play):
    """It is interrupted, with the reason; its state is that of the latest good iteration, and its ticks go on."""

    async def story(stage):
        group = stage.engine.create_group("family", strategy="one_for_all")
        seen, cleaned = [], []

        async def long(ctx):
            seen.append((ctx.iteration, dict(ctx.state), stage.now()))
            ctx.state["half"] = ctx.iteration
            try:
                await stage.work_for(25.0)
            finally:
                cleaned.append(stage.now())
            ctx.state["done"] = ctx.iteration

        one = stage.loop(long, name="a", group=group, interval=30.0, effects="once", deadline=100.0)
        two = stage.loop(work_of("b", "b"), name="b", group=group, effects="once")
        one.start(), two.start()
        await stage.sleep(100.0)
        status, why = one.get_status(), one.explain(1)
        return seen, cleaned, status, why, counts(one), counts(two), two.get_status().ledger.total

    seen, cleaned, status, why, one, two, total = play(story)

    at = cleaned[1]
    assert 30.0 < at < 55.0
    assert [(1, {}, 0.0), (2, {"half": 1, "done": 1}, 30.0), (3, {"half": 1, "done": 1}, 60.0)] == seen[:3]
    assert {"run": 2, "interrupted": 1, "pending": 1} == one
    assert f"tick 1: {CUT}" == why
    assert (1, None) == (status.restarts, status.last_error)
    assert total == 101 == sum(two.values())


@pytest.mark.parametrize("play", ["event loop"], indirect=True)
def test_what_was_made_last_is_cut_first_and_all_begin_again_when_all_have_ended(play):
    """Whoever builds on another is gone before that is, and comes back after it."""

    async def story(stage):
        group, told = stage.engine.create_group("family", strategy="one_for_all"), []

        def of(name, seconds):
            async def work(ctx):
                told.append(("begins", name, stage.now()))
                try:
                    await stage.work_for(1e6)
                except asyncio.CancelledError:
                    told.append(("is cut", name, stage.now()))
                    await stage.work_for(seconds)
                    told.append(("has ended", name, stage.now()))
                    raise

            loop = stage.loop(work, name=name, group=group, interval=0.25, deadline=1e9)
            loop.node.on(LoopRestarted, lambda event: told.append(("is anew", name, stage.now())))
            return loop

        loops = [of("a", 0.5), of("b", 0.25), of("c", 0.0)]
        loops.append(stage.loop(work_of("sick", ["sick"]), name="sick", group=group, effects="once"))
        for loop in loops:
            loop.start()
        await stage.sleep(70.0)
        began = next(at for what, _, at in told if what == "is cut")
        return [(what, name, at - began) for what, name, at in told[3:]]

    told = play(story)

    assert [("is cut", name, 0.0) for name in "cba"] == [told[0], *(each for each in told[1:4] if each[0] == "is cut")]
    assert [("has ended", name, at) for name, at in (("c", 0.0), ("b", 0.25), ("a", 0.5))] == [
        each for each in told if each[0] == "has ended"
    ]
    assert [("is anew", name, 0.5) for name in "abc"] == [each for each in told if each[0] == "is anew"]
    assert all(at >= 0.5 for what, _, at in told if what == "begins")


def test_all_that_fail_at_once_are_one_restart(play):
    """Whoever comes first restarts all; each of the others has had what it asks for, and nobody survives by it."""

    async def story(stage):
        names = [f"loop {number}" for number in range(20)]
        group, loops, told = family(stage, "one_for_all", faulty=names, names=names)
        restarts = []
        group.on(GroupRestarted, lambda event: restarts.append((event.loops, event.by)))
        for loop in loops:
            loop.start()
        await stage.sleep(58.5)
        return group.get_status(), restarts, [loop.get_status().restarts for loop in loops], len(told)

    group, restarts, each, told = play(story)

    assert (1, 0) == (group.restarts, group.escalations)
    assert [20] == [loops for loops, _ in restarts]
    assert [1] * 20 == each
    assert 20 == told


def test_who_was_well_again_asks_again(play):
    """What another's restart did for a loop is no answer to what fails a day later."""

    async def story(stage):
        group, down = stage.engine.create_group("family", strategy="one_for_all", max_restarts=100), {"a"}

        def of(name):
            async def work(ctx):
                if name in down:
                    raise ConnectionError("down")

            return stage.loop(work, name=name, group=group, effects="once")

        for loop in (of("a"), of("b")):
            loop.start()
        await stage.sleep(60.0)
        first = group.get_status()
        down.clear()
        await stage.sleep(300.0)
        down.add("b")
        await stage.sleep(60.0)
        return first, group.get_status()

    first, then = play(story)

    assert [1, 2] == [first.restarts, then.restarts]
    assert then.latest_restart.startswith("loop b: ")


def test_who_is_let_go_of_restarts_nobody(play):
    """It goes on by itself, and is healed by itself."""

    async def story(stage):
        group, loops, told = family(stage, "one_for_all")
        for loop in loops:
            loop.start()
        loops[1].let_go()
        await stage.sleep(70.0)
        tried = loops[1].get_status().healing.quantum_refresh.tried
        await stage.stop(loops[1])
        return told, group.get_status().restarts, tried

    assert ([], 0, 1) == play(story)


def test_a_pause_and_other_settings_outlive_a_restart(play):
    """Who is paused stays so, and is made anew all the same; who was reconfigured keeps its ticks."""

    async def story(stage):
        group, loops, _ = family(stage, "one_for_all", names="abc")
        for loop in loops:
            loop.start()
        loops[0].pause()
        loops[2].reconfigure(interval=10.0)
        await stage.sleep(100.5)
        return group.get_status().restarts, [loop.get_status() for loop in loops]

    restarts, (paused, _, slow) = play(story)

    assert restarts >= 1
    assert ("paused", restarts, 0) == (paused.state, paused.restarts, paused.ledger.interrupted)
    assert (restarts, 10.0) == (slow.restarts, slow.interval)
    assert (11, slow.ledger.total) == (slow.ledger.run, slow.ledger.run + slow.ledger.dropped)


def test_who_is_stopped_stays_so(play):
    """A restart begins nothing that was not there: neither what is new nor what was stopped or is done."""

    async def story(stage):
        group, loops, told = family(stage, "one_for_all", names="abcd")
        done = stage.loop(work_of("done", ""), name="done", group=group, max_iterations=2)
        for loop in (*loops[:3], done):
            loop.start()
        await stage.stop(loops[0])
        await stage.sleep(70.0)
        return [name for name, _, _ in told], [loop.state.value for loop in (*loops, done)]

    told, states = play(story)

    assert ["b", "c"] == told
    assert ["stopped", "running", "running", "new", "finished"] == states


@pytest.mark.parametrize("play", ["thread"], indirect=True)
def test_what_cannot_be_cut_is_waited_for_no_longer_than_its_grace(play):
    """The others go on without it; it is restarted when it ends, and what it has done counts."""

    async def story(stage):
        group = stage.engine.create_group("family", strategy="one_for_all")
        moments = []

        def blocked(ctx):
            BLOCKING.world.sleep(90.0)

        async def quick(ctx):
            moments.append(stage.now())

        stuck = stage.engine.create_loop(blocked, name="a", group=group, interval=100.0, effects="once", deadline=1e3)
        loops = [stuck, stage.loop(work_of("b", "b"), name="b", group=group, effects="once")]
        loops.append(stage.loop(quick, name="c", group=group, interval=0.5))
        for loop in loops:
            loop.start()
        await stage.sleep(70.0)
        before, status = stuck.get_status().restarts, loops[2].get_status()
        await stage.sleep(25.0)
        return before, stuck.get_status(), moments, status

    before, stuck, moments, quick = play(story)

    longest = max(after - before for before, after in itertools.pairwise(moments))
    assert 1.0 < longest <= 2.0, "a second of grace, and the tick after it"
    assert (0, 1, 1) == (before, stuck.restarts, stuck.ledger.run)
    assert 1 == quick.restarts
    assert quick.ledger.total + quick.ledger.pending in (140, 141)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "name"),
        ({"strategy": "all_for_one"}, "strategy"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"max_restarts": 1_001}, "max_restarts"),
        ({"max_restarts": 1.5}, "max_restarts"),
        ({"max_seconds": 0.0}, "max_seconds"),
        ({"max_seconds": float("inf")}, "max_seconds"),
        ({"parent": "another"}, "parent"),
        ({"name": "taken"}, "name"),
    ],
)
def test_wrong_settings_are_refused_where_they_are_given(wrong, said):
    """The message begins with the setting."""
    engine = QuantumLoopEngine()
    engine.create_group("taken")

    with pytest.raises(ConfigurationError, match=rf"^{said}"):
        engine.create_group(**{"name": "family", **wrong})
    with pytest.raises(ConfigurationError, match=r"^group"):
        engine.create_loop(lambda: None, group=QuantumLoopEngine().create_group("taken"))
    assert ["taken"] == [group.name for group in engine.get_status().groups]


def test_the_status_is_json_ready(play):
    """Group and loops say the same, for machines, too."""

    async def story(stage):
        group, _, _ = family(stage, "one_for_one")
        stage.engine.create_group("inner", parent=group)
        return stage.engine.get_status().to_dict(), group.get_status().to_dict()

    engine, group = play(story)

    assert [group] == engine["groups"][:1]
    assert (["a", "b", "c", "d"], ["inner"], None) == (group["loops"], group["groups"], group["parent"])
    assert ("family", 0) == (engine["loops"][0]["group"], engine["loops"][0]["restarts"])
