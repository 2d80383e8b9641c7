"""What may be done twice, and when nobody knows what was done: one word of an error, one flag of a failure at once."""

from __future__ import annotations

import pytest

from unbreakable.errors import ConfigurationError, Kind, NotSent, Rejected, VerificationFailed, WorkerLost
from unbreakable.outcome import Failure
from unbreakable.policies.effects import (
    checked,
    is_accident,
    is_cut,
    is_lost,
    is_unrepeatable,
    is_unsent,
    leaves_doubt,
    may_repeat,
    may_run_twice_at_once,
    never_left,
    tell_of_all,
)

LIBRARIES = (
    "aiohttp asyncpg boto3 botocore httpx httpx2 psycopg psycopg2 pydantic pydantic_core pymongo pymysql redis "
    "requests sqlalchemy unbreakable urllib3"
)
EFFECTS = ("none", "idempotent", "unknown", "once")


class Own(Exception):
    """A program's own error, by which it may say what it knows."""

    __module__ = "shop.orders"

    def __init__(self, **words):
        super().__init__("own")
        vars(self).update(words)


class Closed(NotSent):
    """An error on which nothing can be written."""

    @property
    def __dict__(self):
        raise TypeError("closed")


def saying(error, **words):
    """Return *error* with *words* of its own."""
    for name, value in words.items():
        setattr(error, name, value)
    return error


def of(name, module, **words):
    """Return an error of a type that *module* has, with *words* of its own."""
    return saying(type(name, (Exception,), {"__module__": module})("odd"), **words)


def came(error, cause, *, said=False, hidden=False):
    """Return *error* as if it had been raised while *cause* was handled."""
    if said:
        error.__cause__ = cause
    else:
        error.__context__ = cause
    error.__suppress_context__ = said or hidden
    return error


@pytest.mark.parametrize("word", EFFECTS)
def test_the_four_words_are_taken(word):
    """As they are."""
    assert word == checked(word)


@pytest.mark.parametrize("word", ["", "Once", None, 1])
def test_any_other_word_is_refused_with_the_four(word):
    """So that nobody has to look them up."""
    with pytest.raises(ConfigurationError) as caught:
        checked(word)

    assert str(caught.value) == (f"effects must be one of 'none', 'idempotent', 'unknown', 'once', not {word!r}")


def test_only_what_changes_nothing_more_may_run_twice_at_once():
    """A look, and what comes to the same however often it is done; so what is inside of them may be done again."""
    assert [True, True, False, False] == [may_run_twice_at_once(word) for word in EFFECTS]
    assert [False, False, True, True] == [is_unrepeatable(word, inside=True) for word in EFFECTS]
    assert [False, False, False, True] == [is_unrepeatable(word, inside=False) for word in EFFECTS]


@pytest.mark.parametrize(
    ("words", "cut"),
    [({}, True), ({"in_doubt": False}, False), ({"may_have_arrived": False}, False), ({"in_doubt": True}, True)],
)
def test_of_what_our_limit_ended_nobody_knows_unless_it_says_so(words, cut):
    """An error that a limit raised may still have looked."""
    assert cut is is_cut(Failure(Own(**words), cut=True))
    assert is_cut(Failure(Own(**words))) is False


@pytest.mark.parametrize(
    ("error", "unsent"),
    [
        (NotSent("no line"), True),
        (ConnectionRefusedError(), True),
        (ConnectionResetError(), False),
        (Own(), False),
        (Own(may_have_arrived=True), False),
    ],
)
def test_a_request_that_provably_never_left_is_known_by_its_error(error, unsent):
    """Ours, or one of which the network's own meaning is known."""
    assert unsent is is_unsent(error)


@pytest.mark.parametrize("words", [{"may_have_arrived": True}, {"in_doubt": True}])
def test_who_says_that_it_may_have_arrived_has_the_last_word(words):
    """Even NotSent, when an earlier attempt was lost."""
    assert is_unsent(saying(NotSent("no line"), **words)) is False


@pytest.mark.parametrize(
    ("flags", "left"), [({}, True), ({"cut": True}, False), ({"acted": True}, False), ({"doubtful": True}, False)]
)
def test_an_attempt_did_nothing_if_nothing_was_sent_and_nothing_was_done_inside(flags, left):
    """Each of them alone speaks against it."""
    assert left is never_left(Failure(NotSent("no line"), **flags))
    assert never_left(Failure(Own(), **flags)) is False


@pytest.mark.parametrize(
    ("status", "lost"), [(499, False), (500, True), (503, True), (408, True), (407, False), (409, False), (None, False)]
)
def test_an_answer_in_place_of_who_may_have_done_the_work_is_a_lost_one(status, lost):
    """A gateway's, from 500 up, and that the request took too long."""
    assert lost is is_lost(Own(status=status))


# ── whose word it is ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "accident"),
    [
        (KeyError("typo"), True),
        (of("Odd", "unbreakable.errors"), True),
        (of("Odd", "rediscovery"), False),
        (Own(), False),
        (Exception("said"), False),
        (ValueError("said"), False),
        (RuntimeError("said"), False),
        (UnicodeError("no saying, but one of its kind"), True),
        (VerificationFailed("a program's own word"), False),
        (VerificationFailed("not what was asked for", judged=True), True),
        (VerificationFailed("cannot be read", judged=False), True),
        (ExceptionGroup("two", [Own(), KeyError("typo")]), True),
        (ExceptionGroup("two", [Own(), ValueError("said")]), False),
    ],
)
def test_an_accident_is_told_from_what_a_program_says(error, accident):
    """Python's, ours and a library's say nothing of what was done; a program's own do, and so may three of Python's."""
    assert accident is is_accident(error)


@pytest.mark.parametrize("name", LIBRARIES.split())
def test_an_error_of_a_well_known_library_is_an_accident(name):
    """Whoever wrote the program has not meant anything by it."""
    assert is_accident(of("Odd", f"{name}.client")) is True


@pytest.mark.parametrize(
    ("words", "accident"),
    [
        ({"status": 399}, True),
        ({"status": 400}, False),
        ({"status": 499}, False),
        ({"status": 500}, True),
        ({"status": 404, "may_have_arrived": False}, True),
        ({"refused": True}, False),
        ({"refused": True, "may_have_arrived": False}, True),
    ],
)
def test_a_refusal_is_a_word_whoever_passes_it_on(words, accident):
    """Unless it was given to a look."""
    assert accident is is_accident(of("HTTPStatusError", "httpx", **words))


def test_a_member_of_a_group_that_knows_what_was_done_is_no_accident():
    """It has said so itself; the others are asked."""
    sure = saying(KeyError("typo"), in_doubt=False)

    assert is_accident(ExceptionGroup("one", [sure])) is False
    assert is_accident(ExceptionGroup("two", [sure, KeyError("typo")])) is True


def test_a_group_that_does_not_tell_its_members_has_none():
    """Somebody's own kind of group may raise when it is asked."""
    kind = type("Odd", (ExceptionGroup,), {"exceptions": property(lambda self: 1 / 0)})

    assert is_accident(kind("one", [KeyError("typo")])) is False


# ── whether nobody knows ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "flags", "doubt"),
    [
        (Own(), {}, False),
        (Own(), {"doubtful": True}, True),
        (Own(in_doubt=False), {"doubtful": True}, False),
        (Own(refused=True), {"doubtful": True}, True),
        (Own(in_doubt=True), {}, True),
        (Own(in_doubt=False), {"cut": True}, False),
        (Own(refused=True), {"cut": True}, False),
        (Own(refused=True, may_have_arrived=False), {"cut": True}, False),
        (Own(in_doubt="perhaps"), {}, False),
        (Own(), {"acted": True}, False),
        (KeyError("typo"), {}, False),
        (KeyError("typo"), {"acted": True}, True),
        (Own(status=503), {"acted": True}, True),
        (Own(status=503), {}, True),
        (Own(status=503, may_have_arrived=False), {}, False),
        (Own(status=503, may_have_arrived=False), {"acted": True}, True),
        (Own(status=404), {}, False),
        (Own(), {"cut": True}, True),
        (Own(may_have_arrived=False), {"cut": True}, False),
        (VerificationFailed("cannot be read", judged=False), {"kind": Kind.BUG}, True),
        (VerificationFailed("not what was asked for", judged=True), {"kind": Kind.BUG}, False),
        (Own(), {"kind": Kind.TIMEOUT}, True),
        (Own(), {"kind": Kind.UNREACHABLE}, True),
        (Own(), {"kind": Kind.BUG}, False),
        (NotSent("no line"), {"kind": Kind.UNREACHABLE}, False),
        (NotSent("no line"), {"kind": Kind.UNREACHABLE, "acted": True}, True),
        (ConnectionResetError(), {"kind": Kind.UNREACHABLE}, True),
        (ConnectionResetError(), {"kind": Kind.BUG}, False),
        (of("Odd", "httpx", refused=True, may_have_arrived=False), {"acted": True}, True),
        (of("Odd", "httpx", refused=True), {"acted": True}, False),
        (ConnectionRefusedError(), {"kind": Kind.UNREACHABLE}, False),
        (WorkerLost("gone"), {"kind": Kind.TRANSIENT}, True),
    ],
)
def test_a_doubt_is_left_where_nobody_can_know(error, flags, doubt):
    """An error's own word comes first, then what happened to the attempt, then what the error is."""
    assert doubt is leaves_doubt(Failure(error, **flags))


@pytest.mark.parametrize(
    ("error", "doubt"),
    [
        (came(Own(), Own(in_doubt=True)), True),
        (came(Own(), ConnectionResetError()), True),
        (came(Own(), ConnectionRefusedError()), False),
        (came(Own(), Own(status=503)), True),
        (came(Own(), Own(status=404)), False),
        (came(Own(), Own(may_have_arrived=True)), True),
        (came(Own(), NotSent("no line")), False),
        (came(Own(), ConnectionResetError(), said=True), True),
        (came(Own(), ConnectionResetError(), hidden=True), False),
        (came(Own(in_doubt=False), ConnectionResetError()), False),
        (came(Own(refused=True), ConnectionResetError()), False),
        (came(Own(may_have_arrived=False), ConnectionResetError()), False),
        (came(Own(), came(Own(), ConnectionResetError())), True),
        (came(Own(), came(Own(may_have_arrived=False), ConnectionResetError())), False),
        (came(Own(), came(Own(in_doubt=False), ConnectionResetError())), False),
        (came(Own(), came(Rejected("ours says what it means"), ConnectionResetError())), False),
        (came(Own(), ExceptionGroup("two", [Own(), ConnectionResetError()])), True),
        (came(Own(), ExceptionGroup("two", [Own(), ConnectionRefusedError()])), False),
        (came(came(Own(), Own(status=503)), Own(), said=True), False),
        (came(Own(), saying(ConnectionResetError(), in_doubt=False)), False),
        (came(Own(), Own(status=503, in_doubt=False)), False),
        (came(saying(Own(), __cause__=ConnectionResetError()), Own()), True),
    ],
)
def test_of_a_programs_own_error_what_it_came_from_is_asked(error, doubt):
    """As its traceback would tell it: what is hidden, or what somebody has made sure of, is not gone beyond."""
    assert doubt is leaves_doubt(Failure(error))


@pytest.mark.parametrize("kind", [Kind.INVALID, Kind.CREDENTIALS, Kind.THROTTLED, Kind.BUG])
@pytest.mark.parametrize(
    ("error", "doubt"),
    [
        (Own(), True),
        (KeyError("typo"), True),
        (Own(kind="invalid"), True),
        (Own(kind=Kind.INVALID), False),
        (Own(status=404), False),
        (Rejected("ours"), False),
        (OSError("the system's"), False),
        (TypeError("a wrong call"), False),
        (of("NetworkError", "httpx"), False),
    ],
)
def test_an_error_that_says_what_sort_it_is_is_believed_and_its_cause_not_asked(kind, error, doubt):
    """Of one that the rules of a target alone call so what it came from is asked."""
    assert doubt is leaves_doubt(Failure(came(error, ConnectionResetError()), kind))


@pytest.mark.parametrize(("between", "doubt"), [(19, True), (20, False)])
def test_a_long_chain_is_followed_as_far_as_is_sensible(between, doubt):
    """Twenty of them are asked."""
    error = ConnectionResetError()
    for _ in range(between):
        error = came(Own(), error)

    assert doubt is leaves_doubt(Failure(error))


def test_errors_that_came_from_each_other_are_asked_once():
    """An accident of which the interpreter takes care elsewhere."""
    one, other = Own(), Own()
    came(one, other)
    came(other, one)

    assert leaves_doubt(Failure(one)) is False


# ── what may be repeated ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("failure", "repeatable"),
    [
        (Failure(Own()), "none idempotent unknown"),
        (Failure(Own(), refused=True), ""),
        (Failure(Own(), unrepeatable=True), "none idempotent"),
        (Failure(Own(), cut=True), "none idempotent"),
        (Failure(Own(in_doubt=True)), "none idempotent"),
        (Failure(Own(in_doubt=False), cut=True), "none idempotent unknown"),
        (Failure(Own(refused=True)), "none idempotent unknown once"),
        (Failure(Own(refused=True), acted=True), "none idempotent unknown"),
        (Failure(NotSent("no line")), "none idempotent unknown once"),
        (Failure(NotSent("no line"), acted=True), "none idempotent unknown"),
        (Failure(NotSent("no line"), unrepeatable=True), "none idempotent"),
    ],
)
def test_what_may_be_run_again_depends_on_its_effects(failure, repeatable):
    """None and idempotent always, unknown unless nobody knows, and once only what was provably not done."""
    assert repeatable.split() == [word for word in EFFECTS if may_repeat(word, failure)]


@pytest.mark.parametrize(
    ("error", "effects", "doubtful", "word"),
    [
        (NotSent("no line"), "unknown", True, True),  # an earlier attempt was lost
        (NotSent("no line"), "unknown", False, None),
        (ConnectionResetError(), "unknown", True, None),
        (ConnectionResetError(), "unknown", False, False),  # the attempts have done nothing that is not known
        (Own(status=404), "none", True, False),
        (Own(status=404), "none", False, False),
        (Own(status=404), "unknown", False, None),
        (Own(refused=True), "none", False, False),
        (Own(), "none", False, None),
    ],
)
def test_the_last_error_says_what_is_known_of_all_attempts(error, effects, doubtful, word):
    """Whoever is told of it knows of the last attempt alone."""
    failure = Failure(error, Kind.UNREACHABLE if isinstance(error, OSError) else Kind.UNKNOWN)
    tell_of_all(failure, effects, doubtful=doubtful)

    assert word is getattr(error, "may_have_arrived", None)


def test_the_members_of_a_group_say_it_too():
    """Somebody may catch them one by one; an error that holds nothing is left alone."""
    member = NotSent("no line")
    tell_of_all(Failure(ExceptionGroup("two", [Closed(), member])), "unknown", doubtful=True)

    assert member.may_have_arrived is True
