"""A process of the tests' nursery is what a Python of its own would be: it differs in what it takes to start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.nursery import Child, run

pytestmark = [pytest.mark.real, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")]

PROGRAMS = {
    "nothing": "pass",
    "an error": "def f():\n    1 / 0\nf()",
    "an exit": "import sys; sys.exit(7)",
    "an exit with words": "raise SystemExit('no disk')",
    "an interrupt": "raise KeyboardInterrupt",
    "a signal": "import os; os.kill(os.getpid(), 15)",
    "left at once": "import os; print('lost'); os._exit(3)",
    "last words": "import atexit; atexit.register(print, 'bye'); print('hello')",
    "a thread": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()",
    "never awaited": "import asyncio\nasync def f(): pass\nkept = f()",
    "never retrieved": "import asyncio\nasync def f(): 1 / 0\nasync def main():\n    global kept\n"
    "    kept = asyncio.create_task(f())\n    await asyncio.sleep(0)\nasyncio.run(main())",
    "left to the end": "class A:\n    def __del__(self): print('gone')\nkept = A()",
    "its handlers": "import signal\nprint(*(signal.getsignal(n) for n in (2, 13, 15, 17)), signal.set_wakeup_fd(-1))",
    "its words": "import sys; print(sys.argv, sys.path[0], sys.warnoptions, __name__)",
    "its files": "import sys; print(repr(sys.stdin.read()), sys.stdout.line_buffering, sys.stderr.errors)",
    "its open files": "import os; print(os.listdir('/dev/fd'))",
    "its surroundings": "import os; print(os.getcwd(), os.environ['KEPT'], os.environ.get('HOME'))",
}
if sys.version_info >= (3, 13):  # which shows, in a traceback, lines of what was given by -c: a forked one has none
    for name in ("an error", "an interrupt", "never retrieved"):
        del PROGRAMS[name]
SURROUNDINGS = {"KEPT": "yes", "PYTHONWARNINGS": "ignore::UserWarning", "PYTHONASYNCIODEBUG": ""}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_forked_program_does_what_one_that_is_started_does(tmp_path, program):
    """Its exit code, its words, and what Python says of it, are the same."""
    words = ["-W", "ignore::ImportWarning", "-c", program, "one", "two"]
    started = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env=SURROUNDINGS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    forked = run(words, cwd=tmp_path, env=SURROUNDINGS)

    told = (forked.returncode, forked.stdout, forked.stderr)
    assert told == (started.returncode, started.stdout, started.stderr)


def test_a_script_is_found_and_finds_what_lies_beside_it(tmp_path):
    """Its folder is where it looks first, and what it raises is told with its own lines."""
    (tmp_path / "near.py").write_text("def fail(): raise ValueError(__name__)")
    script = tmp_path / "script.py"
    script.write_text("import near\nif __name__ == '__main__':\n    near.fail()")
    started = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    forked = run([script])

    assert (1, started.stderr) == (forked.returncode, forked.stderr)


def test_it_can_be_talked_to_signalled_and_waited_for():
    """Its pipes, its number and its end are real ones."""
    program = (
        "import os, sys\nprint(os.getpid(), os.getsid(0), flush=True)\nprint(sys.stdin.read())\nsys.stdin.close()\n"
    )
    pipe = subprocess.PIPE
    with Child(["-c", program], stdin=pipe, stdout=pipe, start_new_session=True) as child:
        assert [child.pid, child.pid] == [*map(int, child.stdout.readline().split())]
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.01)
        assert child.poll() is None
        assert ("word\n", None) == child.communicate("word", timeout=60)
    with Child(["-c", "import time; time.sleep(100)"]) as child:
        child.send_signal(signal.SIGKILL)

    assert -signal.SIGKILL == child.returncode
    assert not Path(f"/proc/{child.pid}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the words")
def test_who_lists_processes_sees_its_words():
    """Those of a Python that was started, whatever process it was forked from."""
    program = "import json; print(json.dumps(open('/proc/self/cmdline').read().rstrip(chr(0)).split(chr(0))))"
    words = ["-c", program, "--some", "words"]

    assert [sys.executable, *words] == json.loads(run(words).stdout)
