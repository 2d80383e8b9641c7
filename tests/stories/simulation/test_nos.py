"""Answers such as a 404 are no failures: where they are usual, a target does not seem to fail more than it does."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation.model import Model
from unbreakable.testing import virtual_time

CALLS, RESETS = 800, 0.05


class NotFound(Exception):
    """Say that there is no such item, as HTTP does."""

    http_status = 404


class Declined(Exception):
    """Say what ``Retry.on`` leaves out."""


@pytest.mark.parametrize(
    ("nos", "no", "options"),
    [(0.5, NotFound, {}), (0.9, NotFound, {}), (0.9, Declined, {"retry": ub.Retry(on=ConnectionError)})],
    ids=["half", "most", "left out"],
)
def test_a_target_that_says_no_fails_as_often_as_it_does(nos, no, options):
    """One attempt in twenty is reset, at any time; repeats help, and the calls come out as predicted."""
    dice = random.Random(7)

    @ub.protect("names", effects="none", **options)
    async def look():
        await ASYNCIO.sleep(dice.uniform(0.09, 0.11))
        if dice.random() < RESETS:
            raise ConnectionResetError
        if dice.random() < nos:
            raise no
        return 1

    async def run():
        for _ in range(CALLS):
            await look.outcome()
            await ASYNCIO.sleep(0.9)

    with virtual_time():
        asyncio.run(run())
    traffic, told = look.node.target.traffic, look.node.chooser.ledger.calibration()["names"]
    model = Model(traffic)

    assert 0.02 < model.fails < 0.085
    assert 0.0 == model.trouble.share  # no spells
    assert 0.4 > model.stubborn
    assert nos - 0.1 < traffic.answered / (traffic.answered + traffic.ok.count) < nos + 0.1
    assert CALLS / 2 < told.n
    assert 0.97 < told.predicted
    assert 0.97 < told.observed
