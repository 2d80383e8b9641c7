"""How a supervisor stands is answered over HTTP, and told to systemd, in words that both know."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading

import pytest

from unbreakable.loops.health import MOST, Health
from unbreakable.loops.notify import Notify
from unbreakable.loops.standing import Standing
from unbreakable.runtime import BLOCKING
from unbreakable.testing import virtual_time


def ask(address, path, method="GET"):
    """Return code and text of an answer."""
    connection = http.client.HTTPConnection(address, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture
def standing():
    """Return a standing that somebody has just looked at."""
    made = Standing()
    made.looked_at = BLOCKING.now()
    return made


@pytest.fixture
def address(standing):
    """Return where it is answered."""
    with Health("127.0.0.1", 0, standing) as health:
        yield health.address


def test_a_service_is_ready_when_its_loops_go_on(standing, address):
    """It has started once they have, and is not ready while it ends or waits for the next worker."""
    assert [(200, "ok\n"), (503, "no loop goes on yet\n"), (503, "no loop goes on yet\n")] == [
        ask(address, path) for path in ("/livez", "/readyz", "/startupz")
    ]
    standing.look(4711, 2, lambda: 10)
    assert [(200, "ok\n")] * 3 == [ask(address, path) for path in ("/livez", "/readyz", "/startupz")]
    standing.lose("the worker was killed by signal 9")
    assert [(200, "ok\n"), (503, "the worker was killed by signal 9\n"), (200, "ok\n")] == [
        ask(address, path) for path in ("/livez", "/readyz", "/startupz")
    ]
    standing.look(4712, 2, lambda: 0)
    standing.is_ending = True
    assert (503, "it is ending\n") == ask(address, "/readyz")


def test_a_supervisor_that_stands_still_is_not_alive(standing, address):
    """What it knew last is no sign of life."""
    standing.look(4711, 2, lambda: 10)
    standing.looked_at -= 60.0

    code, why = ask(address, "/livez")
    assert 503 == code
    assert "has had no turn for 6" in why


def test_the_whole_is_told_in_json(standing, address):
    """For people and for what draws pictures."""
    standing.look(4711, 2, lambda: 10, (2, 1))
    code, text = ask(address, "/?pretty")
    told = json.loads(text)

    assert 200 == code
    assert (4711, 2, 10, True, True) == (told["worker"], told["loops"], told["ended"], told["livez"], told["readyz"])
    assert (2, 1) == (told["failing"], told["surviving"])
    assert (200, "") == ask(address, "/readyz", "HEAD")
    assert (404, "ask /livez, /readyz, /startupz or /\n") == ask(address, "/metrics")


def test_nobody_who_asks_can_hold_up_the_others(standing, address):
    """One connects and says nothing, one says nonsense, one leaves before the answer."""
    host, _, port = address.partition(":")
    with contextlib.ExitStack() as stack:
        for words in (b"", b"\xff\xff\r\n\r\n", b"GET /readyz HTTP/1.1\r\n\r\n"):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(words)
        assert 200 == ask(address, "/livez")[0]
    assert 200 == ask(address, "/livez")[0]


def test_a_port_that_is_taken_is_told(standing, address):
    """Who starts a second one learns of it."""
    with pytest.raises(OSError, match="in use"):
        Health("127.0.0.1", int(address.rpartition(":")[2]), standing)


@pytest.fixture
def manager(tmp_path):
    """Return a socket such as systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def heard(manager):
    """Return what was said to the manager."""
    words = []
    with contextlib.suppress(BlockingIOError):
        while True:
            words.append(manager.recv(4096).decode())
    return words


def test_systemd_hears_that_all_is_ready_and_is_fed_as_long_as_it_is(manager, tmp_path):
    """Each thing is told once, and signs of life twice in the time that it waits for one."""
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "5000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    with virtual_time() as clock, Notify(environment) as notify:
        for _ in range(3):
            notify.stands("no worker yet", is_ready=False)
        for _ in range(100):
            notify.stands("2 loops", is_ready=True)
            notify.feed()
            clock.advance(0.1)
        notify.ending()

    assert {"HOME": "/"} == environment
    words = heard(manager)
    assert ["STATUS=no worker yet", "READY=1\nSTATUS=2 loops"] == [word for word in words if "STATUS" in word]
    assert 4 <= words.count("WATCHDOG=1") <= 6
    assert "STOPPING=1" == words[-1]


def test_a_watchdog_of_somebody_else_is_not_fed(manager, tmp_path):
    """It was started by a process that systemd watches itself."""
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    with Notify(environment) as notify:
        notify.feed()

    assert [] == heard(manager)


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@unbreakable-nobody-listens", "tcp:7"])
def test_where_nobody_listens_nobody_is_held_up(address):
    """A manager that is gone is no reason to end."""
    with Notify({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "soon"}) as notify:
        notify.stands("all is well", is_ready=True)
        notify.feed()
        notify.ending()

    assert 0.0 == notify.seconds


def test_who_never_ends_a_question_keeps_nobody_from_asking(standing, address):
    """Of those who have begun to ask the first ones are let go: each takes a thread and a descriptor of few."""
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as open_ones:
        slow = [
            open_ones.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(MOST + 6)
        ]
        for each in slow:
            each.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        answered = ask(address, "/livez")
        threads = sum(each.name.startswith("Thread-") for each in threading.enumerate())
        first = slow[0].recv(1)

    assert ((200, "ok\n"), b"") == (answered, first)
    assert threads <= MOST + 20  # those that were let go of end by themselves


def test_a_supervisor_that_has_not_looked_yet_is_alive():
    """It has just begun; that it was not there when the machine started is no reason to end it."""
    assert "" == Standing().answers(BLOCKING.now() + 1.0)["livez"]


def test_nobody_is_asked_for_the_name_of_the_machine(monkeypatch, standing):
    """Where names are not answered that takes longer than a start may."""

    def name(*_):
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(socket, "getfqdn", name)
    with Health("127.0.0.1", 0, standing) as health:
        assert 200 == ask(health.address, "/livez")[0]
