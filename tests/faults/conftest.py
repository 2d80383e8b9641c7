"""What tests of worker processes share: operations that their processes can find, and what is seen of them."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.faults import processes

import unbreakable as ub


class Notes:
    """A file in which operations write lines, the number of their process for the most part."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def pids(self) -> list[int]:
        return [int(line) for line in self.lines()]

    def alive(self) -> list[int]:
        return [pid for pid in self.pids() if processes.is_alive(pid)]

    def wait(self, most: int = 1) -> None:
        """Wait until there are so many lines."""
        wait_until(lambda: len(self.lines()) >= most)


def wait_until(condition, seconds: float = 60.0) -> None:
    """Wait until *condition* holds; fail if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def operations():
    """Return the module of operations, which worker processes find, too."""
    here = str(Path(__file__).parent)
    sys.path.insert(0, here)
    try:
        yield importlib.import_module("loop_operations")
    finally:
        sys.path.remove(here)


@pytest.fixture
def notes(tmp_path):
    """Return the notes of one test."""
    return Notes(tmp_path / "notes")


@pytest.fixture
def place(tmp_path):
    """Return a folder in memory, where there is one: a death needs no slow disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own in it
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def is_alive():
    """Return the function that tells whether a process is alive."""
    return processes.is_alive


@pytest.fixture
def until():
    """Return the function that waits for a condition."""
    return wait_until


@pytest.fixture
def engine():
    """Return an engine that is closed in the end."""
    engine = ub.QuantumLoopEngine()
    yield engine
    engine.aclose_sync(grace=0.0)
