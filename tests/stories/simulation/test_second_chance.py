"""Who cannot pay for a copy when it is due asks again when half of the deadline is over, from all that was saved."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
QUICK, LATE, HANG, DEADLINE, LEARNED = 0.02, 0.2, 1000.0, 0.4, 2_000
SMALL, SAVED = 10, 100  # tokens: of the purse for copies, and of the budget


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time(seed=1):
        yield


def story(crowd, again):
    """Return how many of a *crowd* are saved whose first requests all hang, how many requests are made, and the node.

    Before that one answer in twenty was late, so that the plan has copies; now these take *again* seconds.
    """
    dice, asked = random.Random(2), set()

    @ub.protect("target", effects="none", deadline=DEADLINE)
    async def work(number):
        made.append(number)
        if number < LEARNED:
            await sleep(LATE if dice.random() < 0.05 else dice.uniform(QUICK, 2 * QUICK))
        else:
            is_copy, _ = number in asked, asked.add(number)
            await sleep(again if is_copy else HANG)

    async def play():
        for number in range(LEARNED):
            await work.outcome(number)
        assert work.node.get_status().plan["hedge"] < DEADLINE / 4
        made.clear()
        return await asyncio.gather(*[work.outcome(LEARNED + number) for number in range(crowd)])

    made = []
    outcomes = asyncio.run(play())
    return sum(outcome.ok for outcome in outcomes), len(made), work.node


def test_all_are_saved_for_whom_there_are_savings():
    """Ten copies are sent when they are due, and for the others there is time when half of the deadline is over."""
    saved, requests, _ = story(6 * SMALL, QUICK)

    assert 6 * SMALL == saved
    assert 12 * SMALL == requests


@pytest.mark.parametrize("again", [QUICK, HANG])
def test_a_crowd_sends_no_more_than_was_saved(again):
    """Where everybody is late, by a queue for example, copies are bounded all the same; half of the start is left."""
    _, requests, node = story(5 * SAVED, again)

    assert requests - 5 * SAVED <= SAVED + 0.2 * 5 * SAVED
    assert node.budget.tokens >= 4.0


def test_races_at_the_last_minute_are_not_learned_from():
    """Copies that were late by our own fault do not tell how those do that are sent when they are due."""
    sent = story(6 * SMALL, QUICK)[2].target.sent

    assert len(sent) >= SMALL
    assert max(sent) < DEADLINE / 2
