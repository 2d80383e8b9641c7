"""What is protected stays so below ``ub.priority``, and each call of it is made in such a block."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle

import pytest

import unbreakable as ub
from unbreakable.policies.priority import importance
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

ONCE = {"retry": False, "breaker": False}


@ub.priority("low")
@ub.protect("plain")
def plain(word="-"):
    return word, importance()


@ub.priority("low")
@ub.protect("waits")
async def waits(word="-"):
    await ASYNCIO.sleep(0)
    return word, importance()


@ub.priority("low")
@ub.protect("items")
def items():
    yield importance()
    with ub.priority("high"):
        yield importance()
        yield importance()
    return importance()


@ub.priority("low")
@ub.protect("later")
async def later():
    yield importance()
    await ASYNCIO.sleep(0)
    yield importance()


class Client:
    def __init__(self):
        self.fresh = False

    @ub.priority("critical")
    @ub.protect("ask", **ONCE)
    def ask(self, word="-"):
        return word, importance()

    @ub.priority("critical")
    @ub.protect("heals", effects="none", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    def heals(self):
        if not self.fresh:
            raise PermissionError
        return importance()

    @heals.remedy(PermissionError)
    def refresh(self, failure):
        self.fresh = True

    @classmethod
    @ub.protect("of class", **ONCE)
    def of_class(cls):
        return cls.__name__


@pytest.mark.parametrize("door", [plain, waits, items, later, Client().ask, Client().heals], ids=repr)
def test_it_is_a_protected_function_of_the_same_kind(door):
    """It has what every protected function has, and frameworks see of which kind it is."""
    assert all(hasattr(door, name) for name in ("outcome", "remedy", "node", "function"))
    assert (door is waits) == inspect.iscoroutinefunction(door)
    assert (door is later) == inspect.isasyncgenfunction(door)
    assert (door is items) == inspect.isgeneratorfunction(door)
    assert door.function.__name__ == door.__name__
    assert list(inspect.signature(door.function).parameters) == list(inspect.signature(door).parameters)


def test_calls_and_outcomes_are_made_in_the_block():
    """Whichever way it is called; around it all is as before."""

    async def in_async():
        return await waits("a"), (await waits.outcome("b")).value, importance()

    assert (("a", "low"), ("b", "low"), "normal") == asyncio.run(in_async())
    assert (("a", "low"), ("b", "low"), "normal") == (plain("a"), plain.outcome("b").value, importance())


def test_methods_are_called_in_the_block_also_where_a_remedy_takes_the_instance():
    """Bound to an instance each time, by whatever way."""
    client = Client()
    assert [("a", "critical")] * 3 == [client.ask("a"), Client.ask(client, "a"), client.ask.outcome("a").value]
    assert "critical" == client.heals()
    assert "critical" == Client().heals.outcome().value


@pytest.mark.parametrize("by", ["call", "outcome"])
def test_each_step_is_in_the_block_and_its_consumer_is_not(by):
    """The first item, the others and the end; a block in the body holds over its own steps."""

    async def in_async():
        came = later() if by == "call" else (await later.outcome()).value
        return [(each, importance()) async for each in came]

    came, seen = items() if by == "call" else items.outcome().value, []
    try:
        while True:
            seen.append((next(came), importance()))
    except StopIteration as end:
        seen.append((end.value, importance()))

    assert [("low", "normal"), ("high", "normal"), ("high", "normal"), ("low", "normal")] == seen
    assert [("low", "normal")] * 2 == asyncio.run(in_async())


def test_a_generator_whose_outcome_is_closed_unused_gives_its_place_back():
    """Be it closed by hand or dropped."""

    @ub.priority("low")
    @ub.protect("rows", bulkhead=ub.Bulkhead(1, wait=0.0), **ONCE)
    def rows():
        yield 1

    rows.outcome().value.close()
    assert 0 == rows.node.target.gate.inside
    rows.outcome()
    gc.collect()
    assert [1] == list(rows())


def test_the_calls_own_place_in_the_line_is_that_of_the_block():
    """Who is less important waits behind those who come later: below the protection nobody would know in time."""
    order = []

    async def story():
        @ub.protect("narrow", bulkhead=ub.Bulkhead(1, wait=60.0), **ONCE)
        async def narrow(name):
            order.append(name)
            await ASYNCIO.sleep(1.0)

        low = ub.priority("low")(narrow)
        calls = [narrow("first"), low("low"), narrow("normal"), ub.priority("critical")(narrow)("critical")]
        await asyncio.gather(*calls)
        assert low.node is narrow.node

    with virtual_time():
        asyncio.run(story())
    assert ["first", "critical", "normal", "low"] == order


def test_what_is_bound_already_can_be_given_an_importance():
    """The method of one object, with or without remedies of its own."""
    client = Client()
    assert "critical" == ub.priority("low")(client.ask)()[1]  # the innermost block counts
    sort = type("Plain", (), {"ask": ub.protect("plain ask", **ONCE)(lambda self: (self, importance()))})
    assert "low" == ub.priority("low")(sort().ask)()[1]
    healed = ub.protect("h", effects="none", fallback=lambda self, failure: importance(), **ONCE)
    sort = type("Heals", (), {"ask": healed(lambda self: 1 / 0)})
    assert "low" == ub.priority("low")(sort().ask)()
    assert client.ask == client.ask


def test_it_equals_its_like_and_not_what_has_no_block():
    """Copies are what they are of; what another process cannot make again is refused."""
    sort = type("Plain", (), {"ask": ub.protect("plain ask", **ONCE)(lambda self: (self, importance()))})
    mine = sort()
    low = ub.priority("low")(mine.ask)

    assert low == ub.priority("low")(mine.ask) == copy.copy(low)
    assert (low != mine.ask, mine.ask != low) == (True, True)
    assert "low" == copy.deepcopy(low)()[1]
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(low)
    client = Client()
    assert pickle.loads(pickle.dumps(plain)) is plain  # noqa: S301 - ours
    assert "critical" == pickle.loads(pickle.dumps(client.ask))()[1]  # noqa: S301


def test_the_functions_own_attributes_stay_and_harm_nothing():
    """Frameworks mark functions, with whatever name."""

    def work():
        return importance()

    work.importance, work.mark = "much", 1
    door = ub.protect("work", **ONCE)(work)
    door.seen = 2
    low = ub.priority("low")(door)
    assert ("low", "much", 1, 2) == (low(), low.importance, low.mark, low.seen)


def test_a_node_that_is_called_by_way_of_the_block_alone_is_still_known():
    """It lives as long as the door with the block does."""
    with ub.QuantumSystem() as system:
        door = ub.priority("low")(ub.protect("alone", system=system, **ONCE)(importance))
        assert "low" == door()
        ub.protect("another", system=system)(importance)()
        assert "alone" in system.get_system_status().nodes
