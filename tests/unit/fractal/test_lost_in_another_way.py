"""A remedy after which calls are lost by another kind of failure has not worked, or not as far as anybody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.errors import Kind, VerificationFailed
from unbreakable.fractal.turn import Turn
from unbreakable.fractal.verdicts import came_through
from unbreakable.outcome import Failure
from unbreakable.policies import Context, Plan
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class Answer(Exception):
    """An answer of the target, by its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the target says {status}")
        self.http_status = status


FREE = {"effects": "idempotent", "hedge": False, "budget": False, "breaker": False}
AT_ONCE = ub.Retry(4, backoff=ub.Backoff(0.0))


def played(story: Callable[[], Awaitable[Any]]) -> Any:
    """Return what *story* returns, in virtual time."""
    with virtual_time(seed=3):
        return asyncio.run(story())  # type: ignore[arg-type]


def partner(*remedies: str, fails: Callable[[], Exception | None] = lambda: None, **options: Any) -> Any:
    """Return a protected call with a token, and *remedies* in that order; with a fresh token it *fails* now and then.

    "right" fetches a fresh token and "wrong" another one's, of which a 400 is made; "useless" does nothing.
    """

    @ub.protect("partner", **{**FREE, "retry": AT_ONCE, **options})
    async def ask() -> str:
        await ASYNCIO.sleep(0.01)
        if ask.token == "dead":
            raise PermissionError("401")
        if ask.token == "wrong":
            raise Answer(400)
        error = fails()
        if error is not None:
            raise error
        return "answer"

    def doing(name: str) -> Callable[[ub.Failure], Awaitable[None]]:
        async def mend(failure: ub.Failure) -> None:
            await ASYNCIO.sleep(0.1)
            ask.made.append(name)
            ask.token = ask.becomes.get(name, name)

        return mend

    ask.token, ask.made, ask.becomes = "dead", [], {"useless": "dead"}
    for name in remedies:
        ask.remedy(PermissionError, name=name)(doing(name))
    return ask


def score(call: Any, remedy: str) -> dict[str, float]:
    """Return what is known of *remedy*, added up over all signatures."""
    known = [row[remedy] for row in call.node.get_status().remedies.values() if remedy in row]
    return {fact: sum(each[fact] for each in known) for fact in ("tried", "worked")}


@pytest.mark.parametrize("order", [("wrong", "right"), ("right", "wrong")])
@pytest.mark.parametrize(("every", "options"), [(1, {}), (10, {"budget": None, "breaker": None})])
def test_of_two_remedies_the_one_that_makes_another_failure_of_it_gives_way(
    order: tuple[str, str], every: int, options: dict[str, Any]
) -> None:
    """In either order, whether all calls find the token dead or each tenth one, which finds the budget as it comes."""
    ask = partner(*order, **options)

    async def story() -> None:
        for number in range(15 * every):
            ask.token = "dead" if number % every == 0 else ask.token
            await ask.outcome()
            await ASYNCIO.sleep(6.0)

    played(story)
    assert ["wrong"] * (order[0] == "wrong") == [each for each in ask.made if each == "wrong"]
    assert ask.made.count("right") >= 14


def test_a_remedy_that_stops_working_in_another_way_is_demoted() -> None:
    """Forty successes do not speak for it any more once nothing succeeds by it."""
    ask = partner("first", "right")

    async def story() -> None:
        for number in range(50):
            ask.token = "dead"
            await ask.outcome()
            if number == 19:
                ask.becomes["first"] = "wrong"

    played(story)
    assert ["first"] * 20 == ask.made[:20]
    assert ask.made[20:].count("first") <= 10
    assert ask.made[-10:].count("right") >= 8


def test_an_endpoint_that_becomes_worse_in_another_way_is_left_alone() -> None:
    """That the first host serves most calls speaks for no other one."""
    others: list[int] = []

    @ub.protect(
        "search",
        **FREE,
        retry=ub.Retry(3, backoff=ub.Backoff(0.05)),
        remedies=[ub.remedies.other_endpoint(lambda: {"host": "b"}, on=ConnectionError)],
    )
    async def search(number: int, host: str = "a") -> int:
        if host == "b":
            others.append(number)
            if number > 100:
                raise Answer(400)
        elif number % 5 == 0 and ub.current().attempt == 1:
            raise ConnectionResetError("a hiccup")
        return number

    async def story() -> None:
        for number in range(200):
            await search.outcome(number)

    played(story)
    assert 15 <= len([number for number in others if number <= 100])
    assert 1 <= len([number for number in others if number > 100]) <= 6


OTHERS = {
    "500": Answer(500),
    "429": Answer(429),
    "404": Answer(404),
    "a bug": TypeError("host"),
    "hangs": AssertionError("it does not come so far"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_an_endpoint_that_is_no_better_is_left_alone(other: str) -> None:
    """Each fifth call of the one host fails, and waiting heals it; the other host fails all, in another way."""
    numbers, others = count(), set()

    @ub.protect(
        "search",
        effects="idempotent",
        hedge=False,
        timeout=ub.Timeout(2.0),
        retry=ub.Retry(3, backoff=ub.Backoff(0.05)),
        remedies=[ub.remedies.other_endpoint(lambda: {"host": "b"}, on=ConnectionError)],
    )
    async def search(number: int, host: str = "a") -> int:
        if host == "b":
            others.add(number)
            await ASYNCIO.sleep(60.0 if other == "hangs" else 0.01)
            raise OTHERS[other]
        if next(numbers) % 5 == 0:
            raise ConnectionResetError("a hiccup")
        return number

    async def story() -> None:
        for number in range(75):
            await search.outcome(number)
            await ASYNCIO.sleep(1.0)

    played(story)
    assert 1 <= len(others) <= 3
    assert 0 == score(search, "other_endpoint")["worked"] < score(search, "other_endpoint")["tried"]


@pytest.mark.parametrize("order", [("right", "useless"), ("useless", "right")])
def test_other_failures_that_come_now_and_then_do_not_demote_what_mends(order: tuple[str, str]) -> None:
    """A fifth of the calls is answered 404, whatever was mended: the right remedy stays first, and trusted."""
    numbers, firsts = count(), []
    ask = partner(*order, fails=lambda: Answer(404) if next(numbers) % 5 == 4 else None)

    async def story() -> None:
        for _ in range(40):
            ask.token, before = "dead", len(ask.made)
            await ask.outcome()
            firsts.append(ask.made[before])
            await ask.outcome()
            await ask.outcome()

    played(story)
    assert firsts.count("right") >= 36
    (estimates,) = [row for row in ask.node.get_status().remedies.values() if "right" in row]
    assert estimates["right"]["estimate"] >= 0.9


def test_a_remedy_is_not_passed_over_since_the_usual_answer_is_a_no() -> None:
    """Of a lookup that finds nothing, call after call, the token is renewed each time that it is dead."""
    ask = partner("right", fails=lambda: Answer(404))

    async def story() -> None:
        for _ in range(60):
            ask.token = "dead"
            await ask.outcome()

    played(story)
    assert 60 == len(ask.made)


def test_fifty_calls_that_are_lost_by_one_application_are_one_verdict() -> None:
    """It happened once."""
    ask = partner("wrong")

    async def story() -> list[Any]:
        return await asyncio.gather(*(ask.outcome() for _ in range(50)))

    assert not any(outcome.ok for outcome in played(story))
    assert ["wrong"] == ask.made
    assert {"tried": 1.0, "worked": 0.0} == score(ask, "wrong")


def test_what_was_judged_by_one_call_is_not_judged_by_anothers_other_trouble() -> None:
    """Of calls that one application served, those that are lost by a 404 say nothing that others have not said."""
    fails, told = [Answer(404)] * 6 + [None, Answer(404), Answer(404), None, Answer(404)], []
    ask = partner("right", fails=lambda: fails.pop(0))
    ask.node.on(ub.events.RemedyConfirmed, lambda event: told.append(event.worked))

    async def story() -> None:
        for _ in range(6):
            ask.token = "dead"
            await ask.outcome()
        ask.token = "dead"
        await asyncio.gather(*(ask.outcome() for _ in range(5)))

    played(story)
    assert not fails
    assert [False] * 6 + [True, True] == told


class Client:
    """A client of its own token, which it renews by itself, and be it by a wrong one."""

    def __init__(self, new: str) -> None:
        self.token, self.new = "dead", new

    @ub.protect("partner", **FREE, retry=AT_ONCE)
    async def ask(self) -> str:
        """Ask the partner."""
        if self.token == "dead":
            raise PermissionError("401")
        if self.token == "wrong":
            raise Answer(400)
        return "answer"

    @ask.remedy(PermissionError)
    def renew(self) -> None:
        """Renew the token."""
        self.token = self.new


def test_each_instances_own_remedy_is_judged_by_its_own_calls() -> None:
    """That others are served by theirs meanwhile is no proof for one whose calls are lost."""

    async def story() -> list[float]:
        estimates = []
        for new in ("fresh", "fresh", "fresh", "wrong", "wrong"):
            await Client(new).ask.outcome()
            (row,) = Client.ask.node.get_status().remedies.values()
            estimates.append(row["renew"]["estimate"])
        return estimates

    estimates = played(story)
    assert estimates[2] > estimates[3] > estimates[4]


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "script"])
@pytest.mark.parametrize(("last", "tried"), [(Answer(400), 1), (None, 0)], ids=["lost", "healed"])
def test_waiting_is_judged_as_any_remedy_is(quick: bool, last: Exception | None, tried: int) -> None:
    """A call that is lost after it in another way is a miss; of one that is healed in the end nobody can tell."""
    fails = [ConnectionResetError("gone"), TimeoutError("slow"), last]

    @ub.protect("partner", **FREE, retry=ub.Retry(3, backoff=ub.Backoff(1.0, jitter=False)))
    async def ask() -> str:
        error = fails.pop(0)
        if error is not None:
            raise error
        return "answer"

    async def story() -> None:
        await (asyncio.gather(ask(), return_exceptions=True) if quick else ask.outcome())

    played(story)
    known = ask.node.get_status().remedies
    assert tried == sum(row["wait"]["tried"] for place, row in known.items() if "gone" in place and "wait" in row)


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "script"])
@pytest.mark.parametrize(
    ("no", "reset", "on"),
    [
        (Answer(404), ConnectionResetError("reset"), Exception),
        (LookupError(), ConnectionResetError("reset"), OSError),
        (LookupError(), RuntimeError("reset"), RuntimeError),
    ],
    ids=["404", "left out", "left out, of the same kind"],
)
def test_a_lookup_that_finds_nothing_is_repeated_for_as_long_as_one_that_finds(
    quick: bool, no: Exception, reset: Exception, on: type[Exception]
) -> None:
    """Of calls whose answer is a no those that are reset now and then, and all of them for some time, are repeated."""
    dice = Random(5)

    @ub.protect("lookup", **FREE, retry=ub.Retry(3, on=on, backoff=ub.Backoff(0.0)))
    async def look(i: int) -> None:
        if 100 <= i < 150 or dice.random() < 0.25:
            raise reset.with_traceback(None)
        raise no.with_traceback(None)

    async def error_of(i: int) -> Any:
        return (await asyncio.gather(look(i), return_exceptions=True))[0] if quick else (await look.outcome(i)).error

    async def story() -> list[int]:
        return [i for i in range(600) if await error_of(i) is reset]

    lost = played(story)
    assert {*range(100, 150)} <= {*lost}
    assert len(lost) < 90
    (row,) = (row for place, row in look.node.get_status().remedies.items() if type(reset).__name__ in place)
    assert row["wait"]["estimate"] > 0.5


def test_what_is_left_out_comes_through_after_what_is_not_alone() -> None:
    """After another one of its like, which only a remedy is repeated on, it is no news."""
    ctx = Context()
    ctx.plan = Plan(retry=ub.Retry(on=OSError))
    down, no = Failure(OSError(), Kind.UNREACHABLE), Failure(LookupError(), Kind.UNKNOWN)

    assert [True, False, False] == [came_through(*each, ctx) for each in ((down, no), (no, no), (down, down))]


@pytest.mark.parametrize("first", [VerificationFailed("stale"), PermissionError("401")], ids=["stale", "credentials"])
def test_a_no_after_another_answer_is_no_success_of_waiting(first: Exception) -> None:
    """The target had answered before; that it finds nothing now mends no answer."""
    fails = [first, Answer(404)]

    @ub.protect("lookup", **FREE, retry=ub.Retry(2, on=type(first), backoff=ub.Backoff(1.0)))
    async def look() -> None:
        raise fails.pop(0)

    played(look.outcome)
    assert not fails
    assert 0.0 == sum(row["wait"]["worked"] for row in look.node.get_status().remedies.values() if "wait" in row)


def test_a_lost_call_is_told_as_no_confirmation() -> None:
    """Who listens hears that it has not helped."""
    ask, told = partner("wrong"), []
    ask.node.on(ub.events.RemedyConfirmed, lambda event: told.append((event.remedy, event.worked)))

    async def story() -> None:
        await ask.outcome()

    played(story)
    assert [("wrong", False)] == told


def test_an_application_is_judged_once_by_what_is_lost() -> None:
    """Whoever comes after the first one tells nothing new, nor who comes after a success."""
    turn = Turn()
    assert [True, False] == [turn.is_unjudged(1), turn.is_unjudged(1)]
    assert turn.is_news(2, worked=True)
    assert not turn.is_unjudged(2)
    assert turn.verdict is True
