"""On a fast machine of our own nobody is slowed down, on a slow or busy one within reason."""

import asyncio

import pytest

from unbreakable.demo.crowd import MOST, Pace, slowdown, slower, within_reason


@pytest.mark.parametrize(
    ("used", "took", "times"),
    [
        (0.4, 0.4, 1.0),  # the machine for which the arrivals were chosen
        (0.2, 0.2, 1.0),  # a faster one
        (0.45, 0.47, 1.0),  # hardly slower
        (0.8, 0.82, 2.0),  # a slow one
        (0.4, 0.8, 3.0),  # one that half belongs to others
        (0.8, 1.6, 6.0),  # both
        (2.0, 9.0, MOST),
    ],
)
def test_customers_come_slower_within_reason(used, took, times):
    """As many times slower as the processor is, and more where others use it, but for noise, and up to a limit."""
    assert within_reason(slower(Pace(used, took))) == pytest.approx(times)


@pytest.mark.real
def test_looking_tells_a_number():
    """Real processes are asked to compute; how long they take on this machine is anybody's guess."""
    assert 1.0 <= asyncio.run(slowdown()) <= MOST
