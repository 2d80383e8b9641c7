"""The supervisor of `unbreakable run` goes on where no worker can be had."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.faults.processes import gone

from unbreakable.loops import ward as ward_of
from unbreakable.loops.deputy import SYSTEMD_KNOWS
from unbreakable.loops.notify import Notify
from unbreakable.loops.pulse import Pulse
from unbreakable.loops.report import Report
from unbreakable.loops.standing import Standing
from unbreakable.loops.supervisor import IN_VAIN, UNFIT, Supervisor
from unbreakable.runtime import BLOCKING

pytestmark = pytest.mark.real


def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path):
    """A machine without memory or processes to give has them again some day."""
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor([str(tmp_path / "nowhere")], say)

    assert 0 == supervisor.run()
    assert 1 == supervisor.deaths
    assert said[0].startswith("the worker cannot be started (FileNotFoundError: ")
    assert said[0].endswith("; it is started again in 0.5 s")


@pytest.mark.skipif(sys.platform != "linux", reason="that loops go on is seen in memory of Linux")
@pytest.mark.parametrize(
    ("words", "has_started", "code"), [(UNFIT, False, 2), (UNFIT, True, 0), (IN_VAIN, False, 2), (IN_VAIN, True, 2)]
)
def test_a_program_that_has_run_before_is_waited_for_where_it_cannot_be_run(monkeypatch, words, has_started, code):
    """What it lacks may be back soon; only what is in vain is given up then, and what has never run."""
    monkeypatch.setenv(SYSTEMD_KNOWS, str(os.getpid()))
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    report = Report(Standing(has_started=has_started), Notify({}))
    supervisor = Supervisor([sys.executable, "-c", f"import os; os.write(0, {words!r}); exit(2)"], say, report=report)

    assert code == supervisor.run()
    fate, at_once, later = "the worker ended with code 2", "at once", "in 0.5 s"
    expected = [f"{fate}; it is started again {when}" for when in (at_once, at_once, at_once, later)]
    assert (expected if code == 0 else []) == said


@pytest.mark.skipif(sys.platform != "linux", reason="what has ended is seen in memory of Linux")
def test_the_next_worker_is_made_ready_once_an_iteration_has_ended(monkeypatch):
    """Not before, when it would hold up the start of the first one; and one is enough."""
    monkeypatch.setenv(SYSTEMD_KNOWS, str(os.getpid()))  # then it has no deputy
    supervisor, pulse = Supervisor([sys.executable, "-c", "input()"], print), Pulse()
    with supervisor._spare_or_new() as ward:
        supervisor._have_spare(ward)
        before = supervisor._spare
        assert ward.page is not None
        pulse.show_on(ward.page)
        lane = pulse.join()
        assert lane is not None
        lane.keep(lane.promise(1.0, "work"))
        supervisor._have_spare(ward)
        first = supervisor._spare
        supervisor._have_spare(ward)
        second = supervisor._spare
        supervisor._dismiss_spare()
        ward.kill()
        ward.ends()

    assert before is None
    assert first is not None
    assert first is second


def in_group_of(pid: int) -> list[int]:
    """Return who is in the group of processes that *pid* began."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(entry.name)) == pid:
                found.append(int(entry.name))
    return found


def processes_held() -> int:
    """Return how many descriptors of this process stand for a process."""
    return sum("pidfd" in str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is open")
def test_nothing_is_left_of_one_who_died_standing_by(monkeypatch):
    """Neither a descriptor nor what it has started: a supervisor that is dead may have let it go."""
    monkeypatch.setenv(SYSTEMD_KNOWS, str(os.getpid()))
    started = "import subprocess; subprocess.Popen(['sleep', '60'], stdin=subprocess.DEVNULL)"
    with Supervisor(["true"], print)._spare_or_new() as ward:
        ward.ends()
    before = processes_held()
    supervisor = Supervisor([sys.executable, "-c", started], print)
    supervisor._have_spare(ward)
    spare = supervisor._spare
    assert spare is not None
    assert spare.ends()
    supervisor.command = ["true"]
    with supervisor._spare_or_new() as ward:
        ward.ends()

    assert ward is not spare
    assert before == processes_held()
    assert gone(in_group_of(spare.pid), 10.0)  # what is killed ends a little later


@pytest.mark.skipif(sys.platform != "linux", reason="the word of a worker is kept where a deputy is")
def test_who_was_let_go_and_has_finished_has_finished(monkeypatch):
    """A supervisor that is dead let go who stood by; its deputy hears that the program was done."""
    monkeypatch.setenv(SYSTEMD_KNOWS, str(os.getpid()))
    supervisor = Supervisor([sys.executable, "-c", "import os; os.write(0, b'finished')"], print)
    supervisor._spare_due = 0.0
    with Supervisor(["true"], print)._spare_or_new() as ward:
        ward.ends()
        supervisor._have_spare(ward)
    assert supervisor._spare is not None
    supervisor._spare.ends()

    assert 0 == supervisor.run()


def test_a_deputy_tells_of_now_and_not_of_the_moment_when_it_was_made(monkeypatch):
    """Who asks about health at the very moment of its supervisor's death is not told that nobody has had a turn."""
    monkeypatch.setenv(SYSTEMD_KNOWS, str(os.getpid()))
    standing, told = Standing(looked_at=-3_600.0), []
    supervisor = Supervisor(
        ["true"],
        print,
        report=Report(standing, Notify({})),
        after_death=lambda: told.append(standing.answers(BLOCKING.now())),
    )
    with supervisor._spare_or_new() as ward:
        supervisor._announce(1)
        ward.ends()

    assert "" == told[0]["livez"]
    assert standing.worker == ward.pid


def test_something_is_done_while_a_worker_ends(monkeypatch):
    """A watchdog is fed meanwhile; who does not end in time is killed."""
    monkeypatch.setattr(ward_of, "GRACE", 0.3)
    done: list[bool] = []
    with ward_of.Ward([sys.executable, "-c", "input()"], 0.0) as ward:
        assert not ward.ends(lambda: done.append(ward.is_alive))

    assert not ward.is_alive
    assert done[:2] == [True, True]
