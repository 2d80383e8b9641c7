"""Who waits has its own time; what is loaded for all has the node's."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

import unbreakable as ub
from unbreakable.errors import DeadlineExceeded
from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep
ONCE = {"retry": False, "breaker": False}


def many(cache, number, key="k"):
    return [asyncio.ensure_future(cache.get(key)) for _ in range(number)]


async def ends(tasks):
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("first", ["hurried", "patient"])
def test_a_callers_deadline_bounds_its_own_waiting_alone(first, new_loader, play):
    """Who has 2 s gets none of a load of 3 s, whoever began it; who has more gets the value, of the same load."""

    async def story():
        cache = CacheNode(loader=(loader := new_loader(3.0)))

        @ub.protect("hurried", deadline=2, **ONCE)
        async def hurried():
            return await cache.get("k")

        @ub.protect("patient", deadline=20, **ONCE)
        async def patient():
            return await cache.get("k")

        doors = [hurried, patient] if first == "hurried" else [patient, hurried]
        outcomes = dict(zip(doors, await asyncio.gather(*(door.outcome() for door in doors)), strict=True))
        late, value = outcomes[hurried], outcomes[patient].value
        return type(late.error), round(late.elapsed, 3), value, loader.began

    assert (DeadlineExceeded, 2.0, 1, 1) == play(story)


def test_a_load_is_cut_at_the_nodes_deadline(new_loader, play):
    """A source that hangs is left at the node's own deadline, for all who wait."""

    async def story():
        cache = CacheNode(loader=new_loader(1e6), deadline=5, **ONCE)
        early = many(cache, 2)
        await sleep(3)
        errors = await ends([*early, *many(cache, 2)])
        return {type(error) for error in errors}, ASYNCIO.now() - began[0]

    began = []

    async def timed():
        began.append(ASYNCIO.now())
        return await story()

    kinds, seconds = play(timed)
    assert {DeadlineExceeded} == kinds
    assert 5.0 == pytest.approx(seconds)


def test_at_the_nodes_deadline_the_fallback_answers_all(new_loader, play):
    """A load that is cut is a failure like any other: it is answered by the fallback, and the circuit hears of it."""

    async def story():
        circuit = ub.CircuitBreaker(failures=1)
        cache = CacheNode(loader=new_loader(1e6), deadline=5, fallback=lambda failure: "instead", breaker=circuit)
        early = many(cache, 2)
        await sleep(3)
        answers = await ends([*early, *many(cache, 2)])
        status = cache.get_status()
        return set(answers), status.node.degraded_count, status.node.breaker

    assert ({"instead"}, 1, "open") == play(story)


def test_the_call_around_a_wait_that_takes_too_long_has_its_own_say(new_loader, play):
    """Its deadline cuts the wait as it would cut any other work, so that its circuit hears of a slow dependency."""

    async def story():
        cache = CacheNode(loader=new_loader(100.0))

        @ub.protect("outer", deadline=2, breaker=ub.CircuitBreaker(failures=1))
        async def outer():
            return await cache.get("k")

        outcome = await outer.outcome()
        return type(outcome.error), round(outcome.elapsed, 3), outer.node.breaker.state.value

    assert (DeadlineExceeded, 2.0, "open") == play(story)


def test_who_waits_has_the_patience_that_was_learned_for_its_family_of_keys(new_loader, play):
    """Where loads take 5 s, the deadline is 100 s, for those who wait as for those who load."""

    async def story():
        loader = new_loader(5.0)
        cache = CacheNode(loader=loader, key=lambda key: key[0], timeout=False, hedge=False)
        for number in range(40):
            await cache.get(("slow", number))
        loader.seconds = 90.0
        return await ends([asyncio.ensure_future(cache.get(("slow", "last"))) for _ in range(2)])

    assert [41, 41] == play(story)


def test_the_load_sees_the_variables_of_who_began_it_and_not_its_deadline(play):
    """Context variables go along; the time of one caller is not the time of a load for all."""
    tenant = contextvars.ContextVar("tenant", default="nobody")

    async def story():
        seen = []

        async def load(key):
            seen.append((tenant.get(), round(ub.current().left()), ub.current().input))
            return key

        cache = CacheNode(loader=load)

        @ub.protect("hurried", deadline=2)
        async def hurried():
            tenant.set("acme")
            return await cache.get("k")

        await hurried()
        return seen

    assert [("acme", 30, "k")] == play(story)
