"""A loop that is kept in a state file goes on where an earlier process was, however that has ended."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.errors import ConfigurationError
from unbreakable.loops import QuantumLoopEngine
from unbreakable.loops.events import LoopTakenUp
from unbreakable.testing import virtual_time

NOON = dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC)


class Machine:
    """Start one program after the other over the same file, each in a time of its own."""

    def __init__(self, folder):
        self.file, self.now = folder / "now" / "loops.db", NOON
        self.seen, self.crashes, self.told = [], 0, []
        self.file.parent.mkdir()

    def note(self, ctx):
        ctx.state["count"] = ctx.state.get("count", 0) + 1
        self.seen.append((ctx.iteration, None if ctx.tick is None else ctx.tick.number, ctx.state["count"]))

    def run(self, seconds, work=None, *, ends="closed", story=None, **settings):
        """Run a program for so long and end it: close its engine, or cut its power, or let somebody stop its loop."""
        settings = {"name": "note", **({} if "schedule" in settings else {"interval": 10.0}), **settings}
        with virtual_time(at=self.now) as clock:
            engine = QuantumLoopEngine(self.file)
            loop = engine.create_loop(work or self.note, **settings)
            loop.node.on(LoopTakenUp, self.told.append)
            loop.start()
            if story is not None:
                story(loop, clock)
            clock.advance(seconds)
            self.now += dt.timedelta(seconds=clock.now())
            status = loop.get_status()
            if ends == "crash":
                self._keep_what_is_on_disk()
            if ends == "stopped":
                loop.stop_sync()
            engine.aclose_sync()
            if ends == "crash":
                self._crash()
            return loop, status

    def wait(self, seconds):
        self.now += dt.timedelta(seconds=seconds)

    def _keep_what_is_on_disk(self):
        self.crashes += 1
        shutil.copytree(self.file.parent, self.file.parent.with_name(f"kept-{self.crashes}"))

    def _crash(self):
        shutil.rmtree(self.file.parent)
        shutil.copytree(self.file.parent.with_name(f"kept-{self.crashes}"), self.file.parent)


@pytest.fixture
def machine(tmp_path):
    """Return a machine with an empty disk."""
    return Machine(tmp_path)


@pytest.mark.parametrize("ends", ["closed", "crash"])
def test_the_state_the_grid_and_the_counts_go_on(machine, ends):
    """Iterations are numbered on, ticks lie where they lay, and the time in between is accounted for."""
    machine.run(35.0, ends=ends)
    machine.wait(268.0)
    loop, status = machine.run(12.0)

    assert [(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 3, 4), (5, 30, 5), (6, 31, 6)] == machine.seen
    assert {"run": 6, "skipped_missed": 26} == counts(loop)
    assert (6, None, "process") == (status.current_iteration, status.state_trouble, status.durability)
    assert "tick 17: skipped missed: the program was not running" == loop.explain(17)
    assert "tick 1: run" == loop.explain(1)
    assert [(4, None)] == [(event.iteration, event.interrupted) for event in machine.told]


def test_a_tick_that_the_process_did_not_survive_is_interrupted(machine):
    """It is counted once, told with its reason, and not run again; the state is that of the latest good iteration."""

    def work(ctx):
        machine.note(ctx)
        if len(machine.seen) == 3:
            ctx.runtime.world.sleep(3.0)

    machine.run(21.0, work, ends="crash")
    machine.wait(5.0)
    loop, _ = machine.run(11.0, work)

    assert [(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 3, 3)] == machine.seen
    assert {"run": 3, "interrupted": 1} == counts(loop)
    assert "tick 2: interrupted: the process ended in the middle of it" == loop.explain(2)
    assert [2] == [event.interrupted for event in machine.told]


def test_the_time_in_between_is_made_up_for_where_that_is_asked(machine):
    """A tick that was missed has the same id in the next process: an idempotency key."""
    ids = []
    machine.run(11.0, lambda ctx: ids.append(ctx.idempotency_key), missed="replay_all")
    machine.wait(30.0)
    loop, _ = machine.run(11.0, lambda ctx: ids.append(ctx.idempotency_key), missed="replay_all")

    epochs, numbers = {each.split("/")[1] for each in ids}, [int(each.split("/")[2]) for each in ids]
    assert (1, [0, 1, 2, 3, 4, 5]) == (len(epochs), numbers)
    assert {"run": 6} == counts(loop)


def test_ticks_that_waited_for_their_turn_have_it_in_the_next_process(machine):
    """A line survives with what stands in it."""

    def work(ctx):
        machine.seen.append(ctx.tick.number)
        if ctx.tick.number == 0:
            ctx.runtime.world.sleep(35.0)

    def crash_after_the_first(ctx):
        work(ctx)
        if ctx.tick.number == 1:
            ctx.runtime.world.sleep(1.0)

    machine.run(35.5, crash_after_the_first, ends="crash", overlap="buffer_all")
    loop, _ = machine.run(2.0, work, overlap="buffer_all")

    assert [0, 1, 2, 3] == machine.seen
    assert {"run": 3, "interrupted": 1} == counts(loop)


def test_all_that_went_on_beside_each_other_is_interrupted(machine):
    """Each of them is counted, and run again by nobody."""

    def work(ctx):
        machine.note(ctx)
        ctx.runtime.world.sleep(11.5 if len(machine.seen) < 3 else 1.0)

    machine.run(11.0, work, ends="crash", overlap="allow_all")
    machine.wait(5.0)
    loop, _ = machine.run(16.0, work, overlap="allow_all")

    assert [0, 1, 2, 3] == [tick for _, tick, _ in machine.seen]
    assert {"run": 2, "interrupted": 2} == counts(loop)
    assert "tick 1: interrupted: the process ended in the middle of it" == loop.explain(1)


def test_a_loop_that_somebody_stopped_begins_anew(machine):
    """Nothing was missed meanwhile; state and counts stay."""
    machine.run(11.0, ends="stopped")
    machine.wait(500.0)
    loop, _ = machine.run(11.0)

    assert [(1, 0, 1), (2, 1, 2), (3, 0, 3), (4, 1, 4)] == machine.seen
    assert {"run": 4} == counts(loop)


def test_what_is_left_of_the_iterations_is_done(machine):
    """A loop of five iterations runs five, in however many processes; then its next start is a new one."""
    machine.run(11.0, ends="crash", max_iterations=5)
    machine.run(100.0, max_iterations=5)
    assert 5 == len(machine.seen)

    machine.run(100.0, max_iterations=5)
    assert 10 == len(machine.seen)


def test_a_paused_loop_stays_paused(machine):
    """Whoever paused it is asked, and not the crash; ticks meanwhile were paused ones."""
    machine.run(25.0, ends="crash", story=lambda loop, clock: (clock.advance(11.0), loop.pause()))
    machine.wait(24.0)
    loop, status = machine.run(20.0, story=lambda loop, clock: clock.advance(1.0))
    assert ("paused", 2) == (status.state, len(machine.seen))
    assert {"run": 2, "paused": 7} == counts(loop)

    machine.run(20.0, story=lambda loop, clock: loop.resume())
    assert 4 == len(machine.seen)


def test_another_interval_makes_other_ticks(machine):
    """The old grid is over, with what was at work on it; state and counts stay."""

    def work(ctx):
        machine.note(ctx)
        if ctx.iteration == 2:
            ctx.runtime.world.sleep(3.0)

    machine.run(11.0, work, ends="crash")
    machine.wait(1_000.0)
    loop, _ = machine.run(61.0, work, interval=60.0)

    assert [(1, 0, 1), (2, 1, 2), (3, 0, 2), (4, 1, 3)] == machine.seen
    assert {"run": 3, "interrupted": 1} == counts(loop)


def test_a_nightly_job_that_was_missed_is_made_up_for(machine):
    """A program that was down at four runs the job when it is up again, if it is told to; the numbers go on."""
    settings = {"schedule": "CRON_TZ=Europe/Berlin 0 4 * * *", "missed": "run_once_now"}
    machine.run(36 * 3600.0, ends="crash", **settings)  # over the night in which the clock is set forward
    machine.wait(30 * 3600.0)
    loop, _ = machine.run(24 * 3600.0, **settings)

    assert [(1, 0, 1), (2, 2, 2), (3, 3, 3)] == machine.seen
    assert {"run": 3, "skipped_missed": 1} == counts(loop)


@pytest.mark.parametrize("settings", [{"interval": 60.0}, {"schedule": "* * * * *"}])
def test_a_clock_that_was_set_back_in_between_stops_no_loop(machine, settings):
    """The first process lived a year ahead of time."""
    machine.run(119.0, ends="crash", **settings)
    before = len(machine.seen)
    machine.wait(-365 * 86_400.0)
    machine.run(121.0, **settings)

    assert len(machine.seen) in {before + 2, before + 3}
    numbers = [number for _, number, _ in machine.seen]
    assert sorted(set(numbers)) == numbers


def test_times_that_wait_in_line_keep_their_names_when_the_clock_is_set_back(machine):
    """Those of before have the ids of before, and none of the times that come by the new clock is lost to them."""
    dates = []

    def work(ctx):
        dates.append(f"{ctx.tick.date:%d %H:%M}")
        ctx.runtime.world.sleep({1: 305.0, 2: 5.0}.get(ctx.iteration, 0.0))

    settings = {"schedule": "CRON_TZ=UTC * * * * *", "overlap": "buffer_all"}
    machine.run(307.0, work, ends="crash", **settings)
    machine.wait(-86_400.0)
    loop, _ = machine.run(120.0, work, **settings)

    assert ["28 12:00", "28 12:01", "28 12:02", "28 12:03", "28 12:04", "28 12:05", "27 12:06", "27 12:07"] == dates
    assert {"run": 7, "interrupted": 1} == counts(loop)


def test_a_loop_that_is_never_kept_begins_with_nothing(machine):
    """The default of an engine that has a place is to keep; a loop may be left out."""
    machine.run(11.0, durability="none")
    machine.run(11.0, durability="none")

    assert [(1, 0, 1), (2, 1, 2), (1, 0, 1), (2, 1, 2)] == machine.seen


def test_two_loops_of_one_name_cannot_be_kept_in_one_file(tmp_path):
    """Each would undo what the other keeps."""
    with virtual_time():
        first, second = QuantumLoopEngine(tmp_path), QuantumLoopEngine(tmp_path)
        one, other = (engine.create_loop(lambda: None, name="same") for engine in (first, second))
        one.start()
        with pytest.raises(ConfigurationError, match="name must be one that no other loop in this process keeps in"):
            other.start()
        one.stop_sync()
        other.start()
        assert other.is_running
        second.aclose_sync()


def test_an_engine_without_a_place_keeps_nothing():
    """What is asked for and cannot be had is refused with what to do."""
    with pytest.raises(ConfigurationError, match=r"give QuantumLoopEngine\(state="):
        QuantumLoopEngine().create_loop(print, durability="durable")
    with pytest.raises(ConfigurationError, match="expected the path of a file or folder"):
        QuantumLoopEngine("postgresql://there")
