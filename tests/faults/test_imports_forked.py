"""A child that is forked while another thread of its parent imports something can import it, too."""

from __future__ import annotations

import functools

import pytest
from tests import forking

pytestmark = forking.only_where_it_forks

BEGIN = """
import builtins

begun, go_on = builtins.begun, builtins.go_on = threading.Event(), threading.Event()

def begin(module):
    thread = threading.Thread(target=__import__, args=(module,), daemon=True)
    thread.start()
    begun.wait(60)
    return thread
"""

in_a_program = functools.partial(forking.in_a_program, before=BEGIN)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a module that is loaded when it is told to go on, and says before that it has begun."""
    (tmp_path / "slow.py").write_text("begun.set()\ngo_on.wait(30)\nVALUE = 7\n")
    return tmp_path


def test_a_child_can_use_what_another_thread_was_about_to_use_for_the_first_time(tmp_path):
    """Whenever the fork comes, while a thread loads what a database needs, the child's own query is answered."""
    told = in_a_program(
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
        modules=tmp_path,
    )

    assert [1] * 10 == told


def test_a_fork_waits_for_an_import_in_another_thread(folder):
    """The child has the module that was half loaded when the fork was asked for."""
    told = in_a_program(
        """
        begin("slow")
        threading.Timer(0.2, go_on.set).start()
        print(json.dumps(forked(lambda: __import__("slow").VALUE)))
        """,
        modules=folder,
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
        """
        builtins.told = []
        begin("hooked")
        threading.Timer(0.2, go_on.set).start()
        print(json.dumps([forked(lambda: len(builtins.told)) for _ in range(3)]))
        """,
        modules=folder,
    )

    assert [1, 2, 3] == told


def test_an_import_that_does_not_end_is_waited_for_once(folder):
    """A module whose work is its loading holds up the first fork, for as long as patience lasts, and no later one."""
    first, second = in_a_program(
        """
        import unbreakable.importing
        unbreakable.importing.PATIENCE = 2.0
        begin("slow")
        took = []
        for _ in range(2):
            began = time.monotonic()
            assert forked(lambda: 1) == 1
            took.append(time.monotonic() - began)
        print(json.dumps(took))
        """,
        modules=folder,
    )

    assert first >= 2.0 > second


def test_a_fork_in_the_middle_of_its_own_import_waits_for_nobody(tmp_path):
    """A module that forks while it is loaded does so at once, and both sides can import and fork again."""
    (tmp_path / "forks.py").write_text("import __main__\nTOLD = __main__.forked(__main__.look)\n")

    told, again, took = in_a_program(
        """
        def look():
            import colorsys
            return "both"
        began = time.monotonic()
        import forks
        took = time.monotonic() - began
        thread = threading.Thread(target=__import__, args=("sched",))
        thread.start()
        thread.join(60)
        print(json.dumps([forks.TOLD, [forked(look), thread.is_alive()], took]))
        """,
        modules=tmp_path,
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
        """
        import logging.config
        handlers = {name: {"class": f"{name}.H"} for name in ("first", "second")}
        settings = {"version": 1, "handlers": handlers, "root": {"handlers": list(handlers)}}
        thread = threading.Thread(target=logging.config.dictConfig, args=(settings,), daemon=True)
        thread.start()
        begun.wait(60)
        told = forked(lambda: 1)
        thread.join(60)
        print(json.dumps([told, thread.is_alive()]))
        """,
        modules=tmp_path,
    )

    assert [1, False] == told
