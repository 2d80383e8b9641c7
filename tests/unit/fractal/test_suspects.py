"""A failure names who else is unwell, for its trouble may be theirs."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time

FREE = {"effects": "idempotent", "retry": False, "budget": False}


@pytest.fixture(autouse=True)
def clock():
    with virtual_time() as clock:
        yield clock


def down(*_):
    raise ConnectionResetError("gone")


def test_what_failed_inside_is_named():
    """A call whose dependency has failed says so, whatever it made of that."""
    inner = ub.FractalNode("database", down, **FREE)
    seen = []

    def page():
        outcome = inner.execute_sync()
        raise LookupError(f"no page: {outcome.status.value}")

    outer = ub.FractalNode("page", page, fallback=seen.append, **FREE)
    outcome = outer.execute_sync()

    assert [("database",)] == [failure.suspects for failure in seen]
    assert "LookupError: no page: failed; unwell at the same time: database" in outcome.explain()


def test_each_attempt_has_suspects_of_its_own():
    """What failed inside the first attempt is none of the second's."""
    inner, seen, calls = ub.FractalNode("database", down, **FREE), [], []

    def page():
        calls.append(1)
        if len(calls) == 1:
            inner.execute_sync()
        raise LookupError("no page")

    outer = ub.protect(**{**FREE, "retry": ub.Retry(2)})(page)
    outer.node.on(ub.events.Explained, lambda event: seen.append(event.text))
    with pytest.raises(LookupError):
        outer()

    assert 1 == seen[0].count("unwell at the same time: database")
    assert 2 == seen[0].count("LookupError: no page") - 1


def test_of_the_family_those_are_named_that_keep_failing():
    """Two failures in a row, or a circuit that rests, are a sign; one failure is none, and oneself is not named."""
    parent = ub.FractalNode("partner", **FREE)
    search, book, pay = (parent.create_child(name, **FREE) for name in ("search", "book", "pay"))
    for node, times in ((search, 2), (book, 1)):
        for _ in range(times):
            node.execute_sync(down)
    pay.breaker.force_open()
    explained = search.execute_sync(down).explain()
    search.execute_sync(lambda: 1)
    afterwards = book.execute_sync(down).explain()

    assert "ConnectionResetError: gone; unwell at the same time: pay" in explained
    assert "ConnectionResetError: gone; unwell at the same time: pay" in afterwards


def test_few_are_named():
    """In an outage of everything five are enough."""
    parent = ub.FractalNode("partner", **FREE)
    children = [parent.create_child(f"child {number}", **FREE) for number in range(200)]
    for child in children:
        child.breaker.force_open()
    seen = []
    ub.FractalNode("mine", down, parent=parent, fallback=seen.append, **FREE).execute_sync()

    assert [5] == [len(failure.suspects) for failure in seen]
