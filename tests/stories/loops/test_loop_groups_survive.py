"""A group that is restarted too often survives as a whole, or is restarted by the group around it; it never stops."""

from __future__ import annotations

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.loops.events import (
    GroupRecovered,
    GroupRestarted,
    GroupSurvives,
    LoopRestarted,
    SurvivalEntered,
    SurvivalLeft,
)

AT = 1.0  # seconds after its tick at which an iteration that hangs is cut, so that its loop is restarted


async def well_done(ctx):
    """Be well, and at once."""


def hanging(stage, group, name, when, **settings):
    """Return a loop of 10 s whose iterations of these numbers hang: one second later it is restarted."""

    async def work(ctx):
        if ctx.iteration in when:
            await stage.work_for(1e6)

    defaults = {"interval": 10.0, "deadline": AT, "isolation": "thread", "effects": "once", "quantum_mode": False}
    return stage.loop(work, name=name, group=group, **{**defaults, **settings})


@pytest.mark.parametrize(("seconds", "survives"), [(20.0, True), (19.99, False)])
def test_the_intensity_is_that_of_otp_to_the_edge(play, seconds, survives):
    """The third restart within the time is one too many of two, and one at its very end is within it."""

    async def story(stage):
        group, told = stage.engine.create_group("family", max_restarts=2, max_seconds=seconds), []
        group.on(GroupRestarted, lambda event: told.append((stage.now(), event.why)))
        hanging(stage, group, "a", {1, 2, 3, 4, 5}).start()
        stage.loop(well_done, name="b", group=group).start()
        await stage.sleep(21.5 + 0.5)
        return group.get_status(), told

    status, told = play(story)

    assert [1.0, 11.0, 21.0] == [at for at, _ in told]
    assert all(why.startswith("its worker was replaced: DeadlineExceeded") for _, why in told)
    assert (3, survives, int(survives)) == (status.restarts, status.surviving, status.escalations)
    assert (0 if survives else 2) == status.recent_restarts


def test_all_survive_and_are_back_when_all_have_proven_themselves(play):
    """The well ones rest once for their longest pause; nobody stops, and no tick is without a fate."""

    async def story(stage):
        group, told = stage.engine.create_group("family", max_restarts=1, max_seconds=60.0), []
        for kind in (GroupSurvives, GroupRecovered):
            group.on(kind, lambda event: told.append((type(event).__name__, stage.now())))
        sick = hanging(stage, group, "sick", {1, 2, 3, 4})
        well = stage.loop(well_done, name="well", group=group)
        for kind in (SurvivalEntered, SurvivalLeft):
            well.node.on(kind, lambda event: told.append((type(event).__name__, stage.now())))
        sick.start(), well.start()
        await stage.sleep(12.0)
        during = group.get_status(), well.get_status(), sick.get_status()
        await stage.sleep(588.5)
        return during, told, group.get_status(), counts(well), well.get_status(), sick.get_status().ledger

    (group, well, sick), told, after, ledger, status, others = play(story)

    assert (True, True, True, None) == (group.surviving, well.surviving, sick.surviving, well.last_error)
    assert "survival_mode, for its group family survives" in well.latest_rung
    assert ["SurvivalEntered", "GroupSurvives", "SurvivalLeft", "GroupRecovered"] == [kind for kind, _ in told]
    assert [11.0, 11.0, 29.0] == [at for _, at in told[:3]]
    assert (False, 2) == (after.surviving, after.restarts)
    assert 601 == sum(ledger.values())
    assert {"run", "backed_off"} == set(ledger)
    assert 15 <= ledger["backed_off"] <= 16
    assert (False, "running") == (status.surviving, status.state)
    assert 61 == others.total + others.pending


def test_each_is_for_itself_while_the_group_survives(play):
    """Nobody is restarted for another, however often that fails, and nothing is counted."""

    async def story(stage):
        group, told = stage.engine.create_group("family", strategy="one_for_all", max_restarts=0), []
        sick = hanging(stage, group, "sick", range(1, 300))
        well = stage.loop(well_done, name="well", group=group)
        well.node.on(LoopRestarted, lambda event: told.append(event.why))
        sick.start(), well.start()
        await stage.sleep(1_000.0)
        return group.get_status(), told, sick.get_status(), well.get_status()

    group, told, sick, well = play(story)

    assert (1, 1, 1) == (group.restarts, group.escalations, len(told))
    assert (True, True, False) == (group.surviving, sick.surviving, well.surviving)
    assert (True, 1) == (sick.restarts > 10, well.restarts)


def test_a_group_that_fails_is_restarted_by_the_one_around_it(play):
    """By that one's strategy and within its bounds; its own patience begins anew."""

    async def story(stage):
        site = stage.engine.create_group("site", strategy="rest_for_one", max_restarts=1, max_seconds=1e4)
        told = []

        def member(name, group, when=()):
            loop = hanging(stage, group, name, when)
            loop.node.on(LoopRestarted, lambda event: told.append((stage.now(), name, event.group)))
            return loop

        loops = [member("before", site)]
        feed = stage.engine.create_group("feed", max_restarts=1, max_seconds=1e4, parent=site)
        loops += [member("fetch", feed, {1, 2, 3, 4}), member("parse", feed), member("after", site)]
        for loop in loops:
            loop.start()
        await stage.sleep(45.0)
        names = [loop.name for loop in site.get_loops()]
        return told, site.get_status(), feed.get_status(), names

    told, site, feed, names = play(story)

    assert ["before", "fetch", "parse", "after"] == names
    assert [(1.0, "fetch", "feed")] == told[:1]
    assert [(11.0, name, "site") for name in ("fetch", "parse", "after")] == told[1:4]
    assert [(21.0, "fetch", "feed")] == told[4:5], "it is patient again"
    assert [(41.0, name, "site") for name in names] == told[5:]
    assert (True, True, 2, 1) == (site.surviving, feed.surviving, feed.escalations, site.escalations)
    assert (("feed",), ("before", "after"), "site") == (site.groups, site.loops, feed.parent)


def test_iterations_beside_each_other_are_all_cut(play):
    """A loop with overlap "allow_all" is idle when the last of them has ended."""

    async def story(stage):
        group, cleaned = stage.engine.create_group("family", strategy="one_for_all"), []

        async def work(ctx):
            try:
                await stage.work_for(50.0)
            finally:
                cleaned.append(stage.now())

        many = stage.loop(work, name="many", group=group, overlap="allow_all", interval=3.0, deadline=100.0)
        hanging(stage, group, "sick", {2}).start()
        many.start()
        await stage.sleep(12.2)
        return list(cleaned), counts(many), many.get_status(), many.explain(2)

    cleaned, ledger, status, why = play(story)

    assert [11.0] * 4 == cleaned
    assert {"interrupted": 4, "pending": 1} == ledger
    assert (1, 5) == (status.restarts, status.current_iteration)
    assert "tick 2: interrupted: loop sick was restarted, and this one with it" == why


@pytest.mark.parametrize("play", ["event loop", "thread with event loop"], indirect=True)
def test_another_death_in_the_middle_of_a_restart_is_part_of_it(play):
    """Of two iterations beside each other that hang the second is cut while the others clean up: they begin once."""

    async def story(stage):
        group = stage.engine.create_group("family", strategy="one_for_all")

        async def slow(ctx):
            try:
                await stage.work_for(1e6)
            finally:
                await stage.work_for(0.8)

        slow = stage.loop(slow, name="slow", group=group, deadline=100.0)
        sick = hanging(stage, group, "sick", range(1, 100), interval=0.45, overlap="allow_all")
        slow.start(), sick.start()
        await stage.sleep(1.85)
        return group.get_status().restarts, slow.get_status(), counts(sick)

    restarts, slow, ledger = play(story)

    assert (1, 1, 1) == (restarts, slow.restarts, slow.ledger.interrupted)
    assert 2 <= ledger["failed"]


def test_stopping_in_the_middle_of_a_restart_ends_it_for_who_stops(play):
    """Who is stopped while it waits for the others ends at once; the others go on."""

    async def story(stage):
        group = stage.engine.create_group("family", strategy="one_for_all")

        async def slow(ctx):
            try:
                await stage.works_on.sleep(1e6)
            finally:
                await stage.works_on.sleep(0.8)

        loops = [stage.loop(slow, name="slow", group=group, deadline=100.0)]
        loops.append(stage.loop(well_done, name="quick", group=group, interval=0.3))
        loops.append(hanging(stage, group, "sick", {1}))
        for loop in loops:
            loop.start()
        await stage.sleep(1.1)
        began = stage.now()
        ended = await stage.stop(loops[1], grace=5.0)
        took = stage.now() - began
        await stage.sleep(4.0)
        return ended, took, [loop.get_status() for loop in loops]

    ended, took, (slow, quick, sick) = play(story)

    assert (True, True) == (ended, took < 0.1)
    assert ("stopped", "running", "running") == (quick.state, slow.state, sick.state)
    assert (1, 1, 1) == (slow.restarts, slow.ledger.interrupted, sick.restarts)
    assert (4, 4, 0) == (quick.ledger.run, quick.ledger.total, quick.ledger.pending)


def test_who_only_pauses_does_not_hold_the_others_in_survival(play):
    """A loop that shows nothing of itself is not waited for."""

    async def story(stage):
        group = stage.engine.create_group("family", strategy="one_for_all", max_restarts=0)
        sick, idle = hanging(stage, group, "sick", {1}), hanging(stage, group, "idle", ())
        sick.start(), idle.start()
        await stage.sleep(2.0)
        idle.pause()
        before = group.get_status().surviving
        await stage.sleep(1_000.0)
        return before, group.get_status().surviving, sick.get_status().surviving

    assert (True, False, False) == play(story)
