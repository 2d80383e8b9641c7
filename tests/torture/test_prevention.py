"""What dies by a rule is mended before it does: by one call, at nobody's expense, and honestly counted."""

from __future__ import annotations

import itertools
import random

import pytest
from tests.dense import most
from tests.torture.conftest import Colour
from tests.torture.test_remedies import crowd

import unbreakable as ub

FREE = {"effects": "idempotent", "breaker": False, "budget": False}


class Token:
    """A token that dies an hour after it was fetched, and a service that refuses it then."""

    def __init__(self, colour, life=3_600.0, seconds=0.0):
        self.colour, self.life, self.seconds = colour, life, seconds
        self.born, self.met, self.logins, self.fails = colour.now(), [], [], []

    async def call(self):
        if self.colour.now() - self.born >= self.life:
            self.met.append(self.colour.now())
            raise PermissionError("401 token 4711 has expired")
        return "in"

    async def log_in(self, failure):
        self.logins.append(type(failure.error).__name__)
        await self.colour.sleep(self.seconds)
        if self.fails:
            raise self.fails.pop(0)
        self.born = self.colour.now()

    def door(self, **options):
        """Return the protected call."""
        door = self.colour.protect(self.call, **{**FREE, **options})
        door.remedy(PermissionError, name="log in")(self.colour.plain(self.log_in))
        return door

    async def live(self, door, seconds, every=60.0):
        """Call every minute for so long; return how the calls ended."""
        until, ends = self.colour.now() + seconds, set()
        while self.colour.now() < until:
            await self.colour.sleep(every)
            ends.add(await self.colour.call(door))
        return ends


def test_a_token_that_dies_every_hour_is_refreshed_before_after_the_third_death(colour):
    """Of a hundred deaths three are met, and two that are left to happen as a control."""

    async def story():
        token = Token(colour)
        door = token.door()
        ends = await token.live(door, 100 * 3_600.0)
        (told,) = door.node.get_status().foresights.values()
        return ends, len(token.met), told, door.node.get_status().success_rate

    ends, met, told, rate = colour.play(story)

    assert ({"in"}, 1.0) == (ends, rate)
    assert 4 <= met <= 5
    assert ("log in", "age", met - 3) == (told["remedy"], told["rule"], told["abstained"])
    assert told["applied"] == pytest.approx(told["prevented"], abs=1)
    assert 95 <= told["prevented"] <= 99


def test_the_outcome_says_what_was_prevented(colour):
    """A call that mended in advance is OK at the first attempt, and tells of the remedy and why."""

    async def story():
        token, heard = Token(colour), []
        door = token.door()
        await token.live(door, 4 * 3_600.0 - 300)
        door.node.on(ub.events.Prevented, heard.append)
        outcomes = []
        while not heard:
            await colour.sleep(30.0)
            outcomes.append(await colour.call(door.outcome))
        return outcomes[-1], heard

    outcome, (event,) = colour.play(story)

    assert ("ok", 1, ("log in",)) == (outcome.status.value, outcome.attempts, outcome.remedies)
    assert "a failure that log in mends is due by its age" in outcome.explain()
    assert ("log in", "age") == (event.remedy, event.rule)


@pytest.mark.parametrize("calls", [50])
def test_many_calls_need_one_remedy_when_it_is_due(colour, calls):
    """Of fifty calls that come when it is due, one applies the remedy, and no other waits for it."""

    async def story():
        token = Token(colour, seconds=5.0)
        door = token.door()
        await token.live(door, 3 * 3_600.0 + 900)
        logins = len(token.logins)
        await colour.sleep(token.born + 3_580 - colour.now())
        began = colour.now()
        ends = await crowd(colour, door, calls)
        return ends, len(token.logins) - logins, colour.now() - began, len(token.met)

    assert ({"in"}, 1, 5.0, 3) == colour.play(story)


def test_a_remedy_that_fails_in_advance_fails_no_call(colour):
    """The call goes on, as would have done without; the failure is healed when it comes."""

    async def story():
        token = Token(colour)
        door = token.door()
        await token.live(door, 3 * 3_600.0 + 900)
        token.fails = [RuntimeError("login is down")] * 2
        await token.live(door, token.born + 3_590.0 - colour.now(), every=5.0)
        (scores,) = door.node.get_status().remedies.values()
        assert scores["log in"]["worked"] == scores["log in"]["tried"]  # in advance it says nothing
        ends = await token.live(door, 3_600.0)
        return ends, token.logins[3:], len(token.met)

    assert ({"in"}, ["Foreseen", "Foreseen", "PermissionError", "Foreseen"], 4) == colour.play(story)


def test_a_remedy_that_hangs_in_advance_costs_a_call_half_its_time():
    """What is done in advance is cut at half of what the call has left, and the call itself succeeds."""
    colour = Colour("async")  # plain code cannot be cut

    async def story():
        token = Token(colour)
        door = token.door(deadline=20.0)
        await token.live(door, 3 * 3_600.0 + 900)
        await colour.sleep(token.born + 3_580 - colour.now())
        token.seconds, began = 1e6, colour.now()
        return await colour.call(door), colour.now() - began

    assert ("in", 10.0) == colour.play(story)


def test_what_changes_each_calls_own_arguments_is_not_foreseen(colour):
    """A remedy that returns arguments mends one call only; nothing of it can be done in advance."""

    async def story():
        async def work(token="old"):  # noqa: S107
            if token == "old":
                raise PermissionError("401")
            return token

        async def mend(failure):
            return {"token": "fresh"}

        door = colour.protect(work, **FREE)
        door.remedy(PermissionError)(colour.plain(mend))
        for _ in range(10):
            await colour.sleep(60.0)
            await colour.call(door)
        return door.node.get_status().foresights, door.node.target.experience.foreseen

    assert ({}, float("inf")) == colour.play(story)


def test_while_the_circuit_is_open_nothing_is_done_in_advance(colour):
    """A call that is refused mends nothing."""

    async def story():
        token = Token(colour)
        door = token.door(breaker=ub.CircuitBreaker())
        await token.live(door, 3 * 3_600.0 + 900)
        await colour.sleep(token.born + 3_580 - colour.now())
        door.node.breaker.force_open()
        logins = len(token.logins)
        await colour.call(door.outcome)
        return len(token.logins) - logins

    assert 0 == colour.play(story)


def test_how_long_it_lives_survives_a_restart(colour):
    """The next process knows the age from its first remedy on."""

    async def story():
        memory, token = ub.LocalMemory(), Token(colour)
        for _ in range(2):
            met, door = len(token.met), token.door(memory=memory)
            await token.live(door, 5 * 3_600.0)
            await (door.node.aclose() if colour.is_async else colour.call(door.node.aclose_sync))
        return met, len(token.met) - met

    assert (3, 1) == colour.play(story)


def test_calls_before_it_is_due_take_the_quick_path(colour, monkeypatch):
    """That something is foreseen costs the calls before nothing but a look at the clock."""

    async def story():
        token = Token(colour)
        door = token.door()
        await token.live(door, 3 * 3_600.0 + 900)
        monkeypatch.setattr(ub.FractalNode, "play", None)
        return await token.live(door, 1_800.0)

    assert {"in"} == colour.play(story)


class Quota:
    """A service that refuses whoever has made 300 calls since he logged in."""

    def __init__(self, colour):
        self.colour, self.used, self.met = colour, 0, 0
        self.dice, self.pace = random.Random(1).random, 1.0

    async def call(self):
        if self.used >= 300:
            self.met += 1
            raise PermissionError("401 the quota is used up")
        self.used += 1

    async def log_in(self, failure):
        self.used, self.pace = 0, 10.0 * self.dice()

    def door(self):
        """Return the protected call."""
        door = self.colour.protect(self.call, **FREE)
        door.remedy(PermissionError, name="log in")(self.colour.plain(self.log_in))
        return door

    async def use(self, door, times, by_script=0):
        """Make so many calls, each life's at another pace; one of so many *by_script*."""
        for number in range(times):
            if number % 10 == 0:
                await self.colour.sleep(self.pace)
            await self.colour.call(door.outcome if by_script and number % by_script == 0 else door)


@pytest.mark.parametrize("by_script", [0, 7])
def test_what_dies_after_so_many_calls_is_mended_in_time(colour, by_script):
    """Of seven quotas three are used up, however calls are made and learned from meanwhile."""

    async def story():
        quota = Quota(colour)
        door = quota.door()
        await quota.use(door, 8 * 300, by_script)
        (told,) = door.node.get_status().foresights.values()
        return quota.met, told["rule"], told["applied"]

    assert (3, "count", 4) == colour.play(story)


def test_calls_before_a_quota_is_used_up_take_the_quick_path(colour, monkeypatch):
    """Only those near the end ask whether it has come."""

    async def story():
        quota = Quota(colour)
        door = quota.door()
        await quota.use(door, 4 * 300 + 2)
        assert 3 == quota.met
        monkeypatch.setattr(ub.FractalNode, "play", None)
        await quota.use(door, 270)
        return door.node.get_status().failure_count

    assert 0 == colour.play(story)


KEPT = (ub.events.AttemptFailed, ub.events.Prevented, ub.events.RetryDenied, ub.events.RemedyConfirmed)


@pytest.mark.parametrize("seed", range(most(3, 1)))
def test_both_drivers_foresee_and_give_up_alike(seed):
    """The same events at the same virtual times, whatever dies, is mended, left out, missed and given up."""

    def told(name):
        colour, dice, heard = Colour(name), random.Random(seed), []

        async def story():
            token, began, hiccups = Token(colour, life=600.0), colour.runtime.now(), []

            async def work():
                if hiccups:
                    raise hiccups.pop()
                return await token.call()

            door = colour.protect(work, **FREE)
            door.remedy(PermissionError, name="log in")(colour.plain(token.log_in))
            for kind in KEPT:
                door.node.on(kind, lambda event: heard.append((type(event).__name__, round(event.at - began, 3))))
            for _ in range(600):
                await colour.sleep(dice.expovariate(1 / 20.0))
                hiccups[:] = [ConnectionResetError("gone")] * dice.choice([0] * 20 + [1, 3, 3, 3])
                await colour.call(door.outcome)
            return list(door.node.get_status().foresights.values())

        return colour.play(story), heard

    (one, heard), (other, also) = (told(name) for name in ("async", "sync"))
    differing = next((pair for pair in itertools.zip_longest(heard, also) if pair[0] != pair[1]), None)

    assert (None, one) == (differing, other)
    assert {kind.__name__ for kind in KEPT} == {name for name, _ in heard}


def test_a_remedy_that_the_program_no_longer_has_is_foreseen_no_more(colour):
    """What was foreseen with it is forgotten when it is due; the calls go on."""

    async def story():
        token = Token(colour)
        door = token.door()
        await token.live(door, 3 * 3_600.0 + 900)
        known = list(door.node.get_status().foresights.values())
        door.node.remedies.clear()
        await colour.sleep(token.born + 3_580 - colour.now())
        return await colour.call(door), known[0]["rule"], door.node.get_status().foresights, len(token.logins)

    assert ("in", "age", {}, 3) == colour.play(story)


def test_nothing_is_mended_in_advance_for_calls_that_are_not_made(colour):
    """A circuit that is open refuses them; what is due is still due for the first one that it lets through."""

    async def story():
        token = Token(colour)
        door = token.door(breaker=ub.CircuitBreaker())
        await token.live(door, 3 * 3_600.0 + 900)
        await colour.sleep(token.born + 3_580 - colour.now())
        logins, ends = len(token.logins), []
        door.node.breaker.force_open()
        execute = door.node.execute if colour.is_async else door.node.execute_sync
        ends.append((await colour.call(execute, colour.plain(token.call))).ok)
        logins_while_open = len(token.logins) - logins
        door.node.breaker.reset()
        ends.append((await colour.call(door.outcome)).ok)
        return ends, logins_while_open, len(token.logins) - logins

    assert ([False, True], 0, 1) == colour.play(story)
