"""A child that is forked while another thread of its parent imports something can import it, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import unbreakable as ub

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]

SOURCE = Path(ub.__file__).parents[1]

FORKING = """
import builtins, json, os, signal, sys, threading, time
import unbreakable as ub

def forked(look):
    '''Return what *look* returns in a forked child, or "it hung".'''
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os.write(writer, json.dumps(look()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    return json.loads(told) if os.waitpid(child, 0)[1] == 0 else "it hung"

begun, go_on = builtins.begun, builtins.go_on = threading.Event(), threading.Event()

def begin(module):
    thread = threading.Thread(target=__import__, args=(module,), daemon=True)
    thread.start()
    begun.wait(10)
    return thread
"""


def in_a_program(folder: Path, story: str) -> Any:
    """Return what *story*, run as a program that finds the modules in *folder*, prints as JSON."""
    program = FORKING + textwrap.dedent(story)
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{folder}", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert [0, ""] == [done.returncode, done.stderr]
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a module that is loaded when it is told to go on, and says before that it has begun."""
    (tmp_path / "slow.py").write_text("begun.set()\ngo_on.wait(30)\nVALUE = 7\n")
    return tmp_path


def test_a_child_can_use_what_another_thread_was_about_to_use_for_the_first_time(tmp_path):
    """Whenever the fork comes, while a thread loads what a database needs, the child's own query is answered."""
    told = in_a_program(
        tmp_path,
        """
        def connect():
            return ub.DatabaseNode("sqlite://").query_sync("select 1").scalar()
        threading.Thread(target=connect).start()
        children = []
        while len(children) < 10:
            time.sleep(0.01)
            child = os.fork()
            if child == 0:
                signal.alarm(15)
                os._exit(connect())
            children.append(child)
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
        """,
    )

    assert [1] * 10 == told


def test_a_fork_waits_for_an_import_in_another_thread(folder):
    """The child has the module that was half loaded when the fork was asked for."""
    told = in_a_program(
        folder,
        """
        begin("slow")
        threading.Timer(0.2, go_on.set).start()
        print(json.dumps(forked(lambda: __import__("slow").VALUE)))
        """,
    )

    assert 7 == told


def test_a_hook_that_comes_with_an_import_is_called_before_the_fork_that_waited_for_it(folder):
    """Whoever has to be told of forks is told of the first, and of each later one, exactly once."""
    (folder / "hooked.py").write_text(
        "import builtins, unbreakable.importing as importing\n"
        "begun.set()\ngo_on.wait(30)\n"
        "importing.before_fork(lambda: builtins.told.append(1))\n"
    )

    told = in_a_program(
        folder,
        """
        builtins.told = []
        begin("hooked")
        threading.Timer(0.2, go_on.set).start()
        print(json.dumps([forked(lambda: len(builtins.told)) for _ in range(3)]))
        """,
    )

    assert [1, 2, 3] == told


def test_an_import_that_does_not_end_is_waited_for_once(folder):
    """A module whose work is its loading holds up the first fork, for as long as patience lasts, and no later one."""
    first, second = in_a_program(
        folder,
        """
        import unbreakable.importing
        unbreakable.importing.PATIENCE = 0.5
        begin("slow")
        took = []
        for _ in range(2):
            began = time.monotonic()
            assert forked(lambda: 1) == 1
            took.append(time.monotonic() - began)
        print(json.dumps(took))
        """,
    )

    assert first >= 0.5 > second


def test_a_fork_in_the_middle_of_its_own_import_waits_for_nobody(tmp_path):
    """A module that forks while it is loaded does so at once, and both sides can import and fork again."""
    (tmp_path / "forks.py").write_text("import __main__\nTOLD = __main__.forked(__main__.look)\n")

    told, again, took = in_a_program(
        tmp_path,
        """
        def look():
            import colorsys
            return "both"
        began = time.monotonic()
        import forks
        took = time.monotonic() - began
        thread = threading.Thread(target=__import__, args=("sched",))
        thread.start()
        thread.join(10)
        print(json.dumps([forks.TOLD, [forked(look), thread.is_alive()], took]))
        """,
    )

    assert ["both", ["both", False]] == [told, again]
    assert took < 4


def test_a_fork_while_another_thread_sets_up_logging_hangs_nobody(tmp_path):
    """It holds the lock of logging, which a fork needs, while it imports the classes of its handlers."""
    (tmp_path / "first.py").write_text(
        "import logging, time\n"
        "class H(logging.NullHandler):\n"
        "    def __init__(self): super().__init__(); begun.set(); time.sleep(0.2)\n"
    )
    (tmp_path / "second.py").write_text("from first import H\n")
    told = in_a_program(
        tmp_path,
        """
        import logging.config
        handlers = {name: {"class": f"{name}.H"} for name in ("first", "second")}
        settings = {"version": 1, "handlers": handlers, "root": {"handlers": list(handlers)}}
        thread = threading.Thread(target=logging.config.dictConfig, args=(settings,), daemon=True)
        thread.start()
        begun.wait(10)
        told = forked(lambda: 1)
        thread.join(10)
        print(json.dumps([told, thread.is_alive()]))
        """,
    )

    assert [1, False] == told
