"""Whatever gives a generator can be guarded, and is a generator afterwards, for Python and for frameworks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import pickle
import types

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError


class Account:
    """Generators of all sorts in a class, protected above the other decorator, and below it."""

    kind = "account"

    def __init__(self, owner):
        self.owner = owner

    @ub.protect
    def method(self, last):
        yield from (self.owner, last)

    @ub.protect("methods")
    async def async_method(self, last):
        yield self.owner
        yield last

    @ub.protect
    @classmethod
    def of_class(cls, last):
        yield from (cls.kind, last)

    @classmethod
    @ub.protect
    async def async_of_class(cls, last):
        yield cls.kind
        yield last

    @ub.protect
    @staticmethod
    def static(last):
        yield from ("static", last)

    @staticmethod
    @ub.protect
    def static_below(last):
        yield from ("static", last)


class Lines:
    """Calling an object gives a generator."""

    def __call__(self, last):
        yield "lines"
        yield last


class AsyncLines:
    """Calling an object gives an async generator."""

    async def __call__(self, last):
        yield "lines"
        yield last


@ub.protect
def plain(last="!", *, most=2):
    """Yield some."""
    yield from ("plain", last)[:most]


@ub.protect("async items")
async def async_items(last="!", *, most=2):
    """Yield some, too."""
    for item in ("async", last)[:most]:
        yield item


async def read(items):
    return [item async for item in items]


def everything(items):
    return asyncio.run(read(items)) if inspect.isasyncgen(items) else list(items)


KINDS = {
    "function": (plain, "plain"),
    "async function": (async_items, "async"),
    "method": (Account("Ann").method, "Ann"),
    "async method": (Account("Ann").async_method, "Ann"),
    "classmethod": (Account.of_class, "account"),
    "classmethod of an object": (Account("Ann").of_class, "account"),
    "async classmethod": (Account.async_of_class, "account"),
    "staticmethod": (Account.static, "static"),
    "staticmethod of an object": (Account("Ann").static_below, "static"),
    "partial": (ub.protect("partial")(functools.partial(Lines().__call__)), "lines"),
    "partial of an async one": (ub.protect("partial")(functools.partial(AsyncLines.__call__, AsyncLines())), "lines"),
    "callable": (ub.protect("callable")(Lines()), "lines"),
    "async callable": (ub.protect("callable")(AsyncLines()), "lines"),
    "protected twice": (ub.protect("outer")(plain), "plain"),
    "protected twice, async": (ub.protect("outer")(async_items), "async"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_sort_of_generator_is_guarded(kind):
    """It gives its items, and its call is counted."""
    door, first = KINDS[kind]
    before = door.node.get_status().success_count

    assert [first, 7] == everything(door(7))
    assert before + 1 == door.node.get_status().success_count


@pytest.mark.parametrize("kind", KINDS)
def test_every_sort_is_repeated_until_its_first_item(kind):
    """Guarded is guarded: a validation that refuses is seen by the generator's own node."""
    door, _ = KINDS[kind]
    door.node.breaker.force_open()

    with pytest.raises(ub.errors.CircuitOpen):
        everything(door(7))

    door.node.breaker.reset()


def test_frameworks_see_what_they_have():
    """Whoever asks inspect is told of the protected function what is told of the function."""
    assert inspect.isgeneratorfunction(plain)
    assert inspect.isasyncgenfunction(async_items)
    assert inspect.isasyncgenfunction(Account("Ann").async_method)
    assert not inspect.iscoroutinefunction(async_items)
    assert isinstance(plain(), types.GeneratorType)
    assert isinstance(async_items(), types.AsyncGeneratorType)
    assert "(last='!', *, most=2)" == str(inspect.signature(plain)) == str(inspect.signature(async_items))
    assert ("plain", "Yield some.") == (plain.__name__, plain.__doc__)


def test_a_protected_generator_is_pickled_by_name():
    """As functions are."""
    assert plain is pickle.loads(pickle.dumps(plain))  # noqa: S301
    assert async_items is pickle.loads(pickle.dumps(async_items))  # noqa: S301


def test_what_is_handed_on_has_the_names_of_its_function():
    """Messages, warnings and a repr name what a user wrote; an object that is called has no name but its node's."""
    items = [
        plain(),
        async_items(),
        Account("Ann").method("!"),
        Account.async_of_class("!"),
        ub.protect("lines")(Lines())("!"),
    ]

    assert ["plain", "async_items", "method", "async_of_class", "lines"] == [each.__name__ for each in items]
    assert "<generator object Account.method at" in repr(items[2])


def test_an_object_that_is_called_may_have_whatever_for_a_name():
    """A proxy has each attribute that it is asked for; Python takes nothing but text for the name of a generator."""
    lines = Lines()
    lines.__name__ = lines.__qualname__ = 7

    assert ["lines", "!"] == list(ub.protect("lines")(lines)("!"))


def test_what_is_sent_and_returned_goes_through(hand):
    """A generator is a conversation, and the protected one is the same."""

    async def story():
        heard = []

        async def items():
            heard.append((yield 0))
            heard.append((yield 1))
            heard.append((yield 2))

        stream = hand.guard(items)()
        came = [await hand.next(stream), await hand.send(stream, "a"), await hand.send(stream, "b")]
        await hand.until(stream)
        return came, heard

    assert ([0, 1, 2], ["a", "b", None]) == hand.play(story)


def test_what_a_plain_generator_returns_goes_to_who_yields_from_it():
    """Of whom there may be one who was handed on no item at all."""

    @ub.protect
    def items(most):
        yield from range(most)
        return "end"

    def reader(most):
        end = yield from items(most)
        yield end

    assert [0, 1, "end"] == list(reader(2))
    assert ["end"] == list(reader(0))


def test_what_is_thrown_in_may_be_answered(hand):
    """A body that catches what its consumer throws goes on."""

    async def story():
        async def items():
            try:
                yield 1
            except KeyError:
                yield "caught"
            yield 2

        stream = hand.guard(items)()
        await hand.next(stream)
        return await hand.throw(stream, KeyError("x")), await hand.all(stream)

    assert ("caught", [2]) == hand.play(story)


def test_a_body_that_makes_another_error_of_what_is_thrown_in_has_failed(hand):
    """What comes out then is its own."""

    async def story():
        async def items():
            try:
                yield 1
            except KeyError:
                raise ConnectionError("cannot undo it") from None

        stream = hand.guard(items)
        reading = stream()
        await hand.next(reading)
        with pytest.raises(ConnectionError) as caught:
            await hand.throw(reading, KeyError("x"))
        return stream.node.get_status().failure_count, len(caught.value.__notes__)

    assert (1, 1) == hand.play(story)


def test_context_managers_can_be_made_of_protected_generators():
    """Opening is repeated, closing is not forgotten, and the block's own errors are not the target's."""
    log = []

    @contextlib.contextmanager
    @ub.protect("session", retry=ub.Retry(2, backoff=ub.Backoff(0.0)), bulkhead=ub.Bulkhead(1))
    def session():
        log.append("open")
        if log.count("open") == 1:
            raise ConnectionError("down")
        try:
            yield "session"
        finally:
            log.append("close")

    with session() as opened:
        log.append(opened)
    with pytest.raises(ZeroDivisionError) as caught, session():
        raise ZeroDivisionError

    assert ["open", "open", "session", "close", "open", "close"] == log
    assert not getattr(caught.value, "__notes__", None)


async def test_async_context_managers_can_be_made_of_protected_generators():
    """The same on an event loop."""
    log = []

    @contextlib.asynccontextmanager
    @ub.protect("session", bulkhead=ub.Bulkhead(1))
    async def session():
        log.append("open")
        try:
            yield "session"
        finally:
            log.append("close")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with session():
                raise ZeroDivisionError

    assert ["open", "close"] * 2 == log


@pytest.mark.parametrize("items", [plain, async_items, plain.function, Account("Ann").async_method, Lines()])
def test_what_calls_its_operation_takes_no_generator(items):
    """To call a generator does nothing: nodes, loops and steps refuse it, protected or not."""
    for refuse in (
        lambda: ub.FractalNode("node", items),
        lambda: ub.QuantumLoopEngine().create_loop(items),
        lambda: ub.Step("step", items),
    ):
        with pytest.raises(ConfigurationError, match="calling a generator does nothing"):
            refuse()


def test_a_node_is_handed_no_generator():
    """It is told so, as of everything else that is no operation."""
    outcome = ub.FractalNode("node").execute_sync(plain.function)

    assert isinstance(outcome.error, ConfigurationError)
    assert "calling a generator does nothing" in str(outcome.error)


def test_keys_and_validation_take_the_arguments_of_a_generator(hand):
    """What is kept for each key is kept for the generators of each key; a wrong call never begins."""

    async def story():
        tries = []

        async def items(host):
            tries.append(host)
            raise ConnectionError("down")
            yield 1

        stream = hand.guard(
            items,
            key=lambda host: host,
            validate=lambda host: host != "none",
            retry=False,
            breaker=ub.CircuitBreaker(1),
        )
        ends = [type((await hand.until(stream(host)))[1]).__name__ for host in ("a", "a", "b", "none")]
        return ends, tries

    assert (["ConnectionError", "CircuitOpen", "ConnectionError", "ValidationFailed"], ["a", "b"]) == hand.play(story)
