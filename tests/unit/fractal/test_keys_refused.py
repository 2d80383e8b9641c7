"""What a function of the key returns has to tell one target's calls from another's."""

from __future__ import annotations

import asyncio
import functools
import warnings

import pytest

import unbreakable as ub


def call(made):
    return made()


async def tenant():
    return "cairo"


def some():
    yield "cairo"


async def some_async():
    yield "cairo"


def not_a_number():
    return float("nan")


@pytest.mark.parametrize("made", [tenant, some, some_async, not_a_number])
@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_what_is_like_no_other_key_is_refused_in_words(made, form):
    """A call whose key is to be awaited, or equals nothing, is refused by name, and its work is not done."""
    done = []

    @ub.protect("partner", key=functools.partial(call, made))
    async def ask():
        done.append(1)

    async def ends():
        if form == "outcome":
            return (await ask.outcome()).error
        try:
            return await ask()
        except ub.errors.ValidationFailed as error:
            return error

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "never awaited": the collector would say so
        error = asyncio.run(ends())

    assert str(error).startswith("partner: no key: TypeError: ")
    assert ("to be awaited" if made is tenant else "like none before it") in str(error)
    assert [] == done
    assert 1 == len(ask.node.targets.every())


def test_a_block_with_a_key_to_be_awaited_is_refused():
    """So is a block of ub.attempts."""

    def block():
        for attempt in ub.attempts("partner", key=functools.partial(call, tenant)):
            with attempt:
                raise AssertionError("must not run")

    with pytest.raises(ub.errors.ValidationFailed, match="to be awaited"):
        block()


def test_a_client_that_may_be_awaited_is_a_key():
    """As are pools of connections of some libraries, which are opened so."""

    class Pool:
        def __await__(self):
            yield from ()

    one, other = Pool(), Pool()
    ask = ub.protect("query", key=lambda pool: pool)(lambda pool: 1)
    assert [1, 1, 1] == [ask(one), ask(one), ask(other)]
    assert 2 == len(ask.node.targets.by_key)


def test_keys_that_are_equal_are_one_target():
    """A tuple, a string, a number: whatever equals another one is the same target."""
    ask = ub.protect("partner", key=lambda key: key)(lambda key: key)
    for key in (("a", 1), ("a", 1), 1, 1.0, "a", None):
        assert key == ask(key)
    assert 4 == len(ask.node.targets.every())
