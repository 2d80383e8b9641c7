"""Learned time limits find their way back when the target is no longer what it was."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.fractal.target import COLD
from unbreakable.testing import virtual_time


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


def node_that_learned(seconds: float, **options) -> ub.FractalNode:
    """Return a node with a plan made from calls that took so long."""
    node = ub.FractalNode("n", effects="none", breaker=False, budget=False, **options)
    ended = calls(node, seconds, 2 * COLD)
    assert [ub.Status.OK] * 2 * COLD == ended
    return node


def calls(node: ub.FractalNode, seconds: float, times: int) -> list[ub.Status]:
    async def work() -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 - virtual

    async def main() -> list[ub.Status]:
        ended = []
        for _ in range(times):
            ended.append((await node.execute(work)).status)
            await asyncio.sleep(0.001)  # noqa: TID251 - virtual
        return ended

    return asyncio.run(main())


def test_a_target_that_became_slower_than_its_limit_is_learned_anew():
    """A limit that cuts everything teaches nothing: it is stretched until answers come again."""
    node = node_that_learned(0.1)
    assert 0.5 == node.get_status().plan["timeout"]

    later = calls(node, 4.0, 100)

    assert ub.Status.FAILED == later[0]
    assert {ub.Status.OK} == set(later[50:])
    limit = node.get_status().plan["timeout"]
    assert limit is None or limit > 4.0


def test_a_pinned_limit_is_never_stretched():
    """What the user pinned stays, whatever it cuts."""
    node = node_that_learned(0.1, timeout=ub.Timeout(0.5))

    assert {ub.Status.FAILED} == set(calls(node, 4.0, 60))
    assert 0.5 == node.get_status().plan["timeout"]


def test_hangs_now_and_then_stretch_nothing():
    """One attempt in ten that hangs is cut as before."""
    node = node_that_learned(0.1)
    for _ in range(40):
        calls(node, 100.0, 1)
        calls(node, 0.1, 10)

    assert 0.5 == node.get_status().plan["timeout"]
