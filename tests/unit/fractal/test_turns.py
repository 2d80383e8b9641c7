"""Each owner of a remedy has a turn of its own, as long as the owner lives and whatever it is made of."""

from __future__ import annotations

import asyncio
import functools
import sys

import unbreakable as ub
from unbreakable.fractal import turn
from unbreakable.fractal.turn import Turns
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class Owner:
    """Somebody whose token a remedy fetches anew."""


class Slotted:
    """A client that nobody can refer to weakly."""

    __slots__ = ("refreshed", "token")

    def __init__(self):
        self.token, self.refreshed = "expired", 0

    async def refresh(self, how, failure):
        """Fetch a new token, which takes a while."""
        await ASYNCIO.sleep(1.0)
        self.refreshed += 1
        self.token = "fresh"

    async def get(self, *remedies):
        """Ask for data with a token that may have expired."""
        async for attempt in ub.attempts("client", effects="idempotent", remedies=remedies):
            async with attempt:
                if self.token == "expired":
                    await ASYNCIO.sleep(0.1)
                    raise PermissionError("401")
        return attempt.number


class Client(Slotted):
    """A client as most are."""


def outcome_of_five(client):
    """Return how many attempts each of five calls at the same time took."""

    async def story():
        mend = (PermissionError, functools.partial(client.refresh, "at once"))
        return await asyncio.gather(*(client.get(mend) for _ in range(5)))

    with virtual_time():
        return asyncio.run(story())


def test_a_method_with_arguments_in_advance_serves_its_object():
    """Five calls that were refused at once share one application of a ``partial`` that each made for itself."""
    client = Client()

    assert ([2] * 5, 1) == (outcome_of_five(client), client.refreshed)


def test_whom_nobody_can_refer_to_weakly_shares_with_the_calls_under_way():
    """A class with slots takes part, and nothing is kept of its turn once no call holds it."""
    client, turns = Slotted(), Turns()

    assert ([2] * 5, 1) == (outcome_of_five(client), client.refreshed)
    assert turns.of(client) is not None
    assert not turns._held


def test_a_remedy_that_only_waits_serves_nobody():
    """It is given with a block as others are, and what it says is done."""

    def call():
        for attempt in ub.attempts("wait", deadline=300.0, remedies=[ub.remedies.wait(60.0, on=PermissionError)]):
            with attempt:
                if attempt.number < 2:
                    raise PermissionError("401")

    with virtual_time() as clock:
        began = clock.now()
        call()

        assert began + 60.0 == clock.now()


def test_an_owner_has_the_same_turn_until_it_is_gone():
    """What is asked for again and again is kept once, and forgotten with its owner."""
    turns, owner, other = Turns(), Owner(), Owner()
    first = turns.of(owner)

    assert first is turns.of(owner)
    assert first is not turns.of(other)
    del owner
    assert [id(other)] == list(turns._by_id)


def test_the_end_of_an_owner_of_before_a_fork_is_nobodys_business():
    """Once all turns are forgotten its owner may go, or have a new one."""
    turns, gone, stays = Turns(), Owner(), Owner()
    before = turns.of(gone), turns.of(stays)
    turns.clear()
    after = turns.of(stays)
    del gone

    assert after not in before
    assert after is turns.of(stays)


def test_who_comes_to_lie_where_another_has_lain_does_not_get_its_turn(monkeypatch):
    """A signal's exception has come up while we were told of the other one's end, and Python does not tell us twice."""
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: lost.append(told.exc_type))
    turns, owners = Turns(), [Owner()]
    of_before, place = turns.of(owners[0]), id(owners[0])

    def interrupt(frame, event, _):
        if event == "call" and frame.f_code.co_filename == turn.__file__:
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    owners.clear()
    sys.setprofile(None)
    while not owners or (id(owners[-1]) != place and len(owners) < 10_000):
        owners.append(Owner())
    if id(owners[-1]) != place:  # Python 3.13 lays nothing there again, but another one may
        turns._by_id[id(owners[-1])] = turns._by_id.pop(place)

    assert [KeyboardInterrupt] == lost
    assert of_before is not turns.of(owners[-1])
    assert turns.of(owners[-1]) is turns.of(owners[-1])
    owners.clear()
    assert not turns._by_id


def test_calls_that_agree_on_what_served_them_all_are_one_verdict():
    """Only where they do not, as where most succeed by chance, each of them tells something."""
    served = turn.Turn()
    told = [(1, False), (1, False), (2, True), (1, False), (2, True), (2, False), (2, True), (2, False), (3, False)]
    news = [served.is_news(time, worked=worked) for time, worked in told]

    assert [True, False, True, False, False, True, True, True, True] == news


def test_one_unlucky_refresh_loses_none_of_the_calls_that_it_served():
    """The identity server gave thirty callers its old token once more: that was in vain once, not thirty times."""
    known = {"valid": False, "refreshed": 0}

    @ub.protect("partner", effects="idempotent")
    async def ask():
        is_valid = known["valid"]
        await ASYNCIO.sleep(0.1)
        if not is_valid:
            raise PermissionError("401")

    @ask.remedy(PermissionError)
    async def refresh(failure):
        await ASYNCIO.sleep(0.3)
        known["refreshed"] += 1
        known["valid"] = known["refreshed"] > 1

    async def story():
        return [outcome.ok for outcome in await asyncio.gather(*(ask.outcome() for _ in range(30)))]

    with virtual_time():
        assert [True] * 30 == asyncio.run(story())
    ((told,),) = (each.values() for each in ask.node.get_status().remedies.values())
    assert told["tried"] < 3
