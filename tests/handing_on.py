"""How a layer hands on the trouble below it."""

from __future__ import annotations


class BookingFailed(Exception):
    """What a layer makes of the trouble below it."""


def as_it_is(error):
    raise error


def from_it(error):
    raise BookingFailed("wrapped") from error


def in_its_place(error):
    raise BookingFailed("in place")


def hiding_it(error):
    raise BookingFailed("hidden") from None
