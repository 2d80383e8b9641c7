"""Values are read once and kept for a while."""

from __future__ import annotations

import asyncio
import math

import pytest

import unbreakable as ub
from unbreakable.nodes import CacheNode

AT_ONCE = ub.Retry(3, backoff=ub.Backoff(0.0))


def test_the_second_call_is_answered_without_a_load(stage):
    """What was loaded is kept; another key is another value."""
    cache = CacheNode(loader=stage.source())

    assert ["A", "A", "B"] == [stage.get(cache, key) for key in "aab"]
    assert ["a", "b"] == stage.loads


def test_a_call_may_bring_its_own_function(stage):
    """``fetch()`` takes nothing, and is asked instead of the loader."""
    load = stage.source()
    cache = CacheNode(loader=stage.source(value="the loader's"))

    assert "F" == stage.get(cache, "k", lambda: load("f"))
    assert "F" == stage.get(cache, "k")
    assert ["f"] == stage.loads


def test_none_and_what_counts_as_false_are_values(stage):
    """They are kept like any other."""
    cache = CacheNode()
    calls = []

    for value in (None, 0, "", []):
        for _ in range(2):
            assert value == stage.get(cache, repr(value), lambda value=value: calls.append(value) or value)
    assert 4 == len(calls)


def test_a_failed_load_is_healed_before_anybody_notices(stage):
    """A load is a protected call: it is repeated, and a remedy is applied."""
    cache = CacheNode(loader=stage.source(fails=[PermissionError("401"), OSError("reset")]), retry=AT_ONCE)
    renewed = []
    cache.remedy(PermissionError)(lambda failure: renewed.append(1))

    outcome = stage.outcome(cache, "k")

    assert ("healed", "K", 3) == (outcome.status.value, outcome.value, outcome.attempts)
    assert [1] == renewed
    assert "K" == stage.get(cache, "k")


def test_an_outcome_tells_a_hit_from_a_load(stage):
    """A hit made no attempt; its story says how old the value is."""
    cache = CacheNode(loader=stage.source(seconds=2))
    load = stage.outcome(cache, "k")
    stage.clock.advance(3)
    hit = stage.outcome(cache, "k")

    assert ("ok", "K", 1, 2.0) == (load.status.value, load.value, load.attempts, load.elapsed)
    assert ("ok", "K", 0, 0.0) == (hit.status.value, hit.value, hit.attempts, hit.elapsed)
    assert "kept from a load that began 5.000 s ago" in hit.explain()
    assert 9 == len(hit.trace.stages)
    assert load.id != hit.id


def test_a_hit_on_what_is_fresh_for_ever_tells_no_age(stage):
    """Nobody noted when it was loaded."""
    cache = CacheNode(loader=stage.source(), ttl=math.inf)
    stage.get(cache, "k")

    assert "kept from an earlier load\n" in f"{stage.outcome(cache, 'k').explain()}\n"


def test_errors_are_raised_with_their_story_and_never_kept(stage):
    """The caller has the source's own exception; the next call asks again."""
    error = KeyError("gone")
    cache = CacheNode(loader=stage.source(fails=[error]), retry=False)

    with pytest.raises(KeyError) as raised:
        stage.get(cache, "k")

    assert error is raised.value
    assert ["unbreakable: cache failed after 1 attempt"] == [note.split(" in ")[0] for note in error.__notes__]
    assert "K" == stage.get(cache, "k")


def test_a_fallback_answers_but_its_answer_is_not_kept(stage):
    """It shows as degraded; when the source is back, the next call has its value."""
    cache = CacheNode(loader=stage.source(fails=[OSError()]), retry=False, fallback=lambda failure: "stand-in")

    outcome = stage.outcome(cache, "k")

    assert ("degraded", "stand-in") == (outcome.status.value, outcome.value)
    assert "k" not in cache
    assert "K" == stage.get(cache, "k")


def test_an_open_circuit_leaves_the_hits(stage):
    """While the source is left in peace, what is kept is given; the rest is refused at once."""
    cache = CacheNode(ttl=100, loader=stage.source(), breaker=ub.CircuitBreaker(failures=1, rest=30))
    stage.get(cache, "a")
    cache.node.breaker.force_open()

    assert "A" == stage.get(cache, "a")
    with pytest.raises(ub.errors.CircuitOpen):
        stage.get(cache, "b")


def test_what_is_refused_before_the_load_is_not_loaded(stage):
    """``validate`` is asked about the key."""
    cache = CacheNode(loader=stage.source(), validate=lambda key: key.isalpha())

    assert "K" == stage.get(cache, "k")
    with pytest.raises(ub.errors.ValidationFailed):
        stage.get(cache, "4711")
    assert ["k"] == stage.loads


def test_what_a_schema_makes_of_the_value_is_kept(stage):
    """Parsed once, given parsed."""
    cache = CacheNode(loader=stage.source(value="17"), schema=int)
    numbers = CacheNode(loader=stage.source(value="17"), schema=lambda text: int(text) + 1)

    assert isinstance(stage.outcome(cache, "k").error, ub.errors.VerificationFailed)
    assert [18, 18] == [stage.get(numbers, "k") for _ in range(2)]


def test_what_was_written_is_set(stage):
    """The writer saves everybody the load; tags work as for loads."""
    cache = CacheNode(ttl=10, loader=stage.source())
    cache.set("k", "written", tags=["t"])

    assert "written" == stage.get(cache, "k")
    stage.clock.advance(10)
    assert "K" == stage.get(cache, "k")
    cache.set("k", "again", tags=["t"])
    assert 1 == cache.invalidate(tags=["t"])
    assert "K" == stage.get(cache, "k")


def test_what_is_asked_for_often_stays(stage):
    """A full cache lets go of what was asked for once, not of what is asked for again and again."""
    cache = CacheNode(max_size=10, loader=stage.source())
    for key in range(40):
        stage.get(cache, "often")
        stage.get(cache, key)

    assert 1 == stage.loads.count("often")
    assert 10 == len(cache)


def test_looking_changes_nothing(stage):
    """``in``, ``len`` and the status count as no use and load nothing."""
    cache = CacheNode(ttl=10, loader=stage.source())
    stage.get(cache, "k")

    assert ("k" in cache, "other" in cache, len(cache)) == (True, False, 1)
    assert (0, 1) == (cache.get_status().hits, cache.get_status().misses)
    stage.clock.advance(10)
    assert ("k" in cache, len(cache)) == (False, 0)
    assert ["k"] == stage.loads


def test_a_value_that_was_found_too_old_is_counted(stage):
    """The load that takes its place says that it had expired."""
    cache = CacheNode(ttl=10, loader=stage.source())
    stage.get(cache, "k")
    stage.clock.advance(10)
    stage.get(cache, "k")

    assert (1, 1) == (cache.get_status().expirations, cache.get_status().size)


def test_the_status_adds_up(stage):
    """Every look is a hit or a miss, every load has its end, every kept value its whereabouts."""
    fails = [OSError()]
    cache = CacheNode(ttl=10, max_size=10, loader=stage.source(fails=fails), retry=False)
    stage.outcome(cache, "k")
    for key in range(15):
        stage.get(cache, key)
        stage.get(cache, key)
    cache.invalidate(14)
    stage.clock.advance(10)
    status = cache.get_status()

    assert (15, 16, 15 / 31) == (status.hits, status.misses, status.hit_rate)
    assert (16, 1, 0, 0) == (status.loads, status.load_failures, status.discarded, status.in_flight)
    assert (5, 1, 9, 0) == (status.evictions, status.invalidations, status.expirations, status.size)
    assert (15, 1) == (status.node.success_count, status.node.failure_count)


def test_each_family_of_keys_has_a_circuit_of_its_own(stage):
    """``key`` is asked about the key that is loaded."""
    cache = CacheNode(
        loader=stage.source(fails=[OSError()]), retry=False, breaker=ub.CircuitBreaker(1), key=lambda key: key[0]
    )
    stage.outcome(cache, "a1")

    assert "CircuitOpen" == type(stage.outcome(cache, "a2").error).__name__
    assert "B1" == stage.get(cache, "b1")


def test_listeners_hear_of_loads(stage):
    """A hit is no event."""
    cache, heard = CacheNode(name="prices", loader=stage.source()), []
    cache.on(ub.events.Event, heard.append)
    for _ in range(3):
        stage.get(cache, "k")

    assert [("prices", "Succeeded")] == [(event.node, type(event).__name__) for event in heard]


def test_a_closed_cache_is_empty_and_can_be_used_again(stage):
    """Closing lets go of the values."""

    async def closed():
        async with CacheNode(loader=stage.source()) as cache:
            cache.set("k", 1)
        return cache

    cache = stage.runner.run(closed())

    assert 0 == len(cache)
    assert "K" == stage.get(cache, "k")
    cache.aclose_sync()
    assert 0 == len(cache)


def test_every_level_is_invalidated():
    """The awaited form and its sync twin do what the plain one does, for there is one level."""
    cache = CacheNode(loader=str)
    dropped = []
    for drop in (
        lambda: asyncio.run(cache.invalidate_all_levels("k")),
        lambda: asyncio.run(cache.invalidate_all_levels(tags=["t"])),
        lambda: asyncio.run(cache.invalidate_all_levels()),
        lambda: asyncio.run(cache.invalidate_all_levels(tags=[])),
        cache.invalidate_all_levels_sync,
    ):
        cache.get_sync("k", tags=["t"])
        dropped.append(drop())

    assert [1, 1, 1, 0, 1] == dropped


def test_a_cache_may_load_from_another(stage):
    """The way in of one is the loader of the other, in either colour."""
    far = CacheNode(ttl=100, loader=stage.source())
    near = CacheNode(ttl=10, loader=far.get if stage.is_async else far.get_sync)
    for _ in range(2):
        assert "K" == stage.get(near, "k")
        stage.clock.advance(10)

    assert ["k"] == stage.loads
    assert (2, 1) == (near.get_status().loads, far.get_status().loads)


def test_keys_of_one_value_are_one_key():
    """As in a dictionary, 1, 1.0 and True are the same key; tuples tell them apart by more than the number."""
    cache = CacheNode(loader=repr)

    assert ["1", "1", "1", "('a', 1)"] == [cache.get_sync(key) for key in (1, 1.0, True, ("a", 1))]
