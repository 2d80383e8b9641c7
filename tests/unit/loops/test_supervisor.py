"""The supervisor of `unbreakable run` goes on where no worker can be had."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from unbreakable.loops import ward as ward_of
from unbreakable.loops.deputy import SYSTEMD_KNOWS
from unbreakable.loops.pulse import Pulse
from unbreakable.loops.supervisor import Supervisor

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


def test_something_is_done_while_a_worker_ends(monkeypatch):
    """A watchdog is fed meanwhile; who does not end in time is killed."""
    monkeypatch.setattr(ward_of, "GRACE", 0.3)
    done: list[bool] = []
    with ward_of.Ward([sys.executable, "-c", "input()"], 0.0) as ward:
        assert not ward.ends(lambda: done.append(ward.is_alive))

    assert not ward.is_alive
    assert done[:2] == [True, True]
