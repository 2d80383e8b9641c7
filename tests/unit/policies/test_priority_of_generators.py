"""A generator is as important as it was declared in each of its steps, and its consumer is not."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import sys
import weakref

import pytest

import unbreakable as ub
from unbreakable.policies.priority import importance
from unbreakable.runtime import ASYNCIO


@ub.priority("critical")
def echo(first):
    """Hand on what it is sent, with how important it is; what is thrown in, too; return the last of it."""
    given = first
    while given != "end":
        try:
            given = yield given, importance()
        except LookupError as thrown:
            given = type(thrown).__name__
    return importance()


@ub.priority("critical")
async def echo_async(first):
    """Do the same on an event loop."""
    given = first
    while given != "end":
        await ASYNCIO.sleep(0)
        try:
            given = yield given, importance()
        except LookupError as thrown:
            given = type(thrown).__name__


def test_each_step_of_a_generator_is_in_the_block():
    """What is sent, thrown and returned goes through; between the steps its consumer is as important as before."""
    items, seen = echo("first"), []
    with ub.priority("low"):
        for step in (lambda: next(items), lambda: items.send("sent"), lambda: items.throw(KeyError)):
            seen += [step(), importance()]
        with pytest.raises(StopIteration) as end:
            items.send("end")

    assert [("first", "critical"), "low", ("sent", "critical"), "low", ("KeyError", "critical"), "low"] == seen
    assert ("critical", "normal") == (end.value.value, importance())


def test_each_step_of_an_async_generator_is_in_the_block():
    """As in sync code, across what it waits for."""

    async def story():
        items, seen = echo_async("first"), []
        for step in (lambda: anext(items), lambda: items.asend("sent"), lambda: items.athrow(KeyError)):
            seen += [await step(), importance()]
        with pytest.raises(StopAsyncIteration):
            await items.asend("end")
        return [*seen, importance()]

    critical = [(given, "critical") for given in ("first", "sent", "KeyError")]
    assert [critical[0], "normal", critical[1], "normal", critical[2], "normal", "normal"] == asyncio.run(story())


def test_a_block_in_the_body_of_an_async_one_holds_over_its_steps():
    """As in sync code."""

    @ub.priority("high")
    async def items():
        with ub.priority("low"):
            yield importance()
            yield importance()
        yield importance()

    async def story():
        return [(item, importance()) async for item in items()]

    assert [("low", "normal"), ("low", "normal"), ("high", "normal")] == asyncio.run(story())


def test_frameworks_see_what_they_are():
    """So does ``ub.protect``, in either order; the name stays."""
    assert inspect.isgeneratorfunction(echo)
    assert inspect.isasyncgenfunction(echo_async)
    assert ("echo", "echo_async") == (echo.__name__, echo_async.__name__)
    within = ub.protect("within", retry=False)(echo)
    around = ub.priority("critical")(ub.protect("around", retry=False)(lambda: (yield importance())))
    assert [("first", "critical"), "critical"] == [next(within("first")), next(around())]


def test_what_can_be_called_may_be_a_generator():
    """An object whose ``__call__`` is one, of either colour."""

    class Items:
        def __call__(self):
            yield importance()

    class Later:
        async def __call__(self):
            yield importance()

    async def story():
        return [each async for each in ub.priority("high")(Later())()]

    assert (["high"], ["high"]) == (list(ub.priority("high")(Items())()), asyncio.run(story()))


def test_a_block_in_the_body_holds_over_its_steps():
    """The innermost block counts, also after an item was handed on, and ends where it is written."""

    @ub.priority("high")
    def items():
        with ub.priority("low"):
            yield importance()
            yield importance()
        yield importance()

    seen = []
    for item in items():
        seen += [item, importance()]

    assert ["low", "normal", "low", "normal", "high", "normal"] == seen


@pytest.mark.parametrize("how", ["close", "drop", "elsewhere"])
def test_who_has_enough_closes_it_in_the_block(how):
    """Its clean-up is a step, too, in whatever context it is closed."""
    seen = []

    @ub.priority("high")
    def items():
        try:
            yield 1
        finally:
            seen.append(importance())

    here = items()
    contextvars.Context().run(next, here) if how == "elsewhere" else next(here)
    if how == "drop":
        del here
        gc.collect()
    else:
        here.close()

    assert (["high"], "normal") == (seen, importance())


@pytest.mark.parametrize("how", ["close", "loop"])
def test_an_async_one_is_closed_once(how):
    """Also by the event loop, which closes all that it knows at once: the one inside it does not know."""
    seen, troubles = [], []

    @ub.priority("high")
    async def items():
        try:
            yield 1
        finally:
            await ASYNCIO.sleep(0)
            seen.append(importance())

    async def story():
        asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
        here = items()
        await anext(here)
        if how == "close":
            await here.aclose()
        kept.append(here)

    kept = []
    asyncio.run(story())

    assert (["high"], []) == (seen, troubles)


def thrown_into(items):
    """Throw an exception into *items*, which do not catch it, and return a weak reference to it."""
    next(items)
    try:
        items.throw(Mine())
    except Mine as error:
        return weakref.ref(error)


def thrown_into_async(items):
    """Do the same with what waits for nothing."""
    next(items.__anext__().__await__(), None)
    try:
        next(items.athrow(Mine()).__await__())
    except Mine as error:
        return weakref.ref(error)


class Mine(Exception):
    """Be weakly referenced."""


@ub.priority("high")
async def endless():
    """Wait for nothing."""
    while True:
        yield 1


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="a traceback's frames hold their callers there")
@pytest.mark.parametrize(("throw", "items"), [(thrown_into, lambda: echo("first")), (thrown_into_async, endless)])
def test_what_was_thrown_in_is_freed_with_its_last_holder(throw, items):
    """An exception is in no circle that waits for the garbage collector."""
    gc.disable()
    try:
        assert None is throw(items())()
    finally:
        gc.enable()


def test_arguments_and_what_is_returned_and_sent_go_through():
    """By place and by name; after what was thrown in, too."""

    @ub.priority("high")
    def items(first, *, then):
        told = []
        told.append((yield first))
        try:
            yield then
        except KeyError:
            told.append("thrown")
        told.append((yield 3))
        return told

    stepping = items(1, then=2)
    seen = [next(stepping), stepping.send("sent"), stepping.throw(KeyError())]
    with pytest.raises(StopIteration) as end:
        stepping.send("sent again")

    assert ([1, 2, 3], ["sent", "thrown", "sent again"]) == (seen, end.value.value)


def test_the_arguments_of_an_async_one_go_through():
    """By place and by name."""

    @ub.priority("high")
    async def items(first, *, then):
        yield first
        yield then

    async def main():
        return [item async for item in items(1, then=2)]

    assert [1, 2] == asyncio.run(main())
