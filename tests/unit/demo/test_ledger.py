"""A partner's books: an effect and the key it was asked with are one thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from unbreakable.demo.ledger import Ledger, Record


@pytest.fixture
def ledger():
    books = Ledger(Path(":memory:"))
    yield books
    books.close()


def charge(ledger, booking="b-1"):
    record = ledger.add(booking, "charged", 120)
    return 201, {"id": record.id}


def test_the_same_key_gets_the_stored_answer(ledger):
    """A second request with one key has no second effect and the first one's answer."""
    answers = [ledger.once("key", lambda: charge(ledger)) for _ in range(3)]

    assert [(201, {"id": 1})] * 3 == answers
    assert 1 == ledger.record_count()


def test_no_key_no_memory(ledger):
    """Without a key each request has its effect: this is how customers are charged twice."""
    answers = [ledger.once(None, lambda: charge(ledger)) for _ in range(2)]

    assert [(201, {"id": 1}), (201, {"id": 2})] == answers
    assert {"b-1": 2} == ledger.standing("charged")


def test_a_failed_effect_leaves_nothing(ledger):
    """What fails in the middle of a transaction has written neither effect nor key."""

    def break_down():
        charge(ledger)
        raise RuntimeError("power gone")

    with pytest.raises(RuntimeError):
        ledger.once("key", break_down)

    assert 0 == ledger.record_count()
    assert (201, {"id": 1}) == ledger.once("key", lambda: charge(ledger))


def test_a_refusal_is_not_stored(ledger):
    """A key that was refused may be used again when the reason is gone."""
    assert (404, {}) == ledger.once("key", lambda: (404, {}))
    assert (201, {"id": 1}) == ledger.once("key", lambda: charge(ledger))


def test_visits_are_counted_for_each_service_booking_and_route(ledger):
    """The n-th request of its kind is told that it is the n-th."""
    kinds = ["hotels b-1 a", "hotels b-1 a", "hotels b-2 a", "hotels b-1 b", "flights b-1 a", "hotels b-1 a"]

    assert [1, 2, 1, 1, 1, 3] == [ledger.visit(*kind.split()) for kind in kinds]
    assert 6 == sum(n for _, _, _, n in ledger.visits())


def test_a_record_changes_its_state(ledger):
    """A refunded charge does not stand any more, and is still in the books."""
    charge(ledger)
    ledger.change(1, "refunded")

    assert Record(id=1, booking="b-1", state="refunded", amount=120) == ledger.find(1)
    assert {} == ledger.standing("charged")
    assert None is ledger.find(2)


def test_books_are_there_after_closing(tmp_path):
    """Another process finds what was written, keys included."""
    first = Ledger(tmp_path / "books.db")
    first.once("key", lambda: charge(first))
    first.close()
    second = Ledger(tmp_path / "books.db")

    assert (201, {"id": 1}) == second.once("key", lambda: charge(second))
    assert 1 == second.record_count()
    second.close()
