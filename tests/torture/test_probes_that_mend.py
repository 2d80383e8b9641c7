"""A probe that fails mends what it can for the next one: nobody else is there to see whether that helps by now."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.fractal.signature import sign
from unbreakable.testing import virtual_time


@pytest.mark.parametrize("given_up", [False, True])
@pytest.mark.parametrize("wait", [0.0, 5.0])
def test_what_was_in_vain_during_an_outage_is_tried_by_each_probe(wait, given_up):
    """Waiting failed less often than to reconnect, which is what helps when the server is back."""
    broken, made = True, []

    def connect():
        nonlocal broken
        made.append(None)
        broken = False

    reconnect = ub.remedies.reconnect(connect)

    @ub.protect("database", effects="none", breaker=ub.CircuitBreaker(1, rest=30.0, wait=wait), remedies=[reconnect])
    def read():
        if broken:
            raise ConnectionResetError
        return 7

    with pytest.raises(ConnectionResetError) as caught:
        read.function()
    experience, signature = read.node.target.experience, sign(caught.value)
    for remedy, times in ((reconnect, 40), (None, 1)):
        for _ in range(times):
            experience.update(signature, remedy, worked=False)
    for _ in range(20 * given_up):
        experience.lost(signature, 0)

    ends = []
    with virtual_time(seed=1) as clock:
        for _ in range(3):
            ends.append(read.outcome().value)
            clock.advance(30.0)

    assert ([None, 7, 7], 1) == (ends, len(made))
