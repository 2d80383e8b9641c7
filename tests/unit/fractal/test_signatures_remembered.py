"""What was signed before is known again, and never taken for other trouble."""

from __future__ import annotations

import errno
import gc
import weakref

import pytest
from tests.unit.fractal.test_signature import from_another, raised

from unbreakable.errors import Kind
from unbreakable.fractal import signature
from unbreakable.fractal.signature import MOST_SIGNED, _signature_of, classify, sign


class Coded(Exception):
    code = property(lambda self: self.args[0])

    def __str__(self):
        return "refused"


class Told(Exception):
    pass


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("do not ask")


def telling(status):
    """Return an error of a type that says nothing, of which this one says its status."""
    error = Told("no")
    error.status_code = status
    return error


def here(error):
    raise error


def there(error):
    raise error


def deep(error, floors):
    return deep(error, floors - 1) if floors else here(error)


ERRORS = {
    "as it is": lambda: ConnectionResetError("the partner hung up"),
    "another type": lambda: ConnectionAbortedError("the partner hung up"),
    "other words": lambda: ConnectionResetError("the partner went away"),
    "a number": lambda: OSError(errno.EIO, "gone"),
    "another number": lambda: OSError(errno.ENOSPC, "gone"),
    "a number in words": lambda: OSError("104", "gone"),
    "a code": lambda: Coded("a"),
    "another code": lambda: Coded("b"),
    "a status": lambda: telling(500),
    "another status": lambda: telling(404),
    "from another": lambda: from_another(Told("no"), KeyError()),
    "from one of another type": lambda: from_another(Told("no"), ValueError()),
    "from none": lambda: Told("no"),
    "without words": Mute,
    "too long to be remembered": lambda: Told("word " * 100),
}


def test_what_was_signed_before_is_signed_the_same_again():
    """Whatever an error says, and wherever it came up, its signature is the same the second time, and nobody else's."""
    ways = [(here,), (there,), (deep, 3), (deep, 60)]
    errors = [raised(way, make(), *more) for _ in range(2) for make in ERRORS.values() for way, *more in ways]
    signatures = [sign(error) for error in errors]

    assert [_signature_of(error) for error in errors] == signatures
    assert len(set(signatures)) == len(ERRORS) * 2, "deep and here have one place"


def test_messages_that_differ_in_numbers_are_one():
    """An id in a message makes no other entry, as it makes no other signature."""
    signature._signed.clear()
    signatures = {sign(raised(here, Told(f"order {number} is gone"))) for number in range(1, 100)}

    assert (1, 1) == (len(signatures), len(signature._signed))


def test_only_the_latest_are_remembered():
    """A flood of trouble that never comes twice takes no more room than its limit."""
    for number in range(5 * MOST_SIGNED):
        sign(Told("word" + "y" * (number % 50) + "x" * (number // 50)))

    assert len(signature._signed) <= MOST_SIGNED


def test_code_that_is_gone_is_not_taken_for_new_code_in_its_place():
    """What an error came through is kept as long as it is known by it, so that nothing takes its place in memory."""
    signature._signed.clear()
    made: dict = {"__name__": "tests.made"}
    exec("def called(): raise ValueError('no')", made)  # noqa: S102
    gone = weakref.ref(made["called"].__code__)
    sign(raised(made.pop("called")))
    gc.collect()

    assert gone() is not None
    signature._signed.clear()
    assert gone() is None


@pytest.mark.parametrize(
    ("one", "other", "kinds"),
    [
        (OSError(), OSError(errno.ENETUNREACH, "away"), (Kind.TRANSIENT, Kind.UNREACHABLE)),
        (Told(), telling(429), (Kind.UNKNOWN, Kind.THROTTLED)),
        (PermissionError(), PermissionError(errno.ENETDOWN, "away"), (Kind.CREDENTIALS, Kind.UNREACHABLE)),
    ],
)
def test_what_an_error_says_of_itself_counts_for_no_other_of_its_type(one, other, kinds):
    """That most of a type are of one sort says nothing of one that has a number, or tells more."""
    assert kinds == (classify(one), classify(other))
    assert kinds == (classify(one), classify(other))
