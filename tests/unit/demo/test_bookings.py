"""Customers come at their own times."""

from __future__ import annotations

import pytest

from unbreakable.demo.bookings import ARRIVALS_PER_SECOND, CITIES, timetable


def test_the_timetable_belongs_to_the_seed():
    """The same seed brings the same customers, another seed others."""
    assert timetable(1, 50) == timetable(1, 50)
    assert timetable(1, 50) != timetable(2, 50)


def test_fewer_bookings_are_the_beginning_of_more():
    """How many are asked for does not change who comes first."""
    assert timetable(1, 50) == timetable(1, 80)[:50]


def test_arrivals_are_in_order_and_at_the_announced_rate():
    """A thousand customers come in as many seconds as the rate says, each with an id of their own."""
    bookings = timetable(4, 1000)

    assert [booking.due for booking in bookings] == sorted(booking.due for booking in bookings)
    assert 1000 / ARRIVALS_PER_SECOND == pytest.approx(bookings[-1].due, rel=0.12)
    assert 1000 == len({booking.id for booking in bookings})
    assert set(CITIES) == {booking.city for booking in bookings}


def test_a_busy_machine_gets_its_customers_slower():
    """The same customers come in the same order, further apart."""
    usual, slower = timetable(1, 50), timetable(1, 50, 2.0)

    assert [one.id for one in usual] == [one.id for one in slower]
    assert [one.due * 2 for one in usual] == pytest.approx([one.due for one in slower])
