"""What comes after a remedy and is none of its doing is no miss: refusals, callers in haste, what tells nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

FREE = {"effects": "idempotent", "hedge": False, "budget": False, "breaker": False}
AT_ONCE = ub.Retry(4, backoff=ub.Backoff(0.0))


def played(story: Callable[[], Awaitable[Any]]) -> Any:
    """Return what *story* returns, in virtual time."""
    with virtual_time():
        return asyncio.run(story())  # type: ignore[arg-type]


def renewed(fails: Callable[[], Exception | None], *, lasts: float = 0.01, **options: Any) -> Any:
    """Return a call whose token is dead, and renewed by its remedy; then it *fails*, or does not."""

    @ub.protect("partner", **{**FREE, **options})
    async def ask() -> str:
        await ASYNCIO.sleep(lasts)
        error = fails() if ask.made else PermissionError("401")
        if error is not None:
            raise error
        return "answer"

    @ask.remedy(PermissionError)
    async def renew() -> None:
        await ASYNCIO.sleep(0.1)
        ask.made.append("renew")

    ask.made = []
    return ask


def tried(call: Any, remedy: str) -> float:
    """Return how often *remedy* was judged, over all signatures."""
    return sum(row[remedy]["tried"] for row in call.node.get_status().remedies.values() if remedy in row)


@pytest.mark.parametrize(
    ("lasts", "raised"),
    [
        (0.01, lambda: ub.errors.CircuitOpen("further in")),
        (2.0, lambda: ub.errors.BulkheadFull("further in")),
        (0.01, lambda: ub.errors.DeadlineExceeded("further in")),
        (0.01, lambda: vars(ub.current()).update(blameless=True) or ConnectionError("what we hold is used up")),
    ],
    ids=["open", "full", "deadline", "blameless"],
)
def test_what_says_nothing_of_the_target_says_nothing_of_the_remedy(
    lasts: float, raised: Callable[[], Exception]
) -> None:
    """A refusal of ours, or further in, and what an operation says to be nobody's fault, are no misses."""
    ask = renewed(raised, lasts=lasts, retry=ub.Retry(2, backoff=ub.Backoff(0.0)))

    async def story() -> bool:
        return (await ask.outcome()).ok

    assert not played(story)
    assert ["renew"] == ask.made
    assert 0 == tried(ask, "renew")


def test_a_refusal_after_a_remedy_is_not_its_doing() -> None:
    """The circuit opens with the failure that it was applied for, so that no attempt follows it."""

    @ub.protect("partner", **{**FREE, "breaker": ub.CircuitBreaker(1, rest=60.0)}, retry=AT_ONCE)
    async def ask() -> None:
        raise ConnectionError("down")

    @ask.remedy(ConnectionError)
    def reconnect() -> None:
        ask.node.breaker.force_open()

    async def story() -> bool:
        return (await ask.outcome()).ok

    assert not played(story)
    assert 0 == tried(ask, "reconnect")


@pytest.mark.parametrize("after", [0.3, 2.0])
def test_who_goes_away_after_another_failure_blames_nobody(after: float) -> None:
    """In the pause, or in the attempt after it."""
    numbers = count()

    def fails() -> Exception | None:
        return ConnectionError("503") if next(numbers) == 0 else None

    ask = renewed(fails, retry=ub.Retry(4, backoff=ub.Backoff(1.0, jitter=False)))

    async def story() -> None:
        task = asyncio.ensure_future(ask.outcome())
        await ASYNCIO.sleep(after)
        task.cancel()
        await asyncio.wait([task])

    played(story)
    assert 0 == tried(ask, "renew")


def test_an_operation_that_makes_an_error_of_its_cancellation_blames_nobody() -> None:
    """The caller has gone away, whatever the attempt after the remedy says."""

    @ub.protect("partner", **FREE, retry=AT_ONCE)
    async def ask() -> None:
        if ub.current().attempt == 1:
            raise PermissionError("401")
        try:
            await ASYNCIO.sleep(60.0)
        except asyncio.CancelledError:
            raise ConnectionError("given up") from None

    @ask.remedy(PermissionError)
    def refresh() -> None:
        """Do what can be done."""

    async def story() -> None:
        task = asyncio.ensure_future(ask.outcome())
        await ASYNCIO.sleep(2.0)
        task.cancel()
        await asyncio.wait([task])

    played(story)
    assert 0 == tried(ask, "refresh")


@pytest.mark.parametrize(("seconds", "misses"), [(0.5, 0), (6.0, 1)])
def test_a_deadline_tells_of_a_remedy_only_what_it_had_the_time_for(seconds: float, misses: int) -> None:
    """A host that hangs for seconds is no better; one that was given no time may be."""

    @ub.protect(
        "search",
        **FREE,
        timeout=False,
        deadline=seconds,
        retry=AT_ONCE,
        remedies=[ub.remedies.other_endpoint(lambda: {"host": "b"}, on=ConnectionError)],
    )
    async def search(host: str = "a") -> str:
        if host == "b":
            await ASYNCIO.sleep(60.0)
        await ASYNCIO.sleep(0.3)
        raise ConnectionResetError("a hiccup")

    async def story() -> bool:
        return (await search.outcome()).ok

    assert not played(story)
    assert misses == tried(search, "other_endpoint")
