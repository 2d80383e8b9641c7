"""A program's own task factory may begin tasks at once, as the eager one of Python 3.12 does."""

from __future__ import annotations

import asyncio
import sys

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def refuses(loop, coroutine, **_):
    """Stand for a factory that begins tasks before anybody knows of them: none is to come here."""
    coroutine.close()
    raise AssertionError


@pytest.mark.parametrize(
    "factory",
    [
        refuses,
        pytest.param(
            getattr(asyncio, "eager_task_factory", None),
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has none"),
        ),
    ],
)
@pytest.mark.parametrize(
    "options",
    [{}, {"hedge": False}, {"timeout": ub.Timeout(0.5)}, {"hedge": ub.Hedge(0.2)}],
    ids=["learned", "a learned limit", "a limit", "copies"],
)
def test_calls_that_are_overtaken_are_answered(factory, options):
    """Of sixty calls one in five takes a minute: another attempt answers each of those."""
    begun = 0

    @ub.protect("partner", effects="none", **options)
    async def ask():
        nonlocal begun
        begun += 1
        await sleep(60.0 if begun > 60 and begun % 5 == 0 else 0.1)
        return "answer"

    async def story():
        asyncio.get_running_loop().set_task_factory(factory)
        answers = [await ask() for _ in range(120)]
        asyncio.get_running_loop().set_task_factory(None)
        return answers

    with virtual_time():
        assert ["answer"] * 120 == asyncio.run(story())
    assert begun > 120
