"""How important a call is goes with the context of the code."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.policies.priority import _open, importance, rank
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


def test_the_innermost_block_counts_and_ends():
    """Blocks nest; after each, what was before holds again, also when it was left by an error."""
    seen = [importance()]
    with ub.priority("low"):
        seen.append(importance())
        with contextlib.suppress(OSError), ub.priority("critical"):
            seen.append(importance())
            raise OSError
        seen.append(importance())

    assert ["normal", "low", "critical", "low"] == seen
    assert "normal" == importance()


def test_a_function_can_be_decorated():
    """The block form is a decorator as well."""

    @ub.priority("high")
    def work():
        return importance()

    assert ("high", "normal") == (work(), importance())


def test_an_async_function_can_be_decorated():
    """The block is around what it does, and not around the making of its coroutine; calls at once do not mix."""

    @ub.priority("high")
    async def work(seconds):
        await ASYNCIO.sleep(seconds)
        return importance()

    async def story():
        return [*await asyncio.gather(work(0.002), work(0.0)), importance()]

    assert ["high", "high", "normal"] == asyncio.run(story())
    assert "work" == work.__name__


def test_one_block_serves_tasks_at_the_same_time():
    """Each ends its own: what was before holds again in both, whichever ends first."""
    low = ub.priority("low")

    async def work(begins, takes):
        await ASYNCIO.sleep(begins)
        with low:
            await ASYNCIO.sleep(takes)
        return importance()

    async def story():
        return await asyncio.gather(work(0.0, 2.0), work(1.0, 2.0))

    with virtual_time():
        assert ["normal", "normal"] == asyncio.run(story())


def left_open(number):
    """Enter and leave the same block elsewhere, that number of times; return how many are known here."""
    block = ub.priority("low")
    for _ in range(number):
        block.__enter__()
        contextvars.copy_context().run(block.__exit__)
    return len(_open.get())


def test_blocks_that_are_left_elsewhere_are_forgotten_here():
    """As those of generators that another thread ends: there they say nothing, and here they do not add up."""
    assert contextvars.copy_context().run(left_open, 300) <= 101


@pytest.mark.parametrize(("others", "after"), [(100, "normal"), (101, "low")])
def test_a_block_outside_too_many_that_are_open_is_forgotten(others, after):
    """A hundred are remembered, and the one that is entered."""

    def story():
        outermost = ub.priority("high")
        outermost.__enter__()
        left_open(others)
        outermost.__exit__()
        return importance()

    assert after == contextvars.copy_context().run(story)


def test_who_looks_at_the_variables_of_a_context_sees_whose_they_are():
    """They are those of the caller's own program, too."""
    with ub.priority("low"):
        names = {variable.name for variable in contextvars.copy_context()}

    assert {"unbreakable_priority", "unbreakable_open_blocks"} <= names


def test_a_block_can_be_entered_again_inside_itself():
    """One object serves many blocks."""
    block = ub.priority("low")
    with block:
        with block:
            inside = importance()
        still = importance()

    assert ("low", "low", "normal") == (inside, still, importance())


def test_the_lower_the_rank_the_more_important():
    """Normal is 0, so that what nobody speaks of costs nothing."""
    ranks = []
    for name in ("critical", "high", "normal", "low"):
        with ub.priority(name):
            ranks.append(rank())

    assert [-2, -1, 0, 1] == ranks


def test_it_goes_into_tasks_and_threads():
    """Tasks and asyncio's threads copy the context; a protected call inside knows it."""

    @ub.protect("inner")
    async def inner():
        return importance()

    async def story():
        with ub.priority("low"):
            task = asyncio.create_task(inner())
            in_a_thread = await asyncio.to_thread(importance)
        return await task, in_a_thread, await inner()

    assert ("low", "low", "normal") == asyncio.run(story())


def test_it_goes_into_the_threads_of_a_time_limit():
    """A plain function whose attempts can be left behind runs in a thread of ours."""

    @ub.protect("inner", timeout=ub.Timeout(5.0))
    def inner():
        return importance()

    with ub.priority("high"):
        assert "high" == inner()


@pytest.mark.parametrize("name", ["urgent", "", None, 3])
def test_another_word_is_refused(name):
    """The message says which there are."""
    with (
        pytest.raises(ConfigurationError, match="priority must be one of critical, high, normal, low"),
        ub.priority(name),
    ):
        pass


def test_a_decorated_function_gets_what_it_is_called_with():
    """By place and by name, in either colour."""

    @ub.priority("high")
    def work(*args, **kwargs):
        return args, kwargs

    @ub.priority("high")
    async def work_async(*args, **kwargs):
        return args, kwargs

    assert ((1,), {"two": 2}) == work(1, two=2) == asyncio.run(work_async(1, two=2))


def test_a_block_in_a_generator_may_be_closed_elsewhere():
    """The collector closes it in whatever context it runs, where there is nothing to go back to."""

    def items():
        with ub.priority("low"):
            yield 1

    here = items()
    contextvars.Context().run(next, here)
    here.close()

    assert "normal" == importance()


def test_another_word_is_named_in_the_refusal():
    """With those that there are."""
    with pytest.raises(ConfigurationError, match=r"one of critical, high, normal, low.*, not 'urgent'"):
        ub.priority("urgent")
