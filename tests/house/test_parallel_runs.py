"""What a parallel run spares: a worker tells what is of use, and what pytest makes of a test file is made once."""

from __future__ import annotations

import os

import pytest
from tests.compiled import cached, is_new
from tests.reporting import Terse


class Wire:
    """The worker's end of the wire, which notes what is sent."""

    def __init__(self):
        self.sent = []

    def sendevent(self, name, **told):
        """Note it."""
        self.sent.append(name)


def report(when, outcome, sections=()):
    """Return what pytest tells of a part of a test."""
    return pytest.TestReport("n", ("f", 1, "d"), {}, outcome, None, when, sections)


@pytest.mark.parametrize(
    ("told", "is_sent"),
    [
        (report("call", "passed"), True),
        (report("call", "failed"), True),
        (report("setup", "failed"), True),
        (report("setup", "skipped"), True),
        (report("teardown", "failed"), True),
        (report("teardown", "passed", [("Captured log teardown", "closed")]), True),
        (report("setup", "passed"), False),
        (report("teardown", "passed"), False),
    ],
)
def test_whatever_failed_was_skipped_or_said_something_is_told(told, is_sent):
    """Only that nothing happened before and after a test is not worth a message."""
    wire = Wire()
    terse = Terse(wire)
    data = terse.pytest_report_to_serializable(told)
    wire.sendevent("testreport", data=data or {"as": "ever"})

    assert is_sent == (data is None)
    assert ["testreport"] * is_sent == wire.sent


def test_the_scheduler_is_told_what_is_over():
    """That a test begins is nobody's need, that it is over is."""
    wire = Wire()
    Terse(wire)
    for name in ("logstart", "logfinish", "runtest_protocol_complete", "workerfinished"):
        wire.sendevent(name)

    assert ["runtest_protocol_complete", "workerfinished"] == wire.sent


def test_a_file_is_new_until_it_is_compiled_and_when_it_has_changed(tmp_path):
    """What pytest has made of a file counts if it is not older than the file."""
    path = tmp_path / "test_it.py"
    path.write_text("def test_it(): assert 1\n", encoding="utf-8")
    assert is_new(path)
    cached(path).parent.mkdir()
    cached(path).touch()
    assert not is_new(path)
    later = cached(path).stat().st_mtime + 1.0
    os.utime(path, (later, later))
    assert is_new(path)
