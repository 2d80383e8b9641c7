"""`unbreakable status` over whatever a state file may hold."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading

import pytest
from click.testing import CliRunner

import unbreakable as ub
from unbreakable.cli.explain import explain
from unbreakable.cli.status import status
from unbreakable.observe import latest_snapshot
from unbreakable.testing import virtual_time

pytestmark = pytest.mark.real


def ask(place, *options) -> tuple[int, str]:
    result = CliRunner().invoke(status, ["--state", str(place), *options])
    return result.exit_code, result.output


@pytest.fixture
def place(tmp_path):
    """Return a state in which a system has closed."""
    with ub.QuantumSystem(tmp_path):
        pass
    return tmp_path


def change(place, **settings: object) -> None:
    connection = sqlite3.connect(place / "runs.db")
    for setting, value in settings.items():
        connection.execute(
            {"pid": "UPDATE snapshot SET pid = ?", "status": "UPDATE snapshot SET status = ?"}[setting], (value,)
        )
    connection.commit()
    connection.close()


def test_a_system_runs_until_it_is_closed(tmp_path):
    """It is the system that is told of, not its process: that of this test goes on."""
    with ub.QuantumSystem(tmp_path) as system:
        system.flush()
        code, said = ask(tmp_path)
        assert (0, True) == (code, f"running as process {os.getpid()}" in said)

    code, said = ask(tmp_path)
    assert (3, True) == (code, f"not running (process {os.getpid()} has closed it)" in said)


def test_a_number_that_another_process_bears_by_now_is_not_alive(place):
    """Whoever was killed leaves its number behind; what counts is who holds the state."""
    change(place, status=json.dumps({**latest_snapshot(place).status, "closed": False}))
    (place / "runs.db.lock").write_text(f"unbreakable\n{os.getpid()}\n")

    code, said = ask(place)
    assert (3, True) == (code, f"(process {os.getpid()} is gone)" in said)


def test_another_process_that_holds_the_state_is_not_the_one_that_wrote(tmp_path):
    """A memory on the same file does not make a system of yesterday alive."""
    with ub.QuantumSystem(tmp_path) as system:
        system.flush()
        change(tmp_path, pid=1)
        assert 3 == ask(tmp_path)[0]


def test_a_state_in_which_no_system_ever_was_is_said_to_be_one(tmp_path):
    """A memory alone keeps its state there, which is nothing to be broken about."""
    with ub.SqliteMemory(tmp_path / "runs.db"):
        pass
    code, said = ask(tmp_path)

    assert (2, 1) == (code, said.count("\n"))
    assert "no system has written its status here" in said


@pytest.mark.parametrize("damage", ["{", "{}", "[]", "null", "7", '"text"', "", b"\xff", '{"global_knowledge": 7}'])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_damaged_status_is_said(place, damage, options):
    """Exit code 2 and one line, whatever is there."""
    change(place, status=damage)
    code, said = ask(place, *options)

    assert 2 == code
    assert "Error: " in said
    assert "status there" in said
    assert 1 == said.count("\n")


def test_a_status_with_other_things_in_it_is_said(place):
    """What is deeper down is looked at, too."""
    shown = latest_snapshot(place).status
    change(place, status=json.dumps({**shown, "loops": {"loops": [{"name": "w"}]}}))

    assert 2 == ask(place)[0]


def test_a_long_error_ends_in_an_ellipsis(tmp_path):
    """Who reads the table sees that there is more."""
    with ub.QuantumSystem(tmp_path) as system:
        loop = system.loops.create_loop(lambda: 1 / 0, name="w", interval=0, max_iterations=1)
        loop._work.tally.last_error = "x" * 100
        system.flush()
        said = ask(tmp_path)[1]

    assert "x" * 59 + "…\n" in said


def test_a_loop_that_is_stuck_is_said_to_be_so(tmp_path):
    """Since when an iteration is at work, and that it should be over: what advances is alive, not what exists."""
    gate = threading.Event()

    def work():
        begun.set()
        gate.wait(30.0)

    begun = threading.Event()
    with ub.QuantumSystem(tmp_path) as system:
        loop = system.loops.create_loop(work, deadline=0.01)
        loop.start()
        begun.wait(30.0)
        while not loop.get_status().is_stuck:
            pass
        system.flush()
        code, said = ask(tmp_path)
        gate.set()

    row = next(line for line in said.splitlines() if line.startswith("work "))
    assert 0 == code
    assert "stuck" in row.split()
    assert re.search(r"work is stuck: the iteration in progress began \S+ s ago, and should have ended \S+ s ago", said)


def test_the_status_of_an_older_version_is_shown(tmp_path):
    """It knows nothing of loops that are stuck."""
    with ub.QuantumSystem(tmp_path) as system:
        system.loops.create_loop(lambda: None, name="old")
        system.flush()
    told = latest_snapshot(tmp_path).status
    for key in ("stuck", "is_stuck", "in_progress", "last_run"):
        del told["loops"]["loops"][0][key]
    change(tmp_path, status=json.dumps(told))
    code, said = ask(tmp_path)

    row = next(line for line in said.splitlines() if line.startswith("old "))
    assert 3 == code
    assert ["old", "new", "0", "-", "-"] == row.split()[:5]


def test_loops_of_an_engine_are_shown_as_they_are_kept(tmp_path):
    """While the engine runs, after it has ended, and for programs; a damaged record shows the one before."""
    with virtual_time() as clock:
        engine = ub.QuantumLoopEngine(tmp_path / "loops.db")
        engine.create_loop(lambda: None, name="tidy", interval=1.0).start()
        engine.create_loop(lambda: None, name="three", interval=1.0, max_iterations=3).start()
        clock.advance(9.5)
        code, said = ask(tmp_path / "loops.db")
        assert (0, True) == (code, f"running as process {os.getpid()}" in said)
        engine.aclose_sync()

    code, said = ask(tmp_path / "loops.db")
    assert 3 == code
    assert re.search(r"tidy +to go on +10 +- .* 10 run\n", said)
    assert re.search(r"three +over +3 +- .* 3 run\n", said)
    code, said = ask(tmp_path / "loops.db", "--json")
    told = json.loads(said)
    assert (3, False, 10) == (code, told["alive"], told["loops"]["tidy"]["iteration"])


def test_that_an_engine_keeps_no_stories_is_said(tmp_path):
    """Where its loops have failed, nobody is told that nothing had to be healed."""
    with virtual_time() as clock:
        engine = ub.QuantumLoopEngine(tmp_path)
        engine.create_loop(lambda: 1 / 0, interval=1.0).start()
        clock.advance(5.5)
        engine.aclose_sync()

    said = CliRunner().invoke(explain, ["--state", str(tmp_path)]).output

    assert "nothing had to be healed" not in said
    assert "`unbreakable status`" in said


def test_where_nothing_is_kept_there_is_nothing_to_show(tmp_path):
    """A state of workflows only has no loops, and no status."""
    with ub.OrchestratorNode(state=tmp_path / "runs.db") as orchestrator:
        orchestrator.orchestrate_sync([ub.Step("a", lambda: None)])

    code, said = ask(tmp_path / "runs.db")
    assert (2, True) == (code, "no system has written its status here, and no loop is kept" in said)
