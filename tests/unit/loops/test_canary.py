"""A canary beside the worker of `unbreakable run` tells of what it has died of."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from unbreakable.loops.canary import MOURNING, PATIENCE, Canary
from unbreakable.runtime import BLOCKING, run_blocking
from unbreakable.testing import virtual_time

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]


def pid_of(canary: Canary) -> int:
    assert canary._process is not None
    return canary._process.pid


def held_by(pid: int) -> set[tuple[str, str]]:
    """Return what the process holds beside its input."""
    held = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held.add((each.name, str(each.readlink())))
    return {each for each in held if each[0] != "0"}


def test_what_a_canary_has_died_of_is_known():
    """Everybody was sent that signal, and no other one."""
    with Canary() as canary:
        os.kill(pid_of(canary), signal.SIGTERM)

        assert canary.has_died_of([signal.SIGINT, signal.SIGTERM])
        assert not canary.has_died_of([signal.SIGUSR1])


def test_a_canary_that_lives_has_heard_nothing():
    """It is given a moment, and ends with its supervisor."""
    with Canary() as canary:
        assert not canary.has_died_of([signal.SIGTERM, signal.SIGKILL])
    assert canary.has_died_of([signal.SIGKILL])


def test_a_canary_is_not_waited_for_where_nobody_was_sent_anything():
    """A worker that is replaced is asked for its end at once."""
    with Canary() as canary:
        began = BLOCKING.now()
        assert not canary.has_died_of([])
        assert BLOCKING.now() - began < PATIENCE


def test_a_dead_canary_is_renewed_but_not_at_once():
    """Who sends a signal to one after the other may come to the supervisor last."""
    with virtual_time() as clock, Canary() as canary:
        os.kill(first := pid_of(canary), signal.SIGTERM)
        assert canary.has_died_of([signal.SIGTERM])
        canary.renew()
        clock.advance(MOURNING - 0.1)
        canary.renew()
        assert first == pid_of(canary)
        clock.advance(0.2)
        canary.renew()
        assert first != pid_of(canary)


def test_where_none_can_be_had_nobody_was_sent_anything(monkeypatch, tmp_path):
    """A machine without memory or processes to give has them again some day; until then the worker is asked as ever."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with virtual_time() as clock, Canary() as canary:
        assert not canary.has_died_of([signal.SIGTERM])
        monkeypatch.undo()
        canary.renew()
        clock.advance(MOURNING + 0.1)
        canary.renew()
        assert pid_of(canary)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process holds")
def test_a_canary_holds_no_file_of_anybody():
    """Who reads what its supervisor says does not wait for its end."""
    expected, until = {("1", os.devnull), ("2", os.devnull)}, BLOCKING.now() + 10.0
    with Canary() as canary:
        while (held := held_by(pid_of(canary))) != expected and BLOCKING.now() < until:
            run_blocking(BLOCKING.sleep(0.01))  # Python is still being loaded there, from files

    assert expected == held
