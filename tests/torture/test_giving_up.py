"""What is permanent costs one attempt once that is known, and what is not is not given up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class HttpError(Exception):
    """What a client library makes of an answer."""

    def __init__(self, status, body=None, headers=None):
        super().__init__(f"{status} for url: https://api.example/v1/orders/{id(self)}")
        content = b"" if body is None else json.dumps(body).encode()
        self.response = SimpleNamespace(status_code=status, _content=content, headers=headers or {})


AUTH = (500, {"error": {"type": "auth_error", "message": "token 4711 is not valid"}})
NO_LIMIT = (429, {"error": "rate_limited", "limit": 0, "used": 17})
NO_LIMIT_IN_HEADERS = (429, None, {"x-ratelimit-limit": "0"})
CRASHED = (500, {"error": {"type": "server_error", "message": "request 4711 crashed"}})
LIMITED = (429, {"error": "rate_limited", "limit": 250, "used": 250})


async def attempts_of(colour, door, times, *args):
    """Return how many attempts each of so many calls took."""
    return [(await colour.call(door.outcome, *args)).attempts for _ in range(times)]


def answering(answers):
    """Return an operation that raises what stands under its argument, if anything does."""

    async def work(which):
        if which in answers:
            raise HttpError(*answers[which])
        return which

    return work


FREE = {"effects": "idempotent", "breaker": False, "budget": False}


@pytest.mark.parametrize("answer", [AUTH, NO_LIMIT, NO_LIMIT_IN_HEADERS], ids=["auth", "limit", "limit in headers"])
def test_a_permanent_error_costs_one_attempt_after_two_calls(colour, answer):
    """A 429 with a limit of 0, and a 500 that says auth_error, are not repeated, but for a rare look."""

    async def story():
        door = colour.protect(answering({"bad": answer}), **FREE)
        learning = await attempts_of(colour, door, 2, "bad")
        return learning, await attempts_of(colour, door, 200, "bad")

    learning, after = colour.play(story)

    assert [3, 3] == learning
    assert {1, 2} == set(after)
    assert 178 <= after.count(1)  # one in twenty looks, with one more attempt


@pytest.mark.parametrize("answer", [AUTH, NO_LIMIT])
def test_its_like_with_another_body_is_not_given_up(colour, answer):
    """The status alone says too little: a 500 that passes and a limit that is not 0 are repeated as before."""

    async def story():
        like = {AUTH[0]: CRASHED, NO_LIMIT[0]: LIMITED}[answer[0]]
        answers = {"bad": answer, "like": like}
        door = colour.protect(answering(answers), **FREE)
        await attempts_of(colour, door, 20, "bad")
        return await attempts_of(colour, door, 1, "like")

    assert [3] == colour.play(story)


def test_what_is_given_up_is_not_repeated_quickly_either(colour):
    """The plain form, whose repeats are arithmetic, gives up as well."""

    async def story():
        calls = []

        async def work():
            calls.append(1)
            raise HttpError(*AUTH)

        door = colour.protect(work, **FREE)
        for _ in range(42):
            with pytest.raises(HttpError):
                await colour.call(door)
        return len(calls)

    assert 2 * 3 + 40 <= colour.play(story) <= 2 * 3 + 40 + 8


def test_it_is_told_why_there_is_no_repeat(colour):
    """The story of the call says that no repeat has helped."""

    async def story():
        door = colour.protect(answering({"bad": AUTH}), **FREE)
        outcomes = [await colour.call(door.outcome, "bad") for _ in range(20)]
        return next(outcome.explain() for outcome in outcomes if outcome.attempts == 1)

    assert "no further attempt: no repeat has helped against this, call after call" in colour.play(story)


def test_calls_that_were_not_repeated_teach_nothing(colour):
    """Whether repeats help is learned from calls that made some: not from one attempt, nor from one failure each."""

    async def story():
        state = {"turn": 0}

        async def work():
            state["turn"] += 1
            raise (ConnectionResetError if state["turn"] % 2 else TimeoutError)("gone")

        once = colour.protect(answering({"bad": AUTH}), **FREE, retry=False)
        twice = colour.protect(work, **FREE, retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
        await attempts_of(colour, once, 20, "bad")
        return once.node.target.experience.is_grim, await attempts_of(colour, twice, 20)

    assert (False, [2] * 20) == colour.play(story)


def test_after_an_outage_a_hiccup_is_repeated_again(colour):
    """However many calls were lost while the target was down, the first that fails when it is up again is healed."""

    async def story():
        state = {"down": True, "hiccup": False}

        async def work():
            if state["down"] or state.pop("hiccup", False):
                raise ConnectionResetError("gone")
            return 1

        door = colour.protect(work, **FREE)
        down = await attempts_of(colour, door, 40)
        state["down"] = False
        up = await colour.call(door)
        state["hiccup"] = True
        return down, up, (await colour.call(door.outcome)).status.value

    down, up, end = colour.play(story)

    assert 3 == down[0]
    assert down[10:].count(1) > 20
    assert (1, "healed") == (up, end)


@pytest.mark.parametrize("seed", range(3))
def test_after_many_outages_a_hiccup_is_repeated_again(seed):
    """Five outages of two minutes, and an hour of health after each: every call that one repeat heals is healed."""
    state = {"down": False, "hiccup": False}

    def work():
        if state["down"] or state.pop("hiccup", False):
            raise ConnectionResetError("gone")

    with virtual_time(seed=seed) as clock:
        door = ub.protect("partner", effects="idempotent")(work)

        def calls(times):
            for _ in range(times):
                clock.advance(10)
                with contextlib.suppress(ConnectionResetError, ub.errors.CircuitOpen):
                    door()

        for _ in range(5):
            calls(360)
            state["down"] = True
            calls(12)
            state["down"] = False
        calls(360)
        ends = []
        for _ in range(10):
            calls(10)
            state["hiccup"] = True
            ends.append(door.outcome().status.value)

    assert ["healed"] * 10 == ends


@pytest.mark.parametrize("others", [1, 3])
def test_a_request_that_fails_for_ever_costs_one_attempt_while_others_succeed(colour, others):
    """Its target says nothing but that it failed, and answers other requests between any two that it does not."""

    async def story():
        door = colour.protect(answering({"bad": CRASHED}), **FREE)
        taken = []
        for _ in range(50):
            await attempts_of(colour, door, others, "good")
            taken += await attempts_of(colour, door, 1, "bad")
        return taken

    taken = colour.play(story)

    assert [3, 1] == [taken[0], min(taken[:6])]
    assert 35 <= taken[6:].count(1)


def test_what_was_permanent_and_is_no_more_is_found_out(colour):
    """Probes see that repeats help again, and from then on they are made."""

    async def story():
        state = {"bad": True, "failed": False}

        async def work():
            state["failed"] = not state["failed"]
            if state["bad"] or state["failed"]:
                raise HttpError(*AUTH)
            return 1

        door = colour.protect(work, **FREE)
        await attempts_of(colour, door, 30)
        state["bad"] = False
        await attempts_of(colour, door, 300)
        state["failed"] = False
        return [(await colour.call(door.outcome)).status.value for _ in range(20)]

    assert ["healed"] * 20 == colour.play(story)


def test_a_remedy_that_was_never_tried_against_it_is(colour):
    """Nothing is given up before every remedy for it had its turn, the ones that are registered late included."""

    async def story():
        state = {"bad": True}

        async def work():
            if state["bad"]:
                raise HttpError(*AUTH)
            return 1

        async def mend(failure):
            state["bad"] = False

        door = colour.protect(work, **FREE)
        await attempts_of(colour, door, 30)
        door.remedy(HttpError, name="log in")(colour.plain(mend))
        return (await colour.call(door.outcome)).remedies

    assert ("log in",) == colour.play(story)


def test_what_is_known_to_be_permanent_survives_a_restart(colour):
    """The next process gives up at once what this one has learned to."""

    async def story():
        memory = ub.LocalMemory()
        taken = []
        for _ in range(2):
            door = colour.protect(answering({"bad": AUTH}), **FREE, memory=memory)
            taken += await attempts_of(colour, door, 5, "bad")
            await (door.node.aclose() if colour.is_async else colour.call(door.node.aclose_sync))
        return taken

    taken = colour.play(story)

    assert [3, 3] == taken[:2]
    assert 4 <= taken[5:].count(1)


def test_requests_that_fail_for_ever_are_given_up_beside_hiccups():
    """One request in twenty is wrong, and one answer in twenty is lost: the former are repeated once in twenty."""
    dice, bad = random.Random(2), []

    async def work(is_bad):
        await ASYNCIO.sleep(dice.uniform(0.01, 0.03))
        if is_bad:
            bad.append(1)
            raise ValueError("wrong")
        if dice.random() < 0.05:
            raise ConnectionResetError

    async def story():
        door = ub.protect("partner", effects="none")(work)
        calls = []
        for _ in range(4_000):
            await ASYNCIO.sleep(dice.expovariate(80.0))
            calls.append(asyncio.create_task(door.outcome(dice.random() < 0.05)))
        ends = await asyncio.gather(*calls)
        return sum(not end.ok and isinstance(end.error, ValueError) for end in ends), ends

    with virtual_time(seed=1):
        wrong, ends = asyncio.run(story())

    assert len(bad) <= 1.3 * wrong  # the first few, and one in twenty
    assert not any(not end.ok and not isinstance(end.error, ValueError) for end in ends)
