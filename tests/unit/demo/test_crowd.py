"""A machine of our own is not slowed down, a busy one within reason."""

import asyncio

import pytest

from unbreakable.demo.crowd import MOST, slowdown, within_reason


@pytest.mark.parametrize(("waited", "slower"), [(0.99, 1.0), (1.2, 1.0), (2.0, 3.0), (9.0, MOST)])
def test_customers_come_slower_within_reason(waited, slower):
    """As many times slower as processor time takes longer to get, but for noise, and up to a limit."""
    assert slower == within_reason(waited)


@pytest.mark.real
def test_looking_tells_a_number():
    """Real processes are asked to compute; how long they take on this machine is anybody's guess."""
    assert 1.0 <= asyncio.run(slowdown()) <= MOST
