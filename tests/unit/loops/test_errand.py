"""What is told of an attempt in another process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from tests.nursery import SOURCE

from unbreakable.errors import Kind, RemoteFailure
from unbreakable.fractal.signature import classify
from unbreakable.loops.errand import FIRST, HEAD, LAST, MOST_CHARACTERS, Answer, Request
from unbreakable.loops.schedule import Tick
from unbreakable.outcome import Failure
from unbreakable.policies import Retry


class Held(Exception):
    """An exception that cannot be sent, but has something to say."""

    kind = Kind.THROTTLED
    http_status = 429

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()
        self.retry_after = 7.0


def raised(error):
    try:
        raise error
    except BaseException as again:
        return again


def test_what_an_attempt_is_told_needs_nothing_more_in_a_worker_that_is_ready():
    """The first attempt in a process that was held in reserve is late by none of it."""
    scope = {"state": {}, "tick": Tick(number=3, nominal=1.0), "iteration": 1}
    asked = Request(key="loop:3", attempt=1, seconds=1.0, arguments={}, scope=scope).pickled()
    program = f"""
import sys
import unbreakable.loops.worker
before = set(sys.modules)
from unbreakable.loops.wire import unpack
print(unpack({asked!r}).scope["tick"].number, set(sys.modules) - before)
"""
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)

    assert "3 set()" == told.stdout.strip()


def test_an_exception_comes_back_as_itself_with_the_story_of_where_it_was_raised():
    """Its type, what it holds, and a traceback that would be lost otherwise."""
    error = Answer.to({}, raised(ValueError("broken", 3))).failure()

    assert (ValueError, ("broken", 3)) == (type(error), error.args)
    assert "in worker process" in error.__notes__[0]
    assert "raise error\nValueError: ('broken', 3)" in error.__notes__[0]


def test_what_cannot_be_sent_is_told_and_keeps_what_decides_about_repeats():
    """Its kind, how long to wait, its status: whatever healing looks at."""
    error = Answer.to({}, raised(Held("locked"))).failure()

    assert (RemoteFailure, "Held: locked") == (type(error), str(error))
    assert (Kind.THROTTLED, 7.0, 429) == (error.kind, error.retry_after, error.http_status)


def test_an_exception_that_is_too_big_is_told(monkeypatch):
    """Nobody waits for a message without end."""
    monkeypatch.setattr("unbreakable.loops.errand.MOST_BYTES", 10_000)
    error = Answer.to({}, raised(ValueError("x", b"y" * 10_000))).failure()

    assert isinstance(error, RemoteFailure)
    assert str(error).startswith("ValueError: ('x', b'yyy")


def test_a_story_without_end_is_cut():
    """The last lines are those that tell."""

    def deep(n):
        if n == 0:
            raise ValueError("x" * 10 * MOST_CHARACTERS)
        deep(n - 1)

    try:
        deep(50)
    except ValueError as error:
        told = Answer.to({}, error).failure()

    assert len(told.__notes__[0]) < MOST_CHARACTERS + 100


def test_a_recursion_is_told_without_its_middle():
    """Where it was entered, where it ended, and how much lies between."""

    def enter(n):
        first(n)

    def first(n):
        second(n)

    def second(n):
        first(n)

    try:
        enter(0)
    except RecursionError as error:
        told = Answer.to({}, error).failure().__notes__[0]

    assert 1 == told.count(HEAD)
    assert told.index("in enter") < told.index(" more ...\n") < told.index("RecursionError: maximum")
    assert len(told.splitlines()) < 4 * (FIRST + LAST)


def test_a_good_attempt_has_no_failure_and_leaves_its_state():
    """What it returned is not sent."""
    answer = Answer.to({"n": 1}, None)

    assert (None, {"n": 1}) == (answer.failure(), answer.read_state())


def test_a_state_that_cannot_be_sent_is_no_reason_to_repeat_what_was_done():
    """The operation has done its work: that its state is of no use is a programming error."""
    error = Answer.to({"lock": threading.Lock()}, None).failure()

    assert "ctx.state cannot be sent between processes: TypeError" in str(error)
    assert not Retry().wants(Failure(error, classify(error)), remedied=False)


def test_the_first_error_is_told_when_the_state_cannot_be_sent_either():
    """What the operation raised matters more."""
    answer = Answer.to({"lock": threading.Lock()}, raised(ValueError("mine")))

    assert ("mine", None) == (str(answer.failure()), answer.read_state())
