"""Wrong settings, keys, tags and loaders of a cache are refused where they are given."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import math

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, ValidationFailed
from unbreakable.nodes import CacheNode, CacheStatus


async def load_async(key):
    return key


def items(key):
    yield key


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"ttl": 0}, r"ttl must be more than 0 seconds \(or math.inf\), not 0"),
        ({"ttl": -1}, "ttl must be more than 0 seconds"),
        ({"ttl": math.nan}, "ttl must be more than 0 seconds"),
        ({"ttl": True}, "ttl must be more than 0 seconds"),
        ({"ttl": "1h"}, "ttl must be more than 0 seconds"),
        ({"ttl": None}, "ttl must be more than 0 seconds"),
        ({"max_size": 0}, "max_size must be a whole number from 1 up, not 0"),
        ({"max_size": 1.5}, "max_size must be a whole number from 1 up"),
        ({"max_size": None}, "max_size must be a whole number from 1 up"),
        ({"loader": 7}, "loader must be a function that takes the key and returns the value, not 7"),
        ({"loader": lambda: 1}, "loader must be a function that takes the key"),
        ({"loader": lambda one, two: 1}, "loader must be a function that takes the key"),
        ({"loader": items}, "loader must be a function that takes the key and returns the value"),
        ({"name": ""}, "name must be a word"),
        ({"name": 7}, "name must be a word"),
        ({"effects": "sometimes"}, "effects must be one of"),
        ({"colour": 1}, "cache: colour is not an option; there are ttl, max_size, loader, "),
        ({"retries": 3}, "did you mean 'retry'"),
    ],
)
def test_a_wrong_setting_is_refused(settings, complaint):
    """The message holds the path of what is wrong, what was expected and what was found."""
    with pytest.raises(ConfigurationError, match=complaint):
        CacheNode(**settings)


@pytest.mark.parametrize("loader", [load_async, str, functools.partial(max, 1), print, [1, 2].__getitem__])
def test_whatever_takes_one_argument_may_load(loader):
    """Functions of either colour, classes, partials, builtins with and without a signature."""
    cache = CacheNode(loader=loader)

    assert 0 == cache.get_status().loads


def test_the_name_is_cache_unless_one_is_given():
    """Events and statistics bear it."""
    assert ("cache", "prices") == (CacheNode().name, CacheNode(name="prices").get_status().name)


@pytest.mark.parametrize("key", [[], {}, {1}, ([],)])
def test_a_key_that_is_not_hashable_is_refused(key):
    """Every way in says what was expected; outcome() says it in an Outcome."""
    cache = CacheNode(loader=str)
    ways = [
        lambda: asyncio.run(cache.get(key)),
        lambda: cache.get_sync(key),
        lambda: cache.set(key, 1),
        lambda: cache.invalidate(key),
        lambda: key in cache,
    ]

    for way in ways:
        with pytest.raises(ValidationFailed, match="a key must be hashable"):
            way()
    assert isinstance(cache.get_sync.outcome(key).error, ValidationFailed)
    assert isinstance(asyncio.run(cache.get.outcome(key)).error, ValidationFailed)


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [
        ("user", r"tags must be a list of them, not one: \['user'\]"),
        (b"user", "tags must be a list of them, not one"),
        (7, "tags must be a list of what is hashable"),
        ([[]], "tags must be a list of what is hashable"),
    ],
)
def test_wrong_tags_are_refused(tags, complaint):
    """A single word is not taken for a list of letters, and there is a limit."""
    cache = CacheNode(loader=str)

    for way in (cache.get_sync, functools.partial(cache.set, value=1), cache.invalidate):
        with pytest.raises(ValidationFailed, match=complaint):
            way("k", tags=tags)


def test_a_value_has_a_limit_of_tags():
    """A value has at most 64, each counted once; what is invalidated may be named by any number."""
    cache = CacheNode(loader=str)

    for way in (cache.get_sync, functools.partial(cache.set, value=1)):
        way("k", tags=[*range(64), *range(64)])
        with pytest.raises(ValidationFailed, match="at most 64 tags, not 65"):
            way("other", tags=range(65))
    assert 1 == cache.invalidate(tags=range(1_000))


def test_without_anything_to_load_with_a_miss_says_so():
    """A hit needs no loader; a miss without one says what to give."""
    cache = CacheNode()
    cache.set("there", None)

    assert cache.get_sync("there") is None
    with pytest.raises(ConfigurationError, match="give the node a loader, or get"):
        cache.get_sync("not there")
    with pytest.raises(ConfigurationError, match="give the node a loader, or get"):
        asyncio.run(cache.get("not there"))
    assert "failed" == cache.get_sync.outcome("not there").status.value


@pytest.mark.parametrize("fetch", [7, "k", items, lambda key: key])
def test_a_fetch_that_is_none_is_refused(fetch):
    """What is no function is told at once; what takes arguments fails as a misuse, without repeats."""
    cache = CacheNode()

    outcome = cache.get_sync.outcome("k", fetch)

    assert isinstance(outcome.error, (ConfigurationError, TypeError))
    assert outcome.attempts <= 1


def test_what_is_async_cannot_load_for_sync_code():
    """The message says which function it is and what to do."""
    with pytest.raises(ConfigurationError, match="loader must be a plain function in sync code"):
        CacheNode(loader=load_async).get_sync("k")
    with pytest.raises(ConfigurationError, match="fetch must be a plain function in sync code"):
        CacheNode(loader=str).get_sync("k", functools.partial(load_async, "k"))


def test_a_hidden_coroutine_is_refused_and_not_kept():
    """A plain function that returns a coroutine is found out when it is called."""
    cache = CacheNode(loader=lambda key: load_async(key or "none"), retry=False)

    with pytest.raises(TypeError, match="async function"):
        cache.get_sync("k")
    assert 0 == len(cache)
    assert "k" == asyncio.run(cache.get("k"))


def test_the_status_is_frozen_and_can_be_written_as_json():
    """It holds the node's own status, too."""
    cache = CacheNode(ttl=math.inf, deadline=math.inf, loader=str)
    cache.get_sync("k")
    status = cache.get_status()

    with pytest.raises(AttributeError):
        status.hits = 3
    assert isinstance(status, CacheStatus)
    assert isinstance(status.node, ub.NodeStatus)
    assert "Infinity" not in json.dumps(status.to_dict())
    assert 1 == json.loads(json.dumps(status.to_dict()))["node"]["success_count"]


def test_an_empty_cache_is_true():
    """``cache or other`` takes the cache that is there, full or not."""
    cache = CacheNode()

    assert 0 == len(cache)
    assert cache


def test_the_ways_in_are_told_by_name():
    """Classes and objects show what they offer, documented, and frameworks see what is to be awaited."""
    cache = CacheNode(name="prices")

    assert "Return the value of *key*" in (CacheNode.get.__doc__ or "")
    assert "Return the value of *key*" in (cache.get_sync.__doc__ or "")
    assert "<CacheNode.get of 'prices'>" == repr(cache.get)
    assert "<CacheNode 'prices', 0 of 10000 values>" == repr(cache)
    assert inspect.iscoroutinefunction(cache.get)
    assert cache.get is cache.get
