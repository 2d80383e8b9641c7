"""The end of an iteration is an answer: nothing is asked again, nothing is blamed, and no fallback goes on for ever."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time

OPTIONS = {
    "by default": {},
    "once": {"effects": "once"},
    "a time limit": {"timeout": ub.Timeout(5.0), "effects": "idempotent"},
    "copies": {"hedge": ub.Hedge(0.5), "effects": "none"},
    "a fallback": {"fallback": lambda failure: -1},
    "verified": {"verify": lambda page: page < 100, "schema": int},
    "in a bulkhead": {"bulkhead": ub.Bulkhead(1)},
    "no circuit": {"breaker": False, "retry": False},
}


def pages_of(options, count):
    """Return two classes of pages, async and plain, and a list of what was asked for."""
    asked = []

    class Pages:
        def __init__(self):
            self.page = 0

        def __aiter__(self):
            return self

        @ub.protect("pages", **options)
        async def __anext__(self):
            return self.next(StopAsyncIteration)

        def next(self, end):
            asked.append(self.page)
            self.page += 1
            if self.page > count:
                raise end
            return self.page

    class Plain(Pages):
        def __iter__(self):
            return self

        @ub.protect("plain", **options)
        def __next__(self):
            return self.next(StopIteration)

    return Pages, Plain, asked


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("count", [0, 3])
def test_each_page_and_the_end_is_asked_for_once(options, count):
    """However often it is gone through, in either colour, with all that was seen of it in between."""
    pages, plain, asked = pages_of(options, count)

    async def story():
        return [[page async for page in pages()] for _ in range(60)]

    with virtual_time():
        found = asyncio.run(story())
        found += [list(plain()) for _ in range(60)]

    assert [list(range(1, count + 1))] * 120 == found
    assert list(range(count + 1)) * 120 == asked
    for node in (pages.__anext__.node, plain.__next__.node):
        status = node.get_status()
        assert (60 * (count + 1), 1.0) == (status.total_executions, status.success_rate)
        assert node.breaker.state in ("closed", "disabled")


def test_a_failure_before_the_end_is_repeated():
    """What is repeated may be the end as well."""
    asked = []

    class Pages:
        @ub.protect("pages")
        def __next__(self):
            asked.append(None)
            if len(asked) == 1:
                raise ConnectionResetError
            raise StopIteration(7)

    with virtual_time(), pytest.raises(StopIteration) as end:
        Pages().__next__()

    assert 7 == end.value.value
    assert 2 == len(asked)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_end_inside_a_generator_is_a_mistake(options):
    """Python has made a RuntimeError of it, and who maps the function over items is told."""

    def rows():
        yield next(iter(()))

    @ub.protect("listed", **{**options, "effects": "once", "fallback": None, "hedge": False})
    def listed(number):
        return list(rows())

    for _ in range(2):
        with pytest.raises(RuntimeError, match="generator raised StopIteration"):
            list(map(listed, range(3)))
    assert 0 == listed.node.get_status().success_rate


@pytest.mark.parametrize("in_async", [False, True])
def test_an_end_in_a_block_is_raised_where_it_is(in_async):
    """It is asked for once, nobody is to blame, and no note says that the block has failed."""
    blocks = []

    def block(attempt):
        blocks.append(attempt)
        raise StopIteration(7)

    def first():
        for attempt in ub.attempts("block"):
            with attempt:
                block(attempt)

    async def first_async():
        try:
            async for attempt in ub.attempts("block"):
                async with attempt:
                    block(attempt)
        except StopIteration as end:  # which no coroutine can raise
            return end

    if in_async:
        end = asyncio.run(first_async())
    else:
        with pytest.raises(StopIteration) as told:
            first()
        end = told.value
    assert (7, 1, False) == (end.value, len(blocks), hasattr(end, "__notes__"))


def test_an_outcome_tells_of_the_end():
    """It is no failure, and has no value: who unwraps it is told so, too, and is given no None."""

    @ub.protect("pages")
    async def end():
        raise StopAsyncIteration

    outcome = asyncio.run(end.outcome())

    assert ("ok", None, StopAsyncIteration) == (outcome.status.value, outcome.value, type(outcome.error))
    with pytest.raises(StopAsyncIteration):
        outcome.unwrap()


def test_the_end_inside_a_call_is_told_to_whoever_listens():
    """Events call it a success."""
    told = []

    @ub.protect("pages")
    def end():
        raise StopIteration

    for event in (ub.events.Succeeded, ub.events.AttemptFailed, ub.events.Failed, ub.events.CallEnded):
        end.node.on(event, lambda event: told.append(type(event).__name__))
    with pytest.raises(StopIteration):
        end()

    assert {"Succeeded", "CallEnded"} == set(told)


def test_a_cache_keeps_no_end():
    """A loader that finds nothing, as by ``next``, has failed: nobody iterates over a cache."""
    cache = ub.CacheNode(60, loader=lambda key: next(iter(())), retry=False)

    for _ in range(2):
        with pytest.raises(RuntimeError, match="the operation raised StopIteration"):
            cache.get_sync("nobody")
    assert 2 == cache.node.get_status().total_executions


def test_an_engine_hands_on_the_end_of_a_plain_operation():
    """It is the operation's own exception, and is asked for once."""
    asked = []

    def first():
        asked.append(None)
        return next(iter(()))

    with pytest.raises(StopIteration):
        ub.QuantumSimulationEngine().execute_quantum_sync(first)

    assert 1 == len(asked)
