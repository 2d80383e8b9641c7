"""A handler of the program's log that raises costs its line, and nothing else."""

from __future__ import annotations

import logging
import threading

import pytest

import unbreakable as ub
from unbreakable.log import log
from unbreakable.runtime import BLOCKING


class Broken(logging.Handler):
    """Raise for each line, as one that writes to a full disk."""

    def __init__(self):
        super().__init__(1)
        self.lines = []

    def emit(self, record):
        self.lines.append(record)
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def broken():
    """Return the handler, which all lines come to."""
    logger, handler = logging.getLogger("unbreakable"), Broken()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def deaf(event):
    """Fail at an event."""
    raise RuntimeError("the collector of figures is away")


def booked():
    """Do what is done once."""
    return "booked"


async def booked_later():
    """Do the same in async code."""
    return "booked"


def test_a_call_that_succeeded_keeps_its_result(broken):
    """Its listener raised, and so did the log that was to be told: it is booked all the same."""
    book = ub.protect("book", effects="once")(booked)
    book.node.on(ub.events.Succeeded, deaf)
    assert ("booked", "booked") == (book(), book())
    assert ["a listener of book raised and was dropped"] == [line.getMessage() for line in broken.lines]


async def test_an_outcome_of_async_code_is_returned():
    """It never raises, whoever is told of it."""
    book = ub.protect("book", effects="once")(booked_later)
    book.node.on(ub.events.CallEnded, deaf)
    assert ub.Status.OK is (await book.outcome()).status


def test_the_thread_that_does_chores_goes_on(broken):
    """Else what is learned would be lost until somebody asked for another thread."""
    done, threads = threading.Event(), []

    def fails():
        threads.append(threading.current_thread())
        raise ValueError("a chore")

    def goes_on():
        threads.append(threading.current_thread())
        done.set()

    BLOCKING.background(fails)
    BLOCKING.background(goes_on)
    assert done.wait(10.0)
    assert threads[0] is threads[1]
    assert 1 == len(broken.lines)


def test_what_is_learned_is_kept_once_there_is_room_again(tmp_path, monkeypatch):
    """The thread that writes outlives the disk that was full, for the log as well."""
    with ub.SqliteMemory(tmp_path / "state") as memory:
        writer = memory._writer
        monkeypatch.setattr(writer._file, "write", full)
        learned = ub.protect("target", memory=memory)(booked)
        for _ in range(100):
            learned()
        assert not memory.flush()
        assert "No space" in memory.trouble
        monkeypatch.undo()
        assert memory.flush()
        assert writer._thread.is_alive()


def full(statements):
    """Write nothing."""
    raise OSError(28, "No space left on device")


def test_who_logged_is_told_by_the_line(broken):
    """Its place is that of the code which had something to tell."""
    log("something")
    assert __file__ == broken.lines[0].pathname
