"""Loops that belong together, and what is told of them: never run, only read by type checkers."""

from __future__ import annotations

from typing import assert_type

import unbreakable as ub
from unbreakable.loops import GroupStatus, LoopGroup
from unbreakable.loops.events import GroupRestarted, IterationEnded, LoopRestarted, TicksEnded


async def work() -> None:
    """Be called now and then."""


def tell(ended: TicksEnded) -> None:
    """Take what is told."""
    assert_type(ended.epoch, str)
    assert_type((ended.first, ended.last), tuple[int, int])
    assert_type((ended.fate, ended.why), tuple[str, str])


def tell_of_one(ended: IterationEnded) -> None:
    """Take what is told."""
    assert_type((ended.number, ended.tick, ended.seconds), tuple[int, str | None, float])


def tell_of_loop(restarted: LoopRestarted) -> None:
    """Take what is told."""
    assert_type((restarted.group, restarted.by, restarted.why), tuple[str, str, str])


def tell_of_group(restarted: GroupRestarted) -> None:
    """Take what is told."""
    assert_type((restarted.by, restarted.why, restarted.loops), tuple[str, str, int])


def groups() -> None:
    """Make a group within another, and look at both."""
    engine = ub.QuantumLoopEngine()
    outer = engine.create_group("site", strategy="rest_for_one", max_restarts=3, max_seconds=10.0)
    inner = engine.create_group("feed", strategy="one_for_all", parent=outer)
    assert_type(inner, LoopGroup)
    loop = engine.create_loop(work, group=inner)
    loop.node.on(TicksEnded, tell)
    loop.node.on(IterationEnded, tell_of_one)
    loop.node.on(LoopRestarted, tell_of_loop)
    inner.on(GroupRestarted, tell_of_group)
    status = inner.get_status()
    assert_type(status, GroupStatus)
    assert_type(status.loops, tuple[str, ...])
    assert_type((status.restarts, status.recent_restarts, status.surviving), tuple[int, int, bool])
    assert_type(engine.get_status().groups, tuple[GroupStatus, ...])
    assert_type(outer.get_loops(), tuple[ub.QuantumLoop, ...])
    assert_type((loop.get_status().group, loop.get_status().restarts), tuple[str | None, int])
