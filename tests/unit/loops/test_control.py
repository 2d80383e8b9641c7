"""What a loop does next, whatever is wished in whatever order."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from unbreakable.loops.control import Control, End, Run, Wait
from unbreakable.loops.schedule import Schedule, Tick


def control(most: float = math.inf, *, interval: float = 2.0, paused: bool = False) -> Control:
    return Control(Schedule(origin=0.0, interval=interval), most, paused=paused)


def test_runs_at_its_ticks_and_waits_between_them():
    """The first tick is now; then it waits for the grid."""
    loop = control()

    assert [Run(Tick(number=0, nominal=0.0)), Wait(1.5), Run(Tick(number=1, nominal=2.0)), Wait(1.0)] == [
        loop.decide(now) for now in (0.0, 0.5, 2.0, 3.0)
    ]


def test_ends_when_all_iterations_are_done():
    """A limited loop ends by itself."""
    loop = control(most=1)
    loop.decide(0.0)

    assert End(finished=True) == loop.decide(0.1)


def test_ends_when_a_stop_is_wished():
    """A stop goes before everything else, a trigger included."""
    loop = control()
    loop.trigger()
    loop.stop()

    assert End(finished=False) == loop.decide(0.0)


def test_a_trigger_runs_now_and_leaves_the_grid_alone():
    """An iteration triggered by hand belongs to no tick, and the next tick is where it was."""
    loop = control()
    loop.decide(0.0)
    loop.trigger()

    assert [Run(None), Wait(1.0), Run(Tick(number=1, nominal=2.0))] == [loop.decide(now) for now in (0.5, 1.0, 2.0)]


def test_several_triggers_are_one():
    """Triggers do not pile up."""
    loop = control()
    loop.decide(0.0)
    loop.trigger()
    loop.trigger()

    assert [Run(None), Wait(1.0)] == [loop.decide(1.0), loop.decide(1.0)]


def test_pausing_skips_ticks_until_resumed():
    """Ticks that pass in a pause are not made up for."""
    loop = control()
    loop.decide(0.0)
    loop.pause(True)
    paused = [loop.decide(now) for now in (1.0, 7.0)]
    loop.pause(False)

    assert [Wait(math.inf), Wait(math.inf)] == paused
    assert Wait(0.75) == loop.decide(7.25)
    assert Run(Tick(number=4, nominal=8.0, missed=3)) == loop.decide(8.0)


def test_a_paused_loop_can_be_triggered():
    """Who asks for an iteration by hand gets it, and the loop stays paused."""
    loop = control(paused=True)
    loop.trigger()

    assert [Run(None), Wait(math.inf)] == [loop.decide(0.0), loop.decide(1.0)]


def test_a_loop_that_rests_stays_on_its_grid_and_counts_what_it_skips():
    """Whoever fails is slowed down along the grid; ticks of the rest are missed ones."""
    loop = control()
    loop.decide(0.0)
    loop.rest(0.0 + 3 * 2.0)

    assert Wait(5.5) == loop.decide(0.5)
    assert Run(Tick(number=3, nominal=6.0, missed=2)) == loop.decide(6.0)


def test_a_loop_that_was_hung_for_longer_than_its_rest_runs_at_the_next_tick():
    """A rest is counted from the tick, not added to what the iteration took."""
    loop = control()
    loop.decide(0.0)
    loop.rest(4.0)

    assert Run(Tick(number=5, nominal=10.0, missed=4)) == loop.decide(10.0)


def test_a_trigger_is_not_held_up_by_a_rest_and_does_not_end_it():
    """Who asks for an iteration by hand gets it now."""
    loop = control()
    loop.decide(0.0)
    loop.rest(8.0)
    loop.trigger()

    assert [Run(None), Wait(7.0)] == [loop.decide(1.0), loop.decide(1.0)]


def test_a_loop_without_an_interval_rests_between_its_iterations():
    """At once is after the rest, too."""
    loop = control(interval=0.0)
    loop.decide(0.0)
    loop.rest(0.25)

    assert [Wait(0.25), Run(Tick(number=1, nominal=0.25))] == [loop.decide(now) for now in (0.0, 0.25)]


def test_what_is_wished_after_a_decision_is_news():
    """A wish between a decision and the wait that follows it is not slept through."""
    loop = control()
    loop.decide(0.0)
    before = loop.news
    loop.pause(True)

    assert (False, True) == (before, loop.news)


wishes = st.lists(
    st.tuples(
        st.floats(min_value=0.0, max_value=10.0),
        st.sampled_from(["pause", "resume", "trigger", "step", "step", "step"]),
    )
)


@given(wishes=wishes, most=st.integers(1, 20), interval=st.sampled_from([0.0, 0.5, 2.0, 7.0]))
def test_whatever_is_wished_ticks_rise_and_add_up(wishes, most, interval):
    """Ticks run at most once, in order and never early; every number is either run or counted as missed."""
    loop, now, runs = control(most, interval=interval), 0.0, []
    for seconds, wish in wishes:
        now += seconds
        match wish:
            case "pause" | "resume":
                loop.pause(wish == "pause")
            case "trigger":
                loop.trigger()
        decision = loop.decide(now)
        if isinstance(decision, Run):
            runs.append((now, decision.tick))
    ticks = [tick for _, tick in runs if tick is not None]

    assert len(runs) <= most
    assert all(tick is None or tick.is_due(at) for at, tick in runs)
    assert [tick.number for tick in ticks] == sorted({tick.number for tick in ticks})
    assert ([tick.number + 1 for tick in ticks] or [0])[-1] == sum(1 + tick.missed for tick in ticks)
