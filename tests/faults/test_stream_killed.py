"""Whenever the process is killed and whatever the disk refuses, what was acknowledged is handled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.dense import most

pytestmark = pytest.mark.real

CHILD = Path(__file__).with_name("stream_child.py")
LEVELS = ["process", "durable"]


def child(verb, folder, *arguments):
    """Return what the child found."""
    folder.mkdir(exist_ok=True)
    quiet = ("-W", "ignore:This process:DeprecationWarning")  # its threads are idle when it forks
    command = [sys.executable, *quiet, CHILD, verb, folder, *map(json.dumps, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout)


@pytest.mark.parametrize("level", LEVELS)
def test_killed_before_or_after_any_change_of_the_disk_nothing_is_lost(place, level):
    """Also between the halves of a record; ids stay, order stays, at most a batch is handled twice."""
    first, step = (0, most(1, 2)) if level == "process" else (most(0, 1), most(3, 4))
    found = child("matrix", place / "m", level, first, step)
    wrong = [one for one in found if one["lost"] or one["two ids"] or not one["in order"]]

    assert [] == wrong
    assert len(found) - 1 == sum(one["died"] for one in found)
    assert most(50, 25) < len(found)
    assert {0} == {one["damaged"] for one in found}
    assert 3 >= max(one["again"] for one in found) > 0


@pytest.mark.parametrize("level", LEVELS)
def test_killed_again_and_again_at_any_moment_nothing_is_lost(place, level):
    """Many processes take up the same folder, and each dies over it."""
    found = child("rounds", place / "r", level, most(20, 10), 1)

    assert ([], [], True, 0) == (found["lost"], found["two ids"], found["in order"], found["damaged"])
    assert most(100, 50) < found["acked"]


def test_a_file_that_may_not_grow_is_followed_by_the_next(tmp_path):
    """The system's own limit ends a file in the middle of a record."""
    found = child("full", tmp_path / "f", 100_000)

    assert (None, True, True, 3_000) == (found["refused"], found["drained"], found["all there"], found["acked"])
    assert 40 < found["files"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_refuses_puts_and_is_emptied(tmp_path):
    """Nothing that was acknowledged is lost, reading goes on, and putting does when there is room again."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], check=False)  # noqa: S607
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        found = child("full", place, 0)
    finally:
        subprocess.run(["umount", place], check=True)  # noqa: S607

    assert "there is no room left to write" in found["refused"]
    assert ("degraded", True, True) == (found["health"], found["drained"], found["all there"])
    assert 1_000 < found["acked"]
    assert ("process", 0) == (found["after"], found["quarantined"])
