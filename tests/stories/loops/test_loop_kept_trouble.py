"""A disk that refuses, is cleared, or lies, stops no loop: it goes on, and says what is not kept."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest
from tests.stories.loops.conftest import counts

from unbreakable.errors import StateNotOurs, StateTooNew
from unbreakable.loops import QuantumLoopEngine
from unbreakable.loops.events import IterationEnded, StateKeptAgain, StateNotKept
from unbreakable.loops.shelf import SCHEMA, shelf_at
from unbreakable.runtime import ASYNCIO
from unbreakable.storage.sqlite import Schema, StateFile
from unbreakable.testing import virtual_time


def count(ctx):
    ctx.state["count"] = ctx.state.get("count", 0) + 1


def count_to_five(file, clock):
    """Let a program count in the file, and end."""
    engine = QuantumLoopEngine(file)
    engine.create_loop(count, interval=1.0).start()
    clock.advance(4.5)
    engine.aclose_sync()


def kept(file, name="count"):
    """Return what another process would find of the loop's state."""
    with closing(sqlite3.connect(file)) as connection, connection:
        rows = connection.execute("SELECT text FROM loop_state WHERE name = ? ORDER BY seq DESC", (name,)).fetchall()
    return rows[0][0] if rows else None


def fill(file):
    """Let the disk of the file be full; return what makes room again."""
    opened = shelf_at(file).file
    ((pages,),) = opened.read("PRAGMA page_count")
    opened.read(f"PRAGMA max_page_count={pages}")
    return lambda: opened.read(f"PRAGMA max_page_count={pages + 10_000}")


def test_what_is_told_of_an_iteration_is_kept_already(tmp_path):
    """Who acknowledges something when an iteration has ended may rely on its state, whatever happens then."""
    file, found = tmp_path / "loops.db", []
    with virtual_time() as clock:
        engine = QuantumLoopEngine(file)
        loop = engine.create_loop(count, interval=1.0)
        loop.node.on(IterationEnded, lambda event: found.append(kept(file)))
        loop.start()
        clock.advance(2.5)
        engine.aclose_sync()

    assert ['{"count":1}', '{"count":2}', '{"count":3}'] == found


def test_a_full_disk_stops_no_loop(tmp_path, caplog):
    """The loop goes on in memory and says so once; with room again all is kept that happened meanwhile."""
    file, told = tmp_path / "loops.db", []

    def grow(ctx):
        count(ctx)
        ctx.state["text"] = "x" * ctx.state["count"] * 20_000

    with virtual_time() as clock:
        engine = QuantumLoopEngine(file)
        loop = engine.create_loop(grow, name="count", interval=1.0)
        loop.node.on(StateNotKept, told.append)
        loop.node.on(StateKeptAgain, told.append)
        loop.start()
        clock.advance(1.5)
        make_room = fill(file)
        clock.advance(10.0)
        trouble, went_on = loop.get_status().state_trouble, loop.get_status().current_iteration
        make_room()
        clock.advance(2.0)
        assert None is loop.get_status().state_trouble
        engine.aclose_sync()

    assert "there is no room left to write" in trouble
    assert 12 == went_on
    assert [StateNotKept, StateKeptAgain] == [type(event) for event in told]
    assert 1 == caplog.text.count("loop count goes on, but is not kept for now")
    assert f'"count":{loop.get_status().current_iteration}' in kept(file)


def test_a_file_that_was_deleted_is_written_anew(tmp_path):
    """What this process knows of the loop is all there again."""
    file = tmp_path / "loops.db"
    with virtual_time() as clock:
        engine = QuantumLoopEngine(file)
        loop = engine.create_loop(count, interval=1.0)
        loop.start()
        clock.advance(2.5)
        for each in tmp_path.iterdir():
            each.unlink()
        clock.advance(1.0)
        assert '{"count":4}' == kept(file)
        engine.aclose_sync()
        again = QuantumLoopEngine(file).create_loop(count, interval=1.0)
        again.start()
        assert {"run": 4} == counts(again)
        again.stop_sync()


def test_a_place_that_cannot_be_used_for_now_stops_no_start(tmp_path, caplog):
    """A loop begins without what an earlier process knew; that is set aside, and not written over, when it is found."""
    folder = tmp_path / "state"
    with virtual_time() as clock:
        count_to_five(folder / "loops.db", clock)
        folder.rename(tmp_path / "elsewhere")
        folder.write_text("the disk is not mounted yet")

        engine = QuantumLoopEngine(folder / "loops.db")
        loop = engine.create_loop(count, interval=1.0)
        loop.start()
        clock.advance(2.5)
        trouble = loop.get_status().state_trouble
        folder.unlink()
        (tmp_path / "elsewhere").rename(folder)
        clock.advance(1.0)
        assert (None, 4) == (loop.get_status().state_trouble, loop.get_status().current_iteration)
        engine.aclose_sync()

    assert "its folder cannot be made" in trouble
    assert '{"count":4}' == kept(folder / "loops.db")
    with closing(sqlite3.connect(folder / "loops.db")) as connection, connection:
        aside = connection.execute("SELECT kind, text FROM loop_aside ORDER BY seq DESC").fetchall()
    assert ("loop_state", '{"count":5}') in aside
    assert "what an earlier one kept is in the table loop_aside" in caplog.text


def test_a_file_that_can_only_be_read_is_gone_on_from(tmp_path):
    """Who is started again while the disk is full, or read-only, has the state and the ticks that are kept there."""
    file, lock = tmp_path / "loops.db", tmp_path / "loops.db.lock"
    with virtual_time() as clock:
        count_to_five(file, clock)
        lock.unlink()
        lock.mkdir()

        engine = QuantumLoopEngine(file)
        loop = engine.create_loop(count, interval=1.0)
        loop.start()
        clock.advance(2.0)
        status = loop.get_status()
        lock.rmdir()
        clock.advance(2.0)
        assert None is loop.get_status().state_trouble
        engine.aclose_sync()

    with closing(sqlite3.connect(file)) as connection, connection:
        aside = connection.execute("SELECT count(*) FROM loop_aside").fetchone()
    assert "cannot be opened" in status.state_trouble
    assert ({"run": 7}, 7) == ({fate: n for fate, n in status.ledger.items() if n}, status.current_iteration)
    assert ('{"count":9}', {"run": 9}, (0,)) == (kept(file), counts(loop), aside)


def test_a_state_that_cannot_be_written_down_is_told(tmp_path, caplog):
    """The loop goes on and is kept itself, with the last state that could be."""

    def keep_a_lock(ctx):
        count(ctx)
        if ctx.iteration > 2:
            ctx.state["lock"] = threading.Lock()

    with virtual_time() as clock:
        engine = QuantumLoopEngine(tmp_path / "loops.db")
        loop = engine.create_loop(keep_a_lock, name="count", interval=1.0)
        loop.start()
        clock.advance(4.5)
        status = loop.get_status()
        engine.aclose_sync()

    assert "ctx.state['lock'] is a lock" in status.state_trouble
    assert (5, 5) == (status.current_iteration, status.ledger.run)
    assert '{"count":2}' == kept(tmp_path / "loops.db")
    assert 1 == caplog.text.count("ctx.state['lock'] is a lock")


def test_values_read_back_as_what_they_were(tmp_path):
    """What steps of workflows may return, a loop may keep."""
    import datetime as dt
    from decimal import Decimal

    state = {"at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "sum": Decimal("1.10"), ("a", 1): {1, 2}, "raw": b"\0"}
    found = []
    with virtual_time() as clock:
        for _ in range(2):
            engine = QuantumLoopEngine(tmp_path / "loops.db")
            loop = engine.create_loop(
                lambda ctx: found.append(dict(ctx.state)) or ctx.state.update(state), name="k", interval=1.0
            )
            loop.start()
            clock.advance(0.8)
            engine.aclose_sync()

    assert [{}, state] == found


@pytest.mark.parametrize("table", ["loop", "loop_state"])
def test_a_damaged_record_costs_one_iteration(tmp_path, table, caplog):
    """The one before it counts; the damaged one is kept for a person to look at."""
    file = tmp_path / "loops.db"
    with virtual_time() as clock:
        count_to_five(file, clock)
        with closing(sqlite3.connect(file)) as connection, connection:
            damage = "UPDATE {0} SET text = replace(text, '5', '6') WHERE seq = (SELECT max(seq) FROM {0})"
            connection.execute(damage.format(table))
        connection.close()
        engine = QuantumLoopEngine(file)
        loop = engine.create_loop(count, interval=1.0)
        loop.start()
        clock.advance(0.8)
        state = kept(file)
        engine.aclose_sync()

    assert ('{"count":5}' if table == "loop_state" else '{"count":6}') == state
    assert "a record of loop count is damaged; the one before it counts" in caplog.text
    with closing(sqlite3.connect(file)) as connection, connection:
        assert [(table,)] == connection.execute("SELECT kind FROM loop_aside").fetchall()


def test_both_records_damaged_begin_the_loop_anew(tmp_path, caplog):
    """It is told, nothing is raised, and nothing is thrown away."""
    file = tmp_path / "loops.db"
    with virtual_time() as clock:
        count_to_five(file, clock)
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE loop SET crc = crc + 1")
            connection.execute("UPDATE loop_state SET text = X'FF00'")
        connection.close()
        engine = QuantumLoopEngine(file)
        loop = engine.create_loop(count, interval=1.0)
        loop.start()
        clock.advance(2.5)
        assert (3, {"run": 3}) == (loop.get_status().current_iteration, counts(loop))
        engine.aclose_sync()

    assert 2 == caplog.text.count("it begins anew")
    assert '{"count":3}' == kept(file)


def test_a_file_of_somebody_else_is_refused_and_not_touched(tmp_path):
    """A wrong path is a mistake of the program, which says so at its start."""
    foreign, newer = tmp_path / "notes.txt", tmp_path / "newer.db"
    foreign.write_text("remember the milk" * 100)
    with virtual_time():
        with pytest.raises(StateNotOurs):
            QuantumLoopEngine(foreign).create_loop(print).start()
        file = StateFile(newer)
        file.adopt(Schema("loops", (*SCHEMA.migrations, ("CREATE TABLE later (a)",))))
        file.close()
        with pytest.raises(StateTooNew, match="its loops were written in version 3 by a newer Unbreakable"):
            QuantumLoopEngine(newer).create_loop(print).start()

    assert "remember the milk" * 100 == foreign.read_text()


def test_fifty_durable_loops_share_their_commits(tmp_path):
    """Loops that have something to write at the same time wait for one fsync together, and the event loop for none."""
    file, commits = tmp_path / "loops.db", []

    async def story():
        engine = QuantumLoopEngine(file)
        loops = [
            engine.create_loop(count, name=f"loop-{number}", interval=1.0, durability="durable") for number in range(50)
        ]
        loops[0].start()
        opened = shelf_at(file).file
        write = opened.write
        opened.write = lambda statements: (commits.append(threading.current_thread()), write(statements))
        for loop in loops:
            loop.start()
        await ASYNCIO.sleep(3.5)
        await engine.aclose()
        return [loop.get_status() for loop in loops]

    with virtual_time():
        statuses = asyncio.run(story())

    assert [(4, None)] * 50 == [(status.ledger.run, status.state_trouble) for status in statuses]
    in_threads = [each for each in commits if each is not threading.main_thread()]
    assert len(in_threads) < 100  # of 400 writes
    assert '{"count":4}' == kept(file, "loop-49")


def test_a_name_may_quote_a_file_whose_name_is_no_text(tmp_path):
    """It is kept as people read it."""
    with virtual_time() as clock:
        engine = QuantumLoopEngine(tmp_path / "loops.db")
        loop = engine.create_loop(count, name="caf\udce9", interval=1.0)
        loop.start()
        clock.advance(2.5)
        assert (3, None) == (loop.get_status().current_iteration, loop.get_status().state_trouble)
        engine.aclose_sync()

    assert '{"count":3}' == kept(tmp_path / "loops.db", r"caf\udce9")
