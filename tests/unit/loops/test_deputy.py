"""A deputy goes on from where its process was, when that is dead, and only the one that was named last."""

from __future__ import annotations

import socket
import sys
import textwrap

import pytest
from tests.nursery import run

from unbreakable.loops import supervisor
from unbreakable.loops.supervisor import told_to_end
from unbreakable.loops.ward import END, GO

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="its descriptors are Linux's")]

HEAD = """
import os, signal
from unbreakable.loops.deputy import Deputy

began = os.getpid()

def say(what):
    os.write(1, f"{what}\\n".encode())

deputy = Deputy(lambda: say("settles"), lambda dead: say("announces"), ENVIRONMENT)
"""


def played(program: str, environment: str = "{}") -> list[str]:
    """Return what a process and its copies say, to the end of the last one."""
    head = HEAD.replace("ENVIRONMENT", environment)
    whole = f"{head}try:\n{textwrap.indent(program, '    ')}\nfinally:\n    deputy.dismiss()\n"
    return run(["-c", whole], timeout=20.0).stdout.split()


def test_a_copy_goes_on_when_its_process_is_dead():
    """It returns from the very call, with all that was known, settles first, and tells it when it has a copy itself."""
    program = """
known = "before"
deputy.renew()
say(known if os.getpid() == began else "after")
if os.getpid() == began:
    os.kill(began, signal.SIGKILL)
say(deputy._pid > 0)
"""
    assert ["before", "settles", "announces", "after", "True"] == played(program)


def test_the_last_one_goes_on():
    """Of two copies the one that knows more; the other one has ended."""
    program = """
deputy.renew()
if os.getpid() != began:
    say("the first")
else:
    deputy.renew()
    if os.getpid() == began:
        os.kill(began, signal.SIGKILL)
    say("the second")
"""
    assert ["settles", "announces", "the", "second"] == played(program)


def test_nobody_goes_on_who_was_not_named():
    """A copy of which the process has said nothing before its death leaves the word to the one before."""
    program = """
deputy.renew()
if os.getpid() == began:
    kept, deputy._named = deputy._named, [0]  # what is named from now on nobody sees
    fork = os.fork
    def die_before_it_is_named():
        pid = fork()
        if pid == 0:
            deputy._named, os.fork = kept, fork
            return 0
        os.kill(began, signal.SIGKILL)
    os.fork = die_before_it_is_named
    deputy.renew()
    say("the second")
say("goes on")
"""
    assert ["settles", "announces", "goes", "on"] == played(program)


def test_who_ends_in_good_order_has_nobody_go_on():
    """Not even after a kill that comes then."""
    assert ["done"] == played("deputy.renew()\ndeputy.dismiss()\nsay('done')\nos.kill(began, signal.SIGKILL)")


def test_a_signal_that_asks_for_the_end_ends_a_copy_without_a_word():
    """It is replaced at the next look."""
    program = """
deputy.renew()
for number in (signal.SIGINT, signal.SIGTERM):
    before = deputy._pid
    os.kill(before, number)
    while deputy._pid == before:
        deputy.look()
    say(deputy._pid > 0)
"""
    assert ["True", "True"] == played(program)


def test_who_dies_at_once_again_and_again_is_no_storm():
    """What kills each that goes on has a pause from the tenth on."""
    program = """
import time
since = time.monotonic()
deputy.renew()
if time.monotonic() < since + 0.9:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert 12 >= played(program).count("settles")


@pytest.mark.parametrize("environment", ["{'SYSTEMD_EXEC_PID': str(began)}", "{}"])
def test_where_somebody_else_starts_it_again_there_is_none(environment):
    """That is systemd where it knows this very process."""
    program = "deputy.renew()\ndeputy.look()\nsay(deputy._pid > 0)"

    assert [str(environment == "{}")] == played(program, environment)


def test_a_machine_without_threads_keeps_no_deputy_from_going_on():
    """Nobody answers about health then; the rest goes on, and comes to its end."""
    program = """
import os, signal
from unbreakable.runtime import ThreadsExhausted
from unbreakable.loops.health import Health
from unbreakable.loops.standing import Standing
from unbreakable.loops.supervisor import Supervisor
from unbreakable.runtime import BLOCKING

def refuse(*_):
    raise ThreadsExhausted("no more threads")

with Health("127.0.0.1", 0, Standing()) as health:
    if os.fork():
        os.wait()
        os._exit(0)
    signal.alarm(10)
    BLOCKING.world.carry = refuse
    Supervisor(["true"], print, after_death=health.serve)._announce(1)
print("ended")
"""
    assert run(["-c", program], timeout=20.0).stdout.endswith("ended\n")


def test_to_be_let_go_twice_is_no_wish_for_the_end(monkeypatch):
    """A deputy cannot know whether its worker was let go; the end is told by another word, or by no more of them."""
    ours, theirs = socket.socketpair()
    with theirs:
        monkeypatch.setattr(supervisor, "_lifelines", [theirs])
        ours.send(GO)
        assert not told_to_end()
        theirs.recv(1)
        ours.send(END)
        assert told_to_end()
        theirs.recv(1)
        assert not told_to_end()
        ours.close()
        assert told_to_end()
