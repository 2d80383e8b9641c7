"""A loop that is kept meets others who had its file meanwhile, settings that have changed, and wishes made early."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from contextlib import closing

import pytest
from tests.stories.loops.conftest import counts
from tests.stories.loops.test_loop_kept import Machine

from unbreakable.errors import StateSetAsideWarning
from unbreakable.loops import QuantumLoopEngine
from unbreakable.testing import virtual_time


@pytest.fixture
def machine(tmp_path):
    """Return a machine with an empty disk."""
    return Machine(tmp_path)


def loop_of(machine, **settings):
    return QuantumLoopEngine(machine.file).create_loop(machine.note, name="note", interval=10.0, **settings)


@pytest.mark.parametrize(("before", "after", "all_in_all"), [(5, None, 23), (5, 10, 10), (10, 2, 3), (None, 5, 8)])
def test_another_number_of_iterations_counts_those_that_are_done(machine, before, after, all_in_all):
    """Whoever wants ten instead of five has ten; a loop that is for ever now does not end."""
    machine.run(25.0, ends="crash", max_iterations=before)
    machine.run(200.0, max_iterations=after)

    assert all_in_all == len(machine.seen)


def test_a_loop_that_is_paused_before_its_start_does_not_run(machine):
    """What the program says counts more than what an earlier process was told."""
    machine.run(5.0)
    with virtual_time(at=machine.now) as clock:
        loop = loop_of(machine)
        loop.pause()
        loop.start()
        clock.advance(50.0)
        assert ("paused", 1) == (loop.get_status().state, len(machine.seen))
        loop.aclose_sync()


def test_ticks_in_line_outlive_the_engine(machine):
    """They wait for the next process, and are no part of one that somebody has stopped."""

    def work(ctx):
        machine.seen.append(ctx.tick.number)
        if ctx.iteration == 1:
            ctx.runtime.world.sleep(35.0)

    loop, _ = machine.run(32.0, work, overlap="buffer_all")
    assert {"run": 1, "pending": 3} == counts(loop)

    loop, _ = machine.run(16.0, work, overlap="buffer_all")
    assert ([0, 1, 2, 3, 4, 5], {"run": 6}) == (machine.seen, counts(loop))


def test_a_loop_that_is_started_again_drops_its_line(machine):
    """The same loop, in the same process, begins anew as any does; no tick is left without a fate."""

    def work(ctx):
        if ctx.iteration == 1:
            ctx.runtime.world.sleep(35.0)

    with virtual_time(at=machine.now) as clock:
        engine = QuantumLoopEngine(machine.file)
        loop = engine.create_loop(work, name="note", interval=10.0, overlap="buffer_all")
        loop.start()
        clock.advance(32.0)
        engine.aclose_sync()
        loop.start()
        clock.advance(5.0)
        assert {"run": 2, "dropped": 3} == counts(loop)
        engine.aclose_sync()


def test_a_loop_goes_on_from_where_another_had_it_meanwhile(machine):
    """Two engines, or two processes, take turns: each begins with what the other has left, and what it keeps stays."""
    with virtual_time(at=machine.now) as clock:
        one, other = loop_of(machine), loop_of(machine)
        for loop, seconds in ((one, 25.0), (other, 1_005.0), (one, 15.0), (other, 5.0)):
            loop.start()
            clock.advance(seconds)
            loop.stop_sync()
        assert {"run": 107} == counts(other)

    assert [(number, number) for number in range(1, 108)] == [(number, count) for number, _, count in machine.seen]


def test_a_file_that_comes_in_the_place_of_ours_is_written_by_us(machine, tmp_path):
    """Its records are newer by their numbers, and still not ours: they are set aside, and hide nothing."""
    machine.run(1_000.0)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(machine.file)) as connection, connection:
        connection.execute("VACUUM INTO ?", (str(other),))
    connection.close()
    machine.file.unlink()
    machine.seen.clear()
    with virtual_time(at=machine.now) as clock:
        loop = loop_of(machine)
        loop.start()
        clock.advance(45.0)
        other.replace(machine.file)
        clock.advance(50.0)
        loop.aclose_sync()
        again = loop_of(machine)
        again.start()
        clock.advance(5.0)
        assert (11, 11) == (machine.seen[-1][0], machine.seen[-1][2])
        again.aclose_sync()

    with closing(sqlite3.connect(machine.file)) as connection, connection:
        assert [(4,)] == connection.execute("SELECT count(*) FROM loop_aside").fetchall()


def test_a_state_is_there_again_in_a_new_file_though_it_has_not_changed(machine):
    """A file that was deleted between two starts of a loop is not taken for the one that has all."""
    with virtual_time(at=machine.now) as clock:
        loop = QuantumLoopEngine(machine.file).create_loop(
            lambda ctx: ctx.state.update(told=True), name="note", interval=10.0
        )
        loop.start()
        clock.advance(5.0)
        loop.stop_sync()
        machine.file.unlink()
        loop.start()
        clock.advance(5.0)
        loop.aclose_sync()

    with closing(sqlite3.connect(machine.file)) as connection, connection:
        assert [('{"told":true}',)] == connection.execute("SELECT text FROM loop_state").fetchall()


def test_a_start_that_is_refused_leaves_the_name_free(machine):
    """Whoever wants no broken file set aside is asked again when it was mended."""
    machine.run(5.0)
    whole = machine.file.read_bytes()
    machine.file.write_bytes(whole[:100] + bytes(4000))
    with virtual_time(at=machine.now) as clock:
        with warnings.catch_warnings():
            warnings.simplefilter("error", StateSetAsideWarning)
            with pytest.raises(StateSetAsideWarning):
                loop_of(machine).start()
        machine.file.write_bytes(whole)
        loop = loop_of(machine)
        loop.start()
        clock.advance(6.0)
        assert 2 == loop.get_status().current_iteration
        loop.aclose_sync()


def test_a_log_that_was_deleted_takes_nothing_along_that_comes_later(machine):
    """Whoever clears away files beside the state file costs a crash nothing."""
    with virtual_time(at=machine.now) as clock:
        loop = loop_of(machine)
        loop.start()
        clock.advance(25.0)
        machine.file.with_name("loops.db-wal").unlink()
        clock.advance(10.0)
        shutil.copytree(machine.file.parent, machine.file.parent.with_name("kept"))
        loop.aclose_sync()

    with closing(sqlite3.connect(machine.file.parent.with_name("kept") / machine.file.name)) as connection, connection:
        rows = connection.execute("SELECT text FROM loop_state ORDER BY seq DESC").fetchall()
    assert [('{"count":4}',), ('{"count":3}',)] == rows


def test_a_record_that_is_gone_is_told(machine, caplog):
    """What is damaged where a table is sorted is not found, and nothing says so but what else there is."""
    machine.run(25.0)
    with closing(sqlite3.connect(machine.file)) as connection, connection:
        connection.execute("DELETE FROM loop")
    connection.close()
    machine.run(5.0)

    assert (1, 0, 4) == machine.seen[-1]
    assert "where loop note stood is not to be found there" in caplog.text
