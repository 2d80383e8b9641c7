"""An attempt that the deadline of its call cut was not seen to end: a longer deadline may let it."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.observe.calls import read_trace
from unbreakable.replay import Changes, what_if
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

DEADLINE = 0.15
ONE = {"retry": False, "breaker": False, "timeout": False, "hedge": False}


def recorded(path, work, *nodes):
    """Record 200 calls of *work*, one after the other."""

    async def live():
        for _ in range(200):
            await asyncio.gather(work(), return_exceptions=True)

    with virtual_time(1), ub.record_trace(path, *nodes):
        asyncio.run(live())
    return path


async def hangs():
    """Take longer than anybody waits."""
    await ASYNCIO.sleep(9.0)


def tailed(dice):
    """Return an operation whose every tenth call takes some 0.3 s instead of 0.01 to 0.1 s."""

    async def work():
        await ASYNCIO.sleep(0.3 * dice.random() + 0.1 if dice.random() < 0.1 else dice.uniform(0.01, 0.1))

    return work


@pytest.mark.parametrize("options", [ONE, {}], ids=["nothing else", "defaults"])
def test_what_the_deadline_cut_is_recorded_as_cut(tmp_path, options):
    """It is seen for as long as it was let, as what a time limit of its own has cut."""
    work = ub.protect("n", effects="none", deadline=DEADLINE, **options)(hangs)
    attempts = [call.attempts[0] for call in read_trace(recorded(tmp_path / "calls", work, work)).calls[:5]]

    assert [(True, None)] * 5 == [(each.was_cut, each.failure) for each in attempts]
    assert [DEADLINE] * 5 == [pytest.approx(each.seconds) for each in attempts]


def test_the_deadline_of_a_call_further_in_is_that_targets_answer(tmp_path):
    """It cut what was further in; the attempt itself had time and failed."""
    inner = ub.protect("inner", effects="none", deadline=DEADLINE, **ONE)(hangs)

    async def ask():
        await inner()

    outer = ub.protect("outer", effects="none", deadline=30.0, **ONE)(ask)
    first = read_trace(recorded(tmp_path / "calls", outer, outer)).calls[0].attempts[0]

    assert (False, "timeout") == (first.was_cut, first.failure.kind)


def test_a_longer_deadline_may_let_end_what_was_cut(tmp_path):
    """How much of it does is not known: the interval spans all and nothing, and a note says why."""
    work = ub.protect("n", effects="none", deadline=DEADLINE, **ONE)(tailed(random.Random(1)))
    found = what_if(recorded(tmp_path / "calls", work, work), Changes(["deadline=1"]), replays=2)

    assert found.before.success.value == pytest.approx(found.recorded["success"])
    assert found.before.success.value < 0.95
    assert found.after.success.low < found.after.success.value < found.after.success.high == 1.0
    assert any("cut" in text for text in found.assumed)
