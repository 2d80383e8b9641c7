"""What each partner offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from unbreakable.demo.ledger import Ledger
from unbreakable.demo.offers import FLIGHTS, HOTELS, OFFERS, PAYMENTS, Order


@pytest.fixture
def ledger():
    books = Ledger(Path(":memory:"))
    yield books
    books.close()


def ask(ledger, offer, method, path, booking="b-1"):
    for route in offer.routes:
        identity = route.match(method, path)
        if identity is not None:
            return route.effect(ledger, Order(booking=booking, identity=identity, city="CAI", amount=120))
    return None


def test_a_path_with_a_number_is_matched_by_its_parts():
    """A route takes the number out of the path, and leaves other routes' requests alone."""
    confirm = HOTELS.routes[1]

    assert "POST /holds/{id}/confirm" == confirm.name
    assert 17 == confirm.match("POST", "/holds/17/confirm")
    assert [None] * 3 == [
        confirm.match(*request.split())
        for request in ("DELETE /holds/17/confirm", "POST /holds/x/confirm", "POST /holds/17")
    ]


def test_a_city_has_flights(ledger):
    """A search has the same answer each time and writes nothing."""
    status, body = ask(ledger, FLIGHTS, "GET", "/search")

    assert (200, "CAI") == (status, body["flights"][0]["city"])
    assert 0 == ledger.record_count()


@pytest.mark.parametrize(
    ("offer", "make", "undo"),
    [
        (FLIGHTS, "POST /tickets", "DELETE /tickets/1"),
        (HOTELS, "POST /holds", "DELETE /holds/1"),
        (PAYMENTS, "POST /charges", "POST /charges/1/refund"),
    ],
)
def test_what_is_undone_stands_no_more(ledger, offer, make, undo):
    """A thing stands from when it was made to when it was undone, and undoing it twice changes nothing."""
    assert 201 == ask(ledger, offer, *make.split())[0]
    assert {"b-1": 1} == ledger.standing(*offer.standing)
    assert [200, 200] == [ask(ledger, offer, *undo.split())[0] for _ in range(2)]
    assert {} == ledger.standing(*offer.standing)


def test_a_released_hold_cannot_be_confirmed(ledger):
    """What was undone stays undone."""
    ask(ledger, HOTELS, "POST", "/holds")
    ask(ledger, HOTELS, "DELETE", "/holds/1")

    assert 409 == ask(ledger, HOTELS, "POST", "/holds/1/confirm")[0]


def test_nobody_can_undo_what_is_not_there(ledger):
    """A number that was never given is not found."""
    assert 404 == ask(ledger, PAYMENTS, "POST", "/charges/9/refund")[0]


@pytest.mark.parametrize("name", sorted(OFFERS))
def test_what_is_final_stands(name):
    """A settled booking counts among the standing ones."""
    assert OFFERS[name].final in OFFERS[name].standing
