"""What a loop does next, whatever is wished in whatever order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.errors import ConfigurationError
from unbreakable.loops.control import MOST_WAITING, Control
from unbreakable.loops.decisions import NO_CUT, Cut, Decision, End, Run, Wait
from unbreakable.loops.ledger import Fate
from unbreakable.loops.schedule import Schedule, Tick


def control(most: float = math.inf, *, interval: float = 2.0, jitter: float = 0.0, **settings) -> Control:
    return Control(Schedule(origin=0.0, interval=interval, jitter=jitter), most, **settings)


def run(number: int, nominal: float, actual: float | None = None, missed: int = 0) -> Run:
    return Run(Tick(number=number, nominal=nominal, actual=nominal if actual is None else actual, missed=missed))


def after(loop: Control, fate: Fate, now: float, rests_until: float = -math.inf) -> Decision:
    """Return what *loop* does after an iteration that ends *now*."""
    loop.ended(fate, now, rests_until=rests_until)
    return loop.decide(now)


def fates(loop: Control, now: float) -> dict[str, int]:
    return {fate: count for fate, count in loop.ledger(now).to_dict().items() if count}


def test_runs_at_its_ticks_and_waits_between_them():
    """The first tick is now; then it waits for the grid."""
    loop = control()

    assert run(0, 0.0) == loop.decide(0.0)
    assert Wait(1.5) == after(loop, Fate.RUN, 0.5)
    assert run(1, 2.0, 2.01) == loop.decide(2.01)
    assert Wait(1.0) == after(loop, Fate.RUN, 3.0)
    assert {"run": 2} == fates(loop, 3.0)


def test_ends_when_all_iterations_are_done():
    """A limited loop ends by itself."""
    loop = control(most=1)
    loop.decide(0.0)

    assert End(finished=True) == after(loop, Fate.RUN, 0.1)


def test_ends_when_a_stop_is_wished():
    """A stop goes before everything else, a trigger included."""
    loop = control()
    loop.trigger()
    loop.stop()

    assert End(finished=False) == loop.decide(0.0)
    assert {"dropped": 1} == fates(loop, 0.0)


def test_a_trigger_runs_now_and_leaves_the_grid_alone():
    """An iteration triggered by hand belongs to no tick, and the next tick is where it was."""
    loop = control()
    loop.decide(0.0)
    loop.trigger()

    assert Run(None) == after(loop, Fate.RUN, 0.5)
    assert Wait(1.0) == after(loop, Fate.RUN, 1.0)
    assert run(1, 2.0) == loop.decide(2.0)
    assert {"run": 1, "pending": 1} == fates(loop, 2.0)


def test_several_triggers_are_one():
    """Triggers do not pile up."""
    loop = control()
    loop.decide(0.0)
    loop.trigger()
    loop.trigger()

    assert [Run(None), Wait(1.0)] == [after(loop, Fate.RUN, 1.0), after(loop, Fate.RUN, 1.0)]


def test_pausing_skips_ticks_until_resumed():
    """Ticks that pass in a pause are not made up for."""
    loop = control()
    loop.decide(0.0)
    loop.pause(True)
    paused = [after(loop, Fate.RUN, 1.0), loop.decide(7.0)]
    loop.pause(False)

    assert [Wait(math.inf), Wait(math.inf)] == paused
    assert Wait(0.75) == loop.decide(7.25)
    assert run(4, 8.0, missed=3) == loop.decide(8.0)
    assert {"run": 1, "paused": 3, "pending": 1} == fates(loop, 8.0)


def test_a_tick_at_the_moment_of_resuming_runs():
    """Who resumes exactly at a tick has not missed it."""
    loop = control(paused=True)
    loop.decide(0.0)
    loop.pause(False)

    assert run(2, 4.0, missed=2) == loop.decide(4.0)


def test_a_paused_loop_can_be_triggered():
    """Who asks for an iteration by hand gets it, and the loop stays paused."""
    loop = control(paused=True)
    loop.trigger()

    assert [Run(None), Wait(math.inf)] == [loop.decide(0.0), after(loop, Fate.RUN, 5.0)]
    assert {"paused": 3} == fates(loop, 5.0)


def test_a_loop_that_rests_stays_on_its_grid_and_counts_what_it_skips():
    """Whoever fails is slowed down along the grid; ticks of the rest are skipped."""
    loop = control()
    loop.decide(0.0)

    assert Wait(5.5) == after(loop, Fate.FAILED, 0.5, rests_until=3 * 2.0)
    assert run(3, 6.0, missed=2) == loop.decide(6.0)
    assert {"failed": 1, "backed_off": 2, "pending": 1} == fates(loop, 6.0)


def test_a_rest_that_ends_between_two_ticks_is_followed_by_the_next_one():
    """Nobody is woken at the end of a rest in which there is nothing to do."""
    loop = control()
    loop.decide(0.0)

    assert Wait(5.5) == after(loop, Fate.FAILED, 0.5, rests_until=5.0)
    assert run(3, 6.0, missed=2) == loop.decide(6.0)


def test_a_loop_that_was_hung_for_longer_than_its_rest_runs_at_the_next_tick():
    """A rest is counted from the tick, not added to what the iteration took."""
    loop = control()
    loop.decide(0.0)

    assert run(5, 10.0, missed=4) == after(loop, Fate.FAILED, 10.0, rests_until=4.0)
    assert {"failed": 1, "skipped_overlap": 4, "pending": 1} == fates(loop, 10.0)


def test_a_trigger_is_not_held_up_by_a_rest():
    """Who asks for an iteration by hand gets it now; then it rests as that one's end demands."""
    loop = control()
    loop.decide(0.0)
    loop.trigger()

    assert Run(None) == after(loop, Fate.FAILED, 1.0, rests_until=8.0)
    assert Wait(7.0) == after(loop, Fate.FAILED, 1.0, rests_until=8.0)


def test_a_loop_without_an_interval_rests_between_its_iterations():
    """At once is after the rest, too; each of its iterations is a tick."""
    loop = control(interval=0.0)
    loop.decide(0.0)

    assert Wait(0.25) == after(loop, Fate.FAILED, 0.0, rests_until=0.25)
    assert run(1, 0.25) == loop.decide(0.25)
    assert run(2, 0.5) == after(loop, Fate.RUN, 0.5)
    assert {"run": 1, "failed": 1, "pending": 1} == fates(loop, 99.0)


def test_what_is_wished_after_a_decision_is_news():
    """A wish between a decision and the wait that follows it is not slept through."""
    loop = control()
    loop.decide(0.0)
    before = loop.news
    loop.pause(True)

    assert (False, True) == (before, loop.news)


# ── ticks that cannot run at their time ──────────────────────────────────────────────────────────────────────────────


def test_a_tick_that_waits_has_its_turn_right_after_the_iteration():
    """With one place in line the first that came due has it; the others are skipped."""
    loop = control(overlap="buffer_one")
    loop.decide(0.0)

    assert run(1, 2.0, 9.0) == after(loop, Fate.RUN, 9.0)
    assert Wait(0.5) == after(loop, Fate.RUN, 9.5)
    assert {"run": 2, "skipped_overlap": 3} == fates(loop, 9.5)
    assert "tick 3: skipped overlap: that of tick 0 was in progress" == loop.explain(3, 9.5)


def test_all_ticks_have_their_turn_one_after_the_other():
    """With a line for all none is lost, and they run in order."""
    loop = control(overlap="buffer_all")
    loop.decide(0.0)

    assert [1, 2, 3, 4] == [after(loop, Fate.RUN, 8.5).tick.number for _ in range(4)]
    assert Wait(1.5) == after(loop, Fate.RUN, 8.5)
    assert {"run": 5} == fates(loop, 8.5)


def test_a_line_has_an_end():
    """Ticks that find the line full are dropped, and said to be."""
    loop = control(overlap="buffer_all")
    loop.decide(0.0)

    assert run(1, 2.0, 2.0 * 1_500 + 1) == after(loop, Fate.RUN, 2.0 * 1_500 + 1)
    assert {"run": 1, "dropped": 1_500 - MOST_WAITING, "pending": MOST_WAITING} == fates(loop, 2.0 * 1_500 + 1)
    assert "tick 1500: dropped: 1,000 others waited for their turn" == loop.explain(1_500, 2.0 * 1_500 + 1)


def test_ticks_that_wait_do_so_until_the_loop_has_rested():
    """A loop that fails does not work off its line at full speed."""
    loop = control(overlap="buffer_all")
    loop.decide(0.0)

    assert Wait(16.0 - 5.0) == after(loop, Fate.FAILED, 5.0, rests_until=16.0)
    assert run(1, 2.0, 16.0) == loop.decide(16.0)
    assert {"failed": 1, "backed_off": 5, "pending": 3} == fates(loop, 16.0)


def test_who_wakes_up_late_runs_once():
    """After a suspended hour the latest tick runs now, and all before it were missed."""
    for missed in ("skip", "run_once_now"):
        loop = control(missed=missed)
        loop.decide(0.0)
        after(loop, Fate.RUN, 0.5)

        assert run(1801, 3602.0, 3603.0, missed=1800) == loop.decide(3603.0)
        assert {"run": 1, "skipped_missed": 1800, "pending": 1} == fates(loop, 3603.0)
        assert "tick 7: skipped missed: nobody was awake at the time" == loop.explain(7, 3603.0)


def test_missed_ticks_are_made_up_for_where_that_is_wished():
    """All of a short sleep, the latest thousand of a long one, in order."""
    loop = control(missed="replay_all")
    loop.decide(0.0)
    after(loop, Fate.RUN, 0.5)

    assert run(1, 2.0, 7.0) == loop.decide(7.0)
    assert run(2, 4.0, 7.0) == after(loop, Fate.RUN, 7.0)
    assert run(3, 6.0, 7.0) == after(loop, Fate.RUN, 7.0)
    assert Wait(1.0) == after(loop, Fate.RUN, 7.0)
    assert run(501, 1002.0, 3000.0, missed=497) == loop.decide(3000.0)
    assert {"run": 4, "skipped_missed": 497, "pending": MOST_WAITING} == fates(loop, 3000.0)


def test_a_loop_that_is_ended_accounts_for_what_it_was_at():
    """What was at work is interrupted, what waited is dropped, and later ticks are none."""
    loop = control(overlap="buffer_all")
    loop.decide(0.0)
    loop.close(5.0)

    assert {"interrupted": 1, "dropped": 2} == fates(loop, 50.0)
    assert "tick 0: interrupted: the loop was ended" == loop.explain(0, 50.0)


def test_each_tick_can_be_asked_about():
    """What will be, what is and what was long ago are told apart."""
    loop = control(overlap="buffer_one")
    loop.decide(0.0)
    told = [loop.explain(number, 3.0) for number in (0, 1, 2)]
    now = 3.0
    for number in range(400):
        loop.ended(Fate.FAILED if number % 2 else Fate.RUN, now, reason=f"error {number}" if number % 2 else "")
        now = max(now, 2.0 * (number + 1))
        loop.decide(now)

    assert ["tick 0 is at work", "tick 1 waits for its turn", "tick 2 has not come yet"] == told
    assert "tick 0 is too long ago" == loop.explain(0, now)
    assert "tick 399: failed: error 399" == loop.explain(399, now)


wishes = st.lists(
    st.tuples(
        st.floats(min_value=0.0, max_value=10.0),
        st.sampled_from(["pause", "resume", "trigger", "fail", "end", "step", "step", "end"]),
    )
)


def wished(loop: Control, wish: str, now: float) -> None:
    match wish:
        case "pause" | "resume":
            loop.pause(wish == "pause")
        case "trigger":
            loop.trigger()
        case "end" | "fail" if loop.works:
            loop.ended(Fate.RUN, now, rests_until=now + 5.0 if wish == "fail" else -math.inf)


@given(
    wishes=wishes,
    most=st.integers(1, 20),
    interval=st.sampled_from([0.0, 0.5, 2.0, 7.0]),
    jitter=st.sampled_from([0.0, 0.3, 1.0]),
    overlap=st.sampled_from(["skip", "buffer_one", "buffer_all"]),
    missed=st.sampled_from(["skip", "run_once_now", "replay_all"]),
)
def test_whatever_is_wished_ticks_rise_and_add_up(wishes, most, interval, jitter, overlap, missed):
    """Ticks run at most once, in order and never early, and each one that came is in the ledger once."""
    loop, now, runs = (
        control(most, interval=interval, jitter=jitter * interval, overlap=overlap, missed=missed),
        0.0,
        [],
    )
    for seconds, wish in wishes:
        now += seconds
        wished(loop, wish, now)
        ledger = loop.ledger(now)
        assert not interval or ledger.total + ledger.pending in (loop.schedule.before(now), loop.schedule.due(now))
        decision = None if loop.works else loop.decide(now)
        if isinstance(decision, End):
            break
        if isinstance(decision, Run):
            runs.append((now, decision.tick))
    ticks = [tick for _, tick in runs if tick is not None]
    numbers = [tick.number for tick in ticks]

    assert len(runs) <= most
    assert all(tick is None or tick.nominal <= at + 1e-5 for at, tick in runs)
    assert numbers == sorted(set(numbers))
    assert ([tick.number + 1 for tick in ticks] or [0])[-1] == sum(1 + tick.missed for tick in ticks)
    loop.close(now)
    assert loop.ledger(now).run == len(ticks) - loop.ledger(now).interrupted
    assert loop.ledger(now + 99.0).pending == 0


def test_an_iteration_makes_room_when_the_next_tick_comes_due():
    """Gently or not, as is wished; not for a tick that will not run, nor without a grid."""
    cuts = [control(overlap=overlap) for overlap in ("cancel_other", "terminate_other")]
    others = [
        control(overlap="skip"),
        control(overlap="cancel_other", most=1),
        control(overlap="cancel_other", interval=0.0),
        control(overlap="cancel_other", paused=True),
    ]
    for loop in (*cuts, *others):
        loop.trigger()
        loop.decide(3.0)

    assert [loop.cut() for loop in cuts] == [Cut(4.0, "tick 2 came due", gently) for gently in (True, False)]
    assert all(loop.cut() is NO_CUT for loop in others)


def test_a_loop_without_an_interval_is_overdue_once_it_has_rested():
    """Nobody reckons with its grid, which it has not; from its start on it is due."""
    loop = control(interval=0.0)
    at_first = loop.overdue(3.0)
    loop.decide(3.0)
    loop.ended(Fate.FAILED, 4.0, rests_until=10.0)

    assert (at_first, loop.overdue(9.0), loop.overdue(12.0)) == (3.0, 0.0, 2.0)


@pytest.mark.parametrize("overlap", ["cancel_other", "terminate_other"])
def test_the_tick_that_an_iteration_was_cut_for_runs(overlap):
    """A cut takes a moment, by which the tick lies in the past; what came due besides is skipped."""
    loop = control(overlap=overlap)
    loop.decide(0.0)
    loop.ended(Fate.INTERRUPTED, 2.000_3)
    soon = loop.decide(2.000_4)
    loop.ended(Fate.INTERRUPTED, 6.5)
    late = loop.decide(6.5)

    assert [each.tick.number for each in (soon, late) if isinstance(each, Run)] == [1, 2]
    assert (loop.ledger(6.5).skipped_overlap, loop.ledger(6.5).pending) == (1, 1)


def test_one_that_began_alone_is_told_as_one_where_others_may_begin_beside_it_by_now():
    """A hundred are told when there are a hundred."""
    loop = control()
    loop.decide(0.0)
    loop.overlap = "allow_all"
    loop.ended(Fate.RUN, 3.0)

    assert "tick 1: skipped overlap: that of tick 0 was in progress" == loop.explain(1, 3.0)


def test_ends_beside_each_other_let_no_line_of_ticks_grow():
    """Who decides may be late, as where a disk is slow: the latest tick runs, and not one for each that has ended."""
    loop = control(overlap="allow_all")
    for number in range(20):
        now = 10.0 * number
        begun = loop.decide(now)
        loop.ended(Fate.RUN, now + 7.0, place=begun.place)

    assert (19 * 5, 1) == (begun.tick.number, len(loop.decide(200.0)[:1]))
    assert {"run": 20, "skipped_missed": 80, "pending": 1} == fates(loop, 200.0)


def test_what_is_no_number_of_a_tick_is_refused():
    """The name of a tick, say, which events bear."""
    with pytest.raises(ConfigurationError, match="number"):
        control().explain("work@3", 0.0)
