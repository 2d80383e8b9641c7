"""What sort of failure an error is that was made of another one, and what a file or a database says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.unit.fractal.answers import Answer, Ours

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify, told_of
from unbreakable.testing import virtual_time


def raised(how, error):
    """Return what is caught of an operation that makes an error of its own of *error*, in this way."""
    try:
        try:
            raise error
        except Exception as inner:
            if how == "from":
                raise Ours("wrapped") from inner
            if how == "from None":
                raise Ours("wrapped") from None
            if how == "group":
                raise ExceptionGroup("all", [inner]) from None
            raise Ours("wrapped")  # noqa: B904 - as it is done everywhere
    except Exception as outer:
        return outer


@pytest.mark.parametrize(
    ("how", "kind"),
    [("from", Kind.INVALID), ("group", Kind.INVALID), ("context", Kind.UNKNOWN), ("from None", Kind.UNKNOWN)],
)
def test_an_error_that_says_nothing_is_of_the_sort_that_it_was_raised_from(how, kind):
    """Programs make errors of their own of what a client raises; what one merely came up in does not speak for it."""
    assert kind is classify(raised(how, Answer(404)))


def test_a_lost_answer_is_told_as_what_it_was_made_of():
    """That is for whoever asks whether the work was done; it is repeated all the same."""
    assert [Kind.UNKNOWN] * 2 == [classify(raised("from", error)) for error in (Answer(503), ConnectionResetError())]


def test_an_error_that_says_what_it_is_is_believed():
    """Whatever it was raised from."""
    error = TimeoutError()
    error.__cause__ = Answer(404)

    assert Kind.TIMEOUT is classify(error)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ((Answer(404), Answer(400)), Kind.INVALID),
        ((Answer(404), ConnectionResetError()), Kind.UNKNOWN),
        ((ExceptionGroup("deep", [Answer(403)]), Answer(401)), Kind.CREDENTIALS),
        (tuple(Answer(404) for _ in range(20_000)), Kind.INVALID),
    ],
)
def test_a_group_is_of_the_sort_of_which_all_its_members_are(members, kind):
    """Task groups raise nothing else."""
    assert kind is classify(ExceptionGroup("all", list(members)))


def test_causes_that_go_in_a_circle_come_to_an_end():
    """As do those of thousands."""
    one, other = Ours(), Ours()
    one.__cause__, other.__cause__ = other, one
    long = Ours()
    for _ in range(5_000):
        long.__cause__, long = None, Ours()
        long.__cause__ = Ours()

    assert [Kind.UNKNOWN] * 2 == [classify(one), classify(long)]


@pytest.mark.parametrize(("how", "pause"), [("from", 7.0), ("context", 7.0), ("group", 7.0), ("from None", 0.0)])
def test_a_wish_is_heard_through_an_error_that_was_made_of_it(how, pause):
    """The pause that a target asked for is kept, however the operation hands its answer on."""
    moments = []

    @ub.protect("target", effects="none", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    def ask():
        moments.append(clock.now())
        raise raised(how, Answer(429, **{"Retry-After": "7"}))

    with virtual_time() as clock:
        ask.outcome()

    assert 2 == len(moments)
    assert pause <= moments[1] < pause + 1.0


def test_a_wish_is_heard_through_a_group_that_nothing_came_before():
    """As a task group raises it."""
    assert (Kind.THROTTLED, 7.0) == told_of(ExceptionGroup("all", [Answer(429, **{"Retry-After": "7"})]))


def test_what_one_endpoint_wished_does_not_hold_up_another():
    """An error that says what it is came up while another was handled: that one was seen to."""
    moments = []

    @ub.protect("target", effects="none", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    def ask():
        moments.append(clock.now())
        try:
            raise Answer(429, **{"Retry-After": "3600"})
        except Answer:
            raise ConnectionResetError("the other one")  # noqa: B904

    with virtual_time() as clock:
        ask.outcome()

    assert [0.0, 0.0] == moments


def opened(path):
    Path(path).read_text(encoding="utf-8")


def of(work, *arguments):
    try:
        work(*arguments)
    except Exception as error:
        return error
    return None


def duplicate():
    with closing(sqlite3.connect(":memory:")) as base, base:
        base.execute("CREATE TABLE t (a UNIQUE)")
        base.execute("INSERT INTO t VALUES (1)")
        base.execute("INSERT INTO t VALUES (1)")


def missing_table():
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("SELECT * FROM t").fetchall()


class Wrapper(Exception):
    """Be as SQLAlchemy's base classes of errors are."""


WrapperDatabaseError = type("DatabaseError", (Wrapper,), {})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (of(opened, "/no/such/file"), Kind.INVALID),
        (of(opened, "/"), Kind.INVALID),
        (FileNotFoundError(2, "No such file or directory"), Kind.TRANSIENT),  # a socket of a server that restarts
        (of(duplicate), Kind.INVALID),
        (of(missing_table), Kind.INVALID),
        (type("DataError", (WrapperDatabaseError,), {})(), Kind.INVALID),
        (type("OperationalError", (WrapperDatabaseError,), {})(), Kind.UNKNOWN),
        (type("IntegrityError", (Exception,), {})(), Kind.UNKNOWN),  # nobody knows whose that is
        (UnboundLocalError(), Kind.BUG),
        (ModuleNotFoundError(), Kind.BUG),
        (KeyError("price"), Kind.UNKNOWN),  # perhaps of an answer that was cut off
        (ET.ParseError("unclosed token"), Kind.UNKNOWN),  # which is a SyntaxError, as lxml's is
        (IndentationError(), Kind.BUG),
    ],
)
def test_what_files_and_databases_say(error, kind):
    """A request that is wrong by the rules of its target is not repeated, and says nothing of its health."""
    assert kind is classify(error)


@pytest.mark.parametrize(("error", "calls"), [(of(opened, "/no/such/file"), 1), (of(duplicate), 1)])
def test_wrong_requests_do_not_shut_a_healthy_target(error, calls):
    """Ten users who take names that are taken do not keep the eleventh from the database."""
    asked = []

    @ub.protect("target", effects="none")
    def ask(name):
        asked.append(name)
        if name == "taken":
            raise error
        return name

    for _ in range(10):
        ask.outcome("taken")

    assert 10 * calls == len(asked)
    assert "free" == ask("free")


def test_who_names_it_has_it_repeated():
    """One who waits for a file knows that it comes."""
    asked = []

    @ub.protect("target", effects="none", retry=ub.Retry(3, on=FileNotFoundError, backoff=ub.Backoff(0.0)))
    def ask():
        asked.append(1)
        opened("/no/such/file")

    ask.outcome()

    assert 3 == len(asked)


def test_xml_that_was_cut_off_is_asked_for_again():
    """Its parser raises a kind of SyntaxError, which was taken for a mistake of the program; that of JSON never was."""
    answers = ["<fares><fare>120</fa", "<html><p>a proxy's words", "<fares>120</fares>"]

    @ub.protect("partner", effects="none")
    def ask():
        return ET.fromstring(answers.pop(0)).text  # noqa: S314 - our own words

    with virtual_time():
        outcome = ask.outcome()

    assert (ub.Status.HEALED, "120", 3) == (outcome.status, outcome.value, outcome.attempts)
