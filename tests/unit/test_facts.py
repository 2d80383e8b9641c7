"""What is read from somebody else's exception, and when there is nothing to read."""

from __future__ import annotations

import subprocess

import pytest

from unbreakable.errors import FACTS, Kind, says_nothing
from unbreakable.fractal.signature import classify, retry_after
from unbreakable.policies.network import http_status


class Silent(Exception):
    """Tell nothing."""


class Asked(Exception):
    """Tell whatever one asks for."""

    def __getattr__(self, name: str) -> object:
        return 503 if name == "status_code" else None


class Odd(Exception):
    """Have no dictionary that one could look into."""

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        raise RuntimeError("no")


@pytest.mark.parametrize("error", [Silent(), ValueError("x"), ConnectionError(), OSError(5, "x"), KeyError(1)])
def test_most_exceptions_say_nothing(error: Exception) -> None:
    """An exception without facts of its own or of its class is known by its type."""
    assert says_nothing(error)


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_that_is_set_on_an_exception_is_seen(name: str) -> None:
    """Whatever is set on one exception is read, though others of its type say nothing."""
    error = Silent()
    assert says_nothing(error)
    setattr(error, name, 1)
    assert not says_nothing(error)


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_of_the_class_is_seen(name: str) -> None:
    """What a class says, all of its exceptions say."""
    assert not says_nothing(type("Told", (Silent,), {name: 1})())


def test_who_answers_when_asked_is_asked() -> None:
    """An exception that makes up its attributes, or has no dictionary to look into, is asked for each."""
    assert not says_nothing(Asked())
    assert http_status(Asked()) == 503
    assert not says_nothing(Odd())
    assert not says_nothing(ExceptionGroup("two", [ValueError(), KeyError()]))
    assert not says_nothing(subprocess.CalledProcessError(1, "x"))


def test_notes_are_no_facts() -> None:
    """An exception that was told before, with a note, still says nothing."""
    error = Silent()
    error.add_note("unbreakable: it failed")
    assert says_nothing(error)


def test_facts_decide_after_a_silent_one_of_the_same_type() -> None:
    """That one exception of a type was silent does not make the next one so."""
    assert classify(Silent()) is Kind.UNKNOWN
    loud = Silent()
    vars(loud).update(http_status=429, retry_after=3)
    assert classify(loud) is Kind.THROTTLED
    assert retry_after(loud) == 3.0
