"""Which remedy is applied, call after call: what helps is, what is in vain takes nothing from it."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
PATIENT = {"effects": "idempotent", "breaker": False, "budget": False, "retry": ub.Retry(4, backoff=ub.Backoff(0))}


@pytest.fixture(autouse=True)
def clock():
    with virtual_time() as clock:
        yield clock


@pytest.mark.parametrize("calls", [6, 20, 60, 400])
def test_credentials_are_refreshed_again_once_the_outage_of_their_service_is_over(calls, clock):
    """Where nothing but a remedy can help, waiting does not take its place; each twentieth call looks at the latest."""
    refreshed, valid, works = [], True, False

    @ub.protect("api", effects="none", breaker=False, budget=False)
    def ask():
        if not valid:
            raise PermissionError("401")

    @ask.remedy(PermissionError)
    def refresh(failure):
        nonlocal valid
        refreshed.append(works)
        valid = works

    def lose():
        nonlocal valid
        valid = False
        return not ask.outcome().ok

    assert 0 == sum(not ask.outcome().ok for _ in range(50))
    lost = sum(lose() for _ in range(calls))
    assert calls == lost
    assert len(refreshed) <= 10 + calls / 10
    works = True
    assert sum(lose() for _ in range(20)) < 20
    assert 0 == sum(lose() for _ in range(20))


@pytest.mark.parametrize(
    ("attempts", "raises", "others", "told"),
    [
        (3, 9, 0, (1, 2, 0, False)),
        (3, 1, 0, (2, 2, 0, True)),
        (3, 9, 1, (2, 1, 1, True)),
        (2, 9, 1, (1, 1, 0, False)),
    ],
)
def test_no_attempt_follows_a_remedy_that_has_raised_where_only_a_remedy_helps(attempts, raises, others, told, clock):
    """The same credentials are not refused again: the next remedy is tried, or the same once more."""
    asked, refreshed, cleared, valid = [], [], [], False

    @ub.protect("api", effects="idempotent", retry=ub.Retry(attempts))
    def ask():
        asked.append(1)
        if not valid:
            raise PermissionError("401")

    @ask.remedy(PermissionError)
    def refresh(failure):
        nonlocal valid
        refreshed.append(clock.now())
        if len(refreshed) <= raises:
            raise ConnectionError("the identity server is down")
        valid = True

    def clear(failure):
        nonlocal valid
        cleared.append(1)
        valid = True

    for _ in range(others):
        ask.remedy(PermissionError)(clear)
    outcome = ask.outcome()

    assert told == (len(asked), len(refreshed), len(cleared), outcome.ok)
    assert len(refreshed) == len(set(refreshed))  # there is a pause between
    assert outcome.ok or "is not repeated unless a remedy changes something first" in outcome.explain()
    assert "wait" not in outcome.remedies
    assert all("wait" not in known for known in ask.node.get_status().remedies.values())


def test_after_an_outage_one_look_tries_all_that_is_at_hand(clock):
    """Not one remedy in each twentieth call: the one that works may be the last of them."""

    @ub.protect("api", breaker=False, budget=False, effects="none", retry=ub.Retry(4, backoff=ub.Backoff(0)))
    def ask():
        raise PermissionError("401")

    done = []
    for number in range(3):
        ask.remedy(PermissionError, name=f"fix {number}")(lambda failure, number=number: done.append(number))
    for _ in range(200):
        ask.outcome()
    tried = [len(set(ask.outcome().remedies)) for _ in range(60)]
    assert [3, 3] == [remedies for remedies in tried if remedies][-2:]


def test_what_is_repaired_for_the_next_call_is_never_left_out(clock):
    """Where the effects forbid the repeat nobody learns whether it helped, so a failed outage says nothing for ever."""
    left, is_up = 0, False

    @ub.protect("pay", effects="once", breaker=False)
    def pay():
        nonlocal left
        if left <= 0:
            raise PermissionError("expired")
        left -= 1

    @pay.remedy(PermissionError)
    def refresh(failure):
        nonlocal left
        if not is_up:
            raise ConnectionError("down")
        left = 10

    for _ in range(30):
        pay.outcome()
    is_up = True
    assert 10 >= sum(not pay.outcome().ok for _ in range(100))


def test_one_instance_that_is_sick_takes_no_remedy_from_the_others(clock):
    """They share what was learned, and the remedy mends each for itself."""

    class Client:
        def __init__(self, is_sick=False):
            self.is_sick, self.left = is_sick, 0

        @ub.protect("api", effects="none", breaker=False, budget=False)
        def get(self):
            if self.left <= 0:
                raise PermissionError("expired")
            self.left -= 1

        @get.remedy(PermissionError)
        def refresh(self, failure):
            if self.is_sick:
                raise ConnectionError("down")
            self.left = 5

    sick, *well = Client(is_sick=True), Client(), Client(), Client()
    lost = 0
    for _ in range(100):
        sick.get.outcome()
        lost += sum(not client.get.outcome().ok for client in well)
    assert lost <= 6


class TooLarge(Exception):
    status_code = 413


@pytest.mark.parametrize("fits", [500, 32, 8])
def test_a_batch_that_needs_many_halvings_is_halved_as_often_each_time(fits):
    """Each step that is not enough yet says nothing against the remedy."""

    remedies, retry = [ub.remedies.smaller_batch("size")], ub.Retry(10, backoff=ub.Backoff(0))

    @ub.protect("loader", effects="idempotent", budget=False, retry=retry, remedies=remedies)
    def load(size=1000):
        if size > fits:
            raise TooLarge(f"{size} rows are too many")

    assert all(load.outcome().ok for _ in range(20))


def test_giving_up_as_it_is_given_does_not_push_the_remedy_before_it_aside():
    """One that misses now and then is applied in every call, and then it is over."""
    is_fresh, asked = False, 0

    def refresh(failure):
        nonlocal is_fresh, asked
        asked += 1
        is_fresh = asked % 5 > 0

    @ub.protect("api", remedies=[(PermissionError, refresh), ub.remedies.give_up(PermissionError)], **PATIENT)
    def ask():
        if not is_fresh:
            raise PermissionError("401")

    ok = 0
    for _ in range(100):
        is_fresh = False
        ok += ask.outcome().ok
    assert (80, 100) == (ok, asked)


def test_a_remedy_beside_one_that_never_helps_has_its_second_turn():
    """What is in vain takes no attempt from what helps two times in three."""
    is_fresh, asked, in_vain = False, 0, 0

    @ub.protect("api", **PATIENT)
    def ask():
        if not is_fresh:
            raise PermissionError("401")

    @ask.remedy(PermissionError)
    def refresh(failure):
        nonlocal is_fresh, asked
        asked += 1
        is_fresh = asked % 3 > 0

    @ask.remedy(PermissionError)
    def log_in(failure):
        nonlocal in_vain
        in_vain += 1

    ok = 0
    for _ in range(100):
        is_fresh = False
        ok += ask.outcome().ok
    assert 100 == ok
    assert in_vain <= 15


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_remedy_that_goes_through_and_helps_nothing_makes_no_repeat_free(share):
    """What another call has mended meanwhile costs nothing as long as it is known to mend, and not by chance."""
    attempts, calls, dice = 0, 0, random.Random(1).random

    @ub.protect("api", hedge=False, timeout=False, **{**PATIENT, "budget": None})
    async def ask():
        nonlocal attempts
        attempts += 1
        await sleep(0.1)
        if dice() < share:
            raise ConnectionError("down")

    @ask.remedy(ConnectionError)
    async def reconnect(failure):
        await sleep(0.05)

    async def all_of_them():
        nonlocal calls
        for _ in range(10):
            calls += 40
            await asyncio.gather(*(ask.outcome() for _ in range(40)))
            await sleep(1.0)

    asyncio.run(all_of_them())
    assert attempts <= 1.3 * calls


def test_what_a_constructor_registers_is_the_instance_s_own():
    """In a subclass another method may stand in its place: each is for those whose it is."""
    applied = []

    class Client:
        def __init__(self):
            self.is_fresh = False
            self.get.remedy(PermissionError)(self.refresh)

        @ub.protect("api", **PATIENT)
        def get(self):
            if not self.is_fresh:
                raise PermissionError("401")

        def refresh(self, failure):
            applied.append("plain")
            self.is_fresh = True

    class OAuth(Client):
        def refresh(self, failure):
            applied.append("OAuth")
            self.is_fresh = True

    for sort in (Client, OAuth, OAuth, Client):
        sort().get()
    assert ["plain", "OAuth", "OAuth", "plain"] == applied


def test_what_is_repaired_for_the_next_call_is_judged_by_it():
    """Of two remedies after which the effects forbid an attempt, the one that helps is found all the same."""
    left = 0

    @ub.protect("pay", effects="once", breaker=False)
    def pay():
        nonlocal left
        if left <= 0:
            raise PermissionError("expired")
        left -= 1

    @pay.remedy(PermissionError)
    def reconnect(failure):
        pass

    @pay.remedy(PermissionError)
    def refresh(failure):
        nonlocal left
        left = 5

    lost = [not pay.outcome().ok for _ in range(120)]
    assert sum(lost) <= 35
    assert sum(lost[60:]) <= 11


def test_a_subclass_has_its_own_remedy_and_its_own_fallback():
    """As with any method of the name: what takes less, or is no method, among them."""

    class Client:
        def __init__(self, *, mends):
            self.mends, self.is_fresh = mends, False

        def cached(self, failure):
            return "plain"

        @ub.protect("api", fallback=cached, **PATIENT)
        def get(self):
            if not self.is_fresh:
                raise PermissionError("401")
            return "fresh"

        @get.remedy(PermissionError)
        def refresh(self, failure):
            self.is_fresh = self.mends

    class OAuth(Client):
        def cached(self, failure):
            return "OAuth"

        def refresh(self):
            self.is_fresh = self.mends and "by OAuth"

    class Odd(Client):
        refresh = "none"

    clients = [sort(mends=mends) for sort in (Client, OAuth, Odd) for mends in (True, False)]
    assert ["fresh", "plain", "fresh", "OAuth", "fresh", "plain"] == [client.get() for client in clients]
    assert "by OAuth" == clients[2].is_fresh


@pytest.mark.parametrize("effects", ["once", "unknown"])
def test_that_others_succeed_says_nothing_for_a_remedy_that_helps_nobody(clock, effects):
    """One customer among many is refused for good: no remedy is believed to mend that, or is applied in advance."""

    @ub.protect("pay", effects=effects, breaker=False)
    def pay(customer):
        if customer == 0:
            raise PermissionError("the account is closed")

    events = []
    pay.node.on(ub.events.Prevented, events.append)
    pay.remedy(PermissionError)(lambda failure: None)
    for number in range(400):
        clock.advance(60)
        pay.outcome(number % 10)
    (told,) = pay.node.get_status().remedies.values() or ({},)
    assert (0, []) == (told.get("<lambda>", {"worked": 0})["worked"], events)
