"""The whole demo as people start it, and as the world ends it: Ctrl-C, kill -9, and again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.dense import DENSE

import unbreakable
from unbreakable.demo.bookings import timetable
from unbreakable.demo.script import Fault, Script

pytestmark = pytest.mark.real

BOOKINGS = 30
ROUTES = (
    ("flights-primary", "GET /search"),
    ("hotels", "POST /holds"),
    ("payments", "POST /charges"),
    ("flights-primary", "POST /tickets"),
    ("hotels", "POST /holds/{id}/confirm"),
)


DROPPED = "was dropped"  # of a listener that raised: it notes what the report tells


def quick_seed() -> int:
    """Find a story in which the unprotected run never waits for an answer that does not come, to spare the tester."""
    for seed in range(1, 1000):
        script = Script(seed=seed, fault_rate=0.05)
        asked = [(*route, booking.id, 1) for booking in timetable(seed, BOOKINGS) for route in ROUTES]
        asked += [(service, "POST /token", "", 1) for service, _ in ROUTES]
        if all(script.turn(*request).fault is not Fault.HANG for request in asked):
            return seed
    raise AssertionError("every story has a hang")


SEED = quick_seed()


@contextlib.contextmanager
def demo(state: Path, *options: object):
    """Start a small demo in a process of its own; whatever happens, it does not outlive the test."""
    command = [sys.executable, "-m", "unbreakable", "demo", "--state", str(state), "--json", *map(str, options)]
    environment = {**os.environ, "PYTHONPATH": str(Path(unbreakable.__file__).parents[1])}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def play(state: Path, *options: object) -> tuple[int, dict, str]:
    """Play a demo to its end; return its exit code, its report and what it said meanwhile."""
    with demo(state, *options) as process:
        report, said = process.communicate(timeout=60)
    return process.returncode, json.loads(report or "{}"), said


def small() -> tuple[object, ...]:
    return ("--seed", SEED, "--bookings", BOOKINGS)


def wait_until(fact, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def users_of(folder: Path) -> list[int]:
    """Return the processes that have a file below this folder open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith(f"{folder}/"):
                found.add(int(link.parts[2]))
    return sorted(found)


def ended(state: Path) -> int:
    path = state / "demo" / "ends.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def assert_kept_its_promise(code: int, report: dict, said: str) -> None:
    protected = report["protected"]

    assert (0, True) == (code, report["passed"]), (protected["reasons"], said)
    assert DROPPED not in said
    assert BOOKINGS == protected["done"] + protected["compensated"] + protected["failed"]
    assert (0, 0, 0) == (protected["double_charges"], protected["lost"], protected["stranded"])


@pytest.mark.parametrize("before", ["nothing", *["killed in its first run"] * DENSE])
def test_a_small_demo_from_end_to_end(tmp_path, before):
    """All protected bookings are done, unprotected ones fail beside them, and nobody is left running."""
    # A half-finished unprotected run is thrown away: its figures would be of two halves.
    if before != "nothing":
        with demo(tmp_path, *small()) as process:
            wait_until((tmp_path / "demo" / "unprotected" / "payments.db").exists)
            process.send_signal(signal.SIGKILL)
            process.wait()

    code, report, said = play(tmp_path, *(small() if before == "nothing" else ()))

    assert_kept_its_promise(code, report, said)
    assert BOOKINGS == report["unprotected"]["bookings"]
    assert (BOOKINGS, 0, 0) == tuple(report["protected"][name] for name in ("done", "failures", "downtime"))
    assert 0 < report["unprotected"]["failures"] < BOOKINGS
    assert sum(report["protected"]["heals"].values()) > 0
    assert {"flights", "hotels", "payments"} == set(report["protected"]["settings"])
    assert None is report["resumed"]
    assert "unprotected [#" in said
    assert [] == users_of(tmp_path)


def test_a_killed_demo_is_taken_up_again(tmp_path):
    """After kill -9 in the middle, all are accounted for, nothing is charged twice, the first run is kept."""
    with demo(tmp_path, *small()) as process:
        wait_until(lambda: ended(tmp_path) >= BOOKINGS // 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: not users_of(tmp_path))
    kept = (tmp_path / "demo" / "unprotected.json").read_text()
    before = ended(tmp_path)

    code, report, said = play(tmp_path)

    assert_kept_its_promise(code, report, said)
    assert BOOKINGS == sum(report["resumed"].values())
    assert before == report["resumed"]["ended"] > 0
    assert report["resumed"]["in_flight"] > 0
    assert "resumed a demo that was cut off" in said
    assert kept == (tmp_path / "demo" / "unprotected.json").read_text()
    assert SEED == report["seed"]


def test_ctrl_c_leaves_nobody_running(tmp_path):
    """An interrupt ends the demo with its own exit code and without a traceback, and its partners with it."""
    with demo(tmp_path, *small()) as process:
        wait_until(lambda: len(users_of(tmp_path)) >= 5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert 130 == process.returncode
    assert "Interrupted; the partners are gone." in said
    assert "Traceback" not in said
    assert [] == users_of(tmp_path)
