"""`unbreakable run` tells load balancers and systemd how it stands, and replaces a worker that grows."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.faults.processes import kill_all
from tests.faults.supervised import forked
from tests.faults.test_run_command import wait_until

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

NOTING = """
import os
import unbreakable as ub

held = []

def note():
    with open("effects.txt", "a") as file:
        file.write(f"{os.getpid()}\\n")
    if os.path.exists("grow"):
        held.append(os.urandom(8_000_000))

engine = ub.QuantumLoopEngine()
engine.create_loop(note, interval=0.02)
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the program with more words; whatever happens, no process outlives the test."""
    (tmp_path / "program.py").write_text(NOTING)
    processes = []

    def run(*words, **environment):
        said = (tmp_path / "said.txt").open("w")
        how = {"cwd": tmp_path, "stdout": said.fileno(), "stderr": said.fileno()}
        process = forked(["run", "program.py", *words], **how, **({"environment": environment} if environment else {}))
        said.close()
        processes.append(process)
        return process

    yield run
    for process in processes:
        kill_all(tmp_path)
        process.wait()


def noted(folder: Path) -> list[int]:
    """Return which process ran each iteration."""
    path = folder / "effects.txt"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def told(port: int) -> dict[str, Any]:
    """Return the whole that is told."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return dict(json.loads(connection.getresponse().read()))


def ask(port: int, path: str) -> int:
    """Return the code of the answer, 0 for none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_a_load_balancer_sends_nothing_while_there_is_no_worker(tmp_path, run):
    """It is ready with its loops, not ready while a worker that dies at its beginning rests, and ends as ever."""
    port = free_port()
    process = run("--health", str(port))
    wait_until(lambda: ask(port, "/livez") == 200)
    killed: set[int] = set()
    for _ in range(4):  # three deaths cost no pause
        wait_until(lambda: {*noted(tmp_path)} - killed)
        killed.add(noted(tmp_path)[-1])
        os.kill(noted(tmp_path)[-1], signal.SIGKILL)
    wait_until(lambda: ask(port, "/readyz") == 503)
    wait_until(lambda: {"worker": 0, "loops": 0}.items() <= told(port).items())
    assert 200 == ask(port, "/livez") == ask(port, "/startupz")
    wait_until(lambda: ask(port, "/readyz") == 200)
    wait_until(lambda: told(port)["ended"] > 2)
    assert {"worker": noted(tmp_path)[-1], "loops": 1, "restarts": 4}.items() <= told(port).items()
    process.terminate()

    assert 0 == process.wait(30)


@pytest.mark.parametrize("place", ["", "http", "127.0.0.1:", "127.0.0.1:99999"])
def test_a_place_that_is_none_is_refused(tmp_path, run, place):
    """Before anything runs, with what was expected."""
    process = run("--health", place)

    assert 2 == process.wait(30)
    assert "--health: expected a port such as 8080" in (tmp_path / "said.txt").read_text()


def test_systemd_is_told_and_its_watchdog_fed(tmp_path, run):
    """What it waits for comes when loops go on, and what it watches is the supervisor: the worker has none of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        process = run(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="500000")
        heard = [manager.recv(4096).decode()]
        while not (heard[-1] == "WATCHDOG=1" and any("READY=1" in word for word in heard)):
            heard.append(manager.recv(4096).decode())
        wait_until(lambda: noted(tmp_path))
        environment = Path(f"/proc/{noted(tmp_path)[-1]}/environ").read_bytes()
        process.terminate()
        while heard[-1] != "STOPPING=1":
            heard.append(manager.recv(4096).decode())

    assert 0 == process.wait(30)
    assert b"NOTIFY_SOCKET" not in environment
    assert any(re.fullmatch(r"READY=1\nSTATUS=1 loops, 0 restarts", word) for word in heard)


def test_a_worker_that_grows_is_replaced_in_good_order(tmp_path, run):
    """Before the kernel kills it: its iterations end, and the next one begins with little."""
    run("--memory", "400")
    wait_until(lambda: len(noted(tmp_path)) > 5)
    first = noted(tmp_path)[-1]
    (tmp_path / "grow").touch()
    wait_until(lambda: "of memory, and may take 400 MB" in (tmp_path / "said.txt").read_text())
    (tmp_path / "grow").unlink()
    wait_until(lambda: noted(tmp_path)[-1] != first)

    said = (tmp_path / "said.txt").read_text()
    assert re.search(r"the worker takes \d+ MB of memory, and may take 400 MB; it is started again at once", said)


def test_a_program_that_needs_more_than_it_may_take_is_not_started_for_ever_at_once(tmp_path, run):
    """Its iterations prove nothing: the next worker takes as much."""
    run("--memory", "10")
    wait_until(lambda: "it is started again in 0.5 s" in (tmp_path / "said.txt").read_text())

    assert 3 == (tmp_path / "said.txt").read_text().count("and may take 10 MB; it is started again at once")


def test_a_worker_that_has_proven_itself_may_die_again(tmp_path, run):
    """What counts is what it did, not how long it was there: no pause follows, however often somebody kills it."""
    run()
    for _ in range(4):
        before = len(noted(tmp_path))
        wait_until(lambda before=before: len(noted(tmp_path)) > before + 30)
        pid = noted(tmp_path)[-1]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: noted(tmp_path)[-1] != pid)

    assert 4 == (tmp_path / "said.txt").read_text().count("it is started again at once")
