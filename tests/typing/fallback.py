"""What a protected call returns whose fallback returns something else: never run, only read by type checkers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

import unbreakable as ub


class Unknown:
    """What says that nobody knows."""


def nobody_knows(failure: ub.Failure) -> Unknown:
    """Answer with another type."""
    return Unknown()


async def from_the_archive(failure: ub.Failure) -> bytes:
    """Answer with another type, from somewhere that has to be asked."""
    return b"old"


def last_price(failure: ub.Failure) -> float:
    """Answer with the very type."""
    return 99.0


@ub.protect("prices", fallback=nobody_knows)
def price(flight: str) -> float:
    """Return a price."""
    return float(len(flight))


@ub.protect("prices", fallback=nobody_knows)
async def price_later(flight: str) -> float:
    """Return a price, from an event loop."""
    return float(len(flight))


@ub.protect("news", fallback=from_the_archive)
async def news() -> str:
    """Return the news."""
    return "new"


@ub.protect("prices", fallback=last_price)
def same(flight: str) -> float:
    """Return a price, or the last one."""
    return float(len(flight))


class Client:
    """A class whose fallbacks take the instance: what it had last is what there is instead."""

    last: str = "yesterday's"

    @ub.protect("api", fallback=lambda self, failure: self.last)
    def get(self, path: str) -> str:
        """Ask the partner."""
        return path

    def kept(self, failure: ub.Failure) -> bytes:
        """Answer with another type."""
        return self.last.encode()

    @ub.protect("api", fallback=kept)
    def get_or_kept(self, path: str) -> str:
        """Have a method as the fallback."""
        return path

    async def looked_up(self, failure: ub.Failure) -> bytes:
        """Answer with another type, from somewhere that has to be asked."""
        return self.last.encode()

    @ub.protect("api", fallback=looked_up)
    async def get_or_looked_up(self, path: str) -> str:
        """Have an async method as the fallback."""
        return path

    def kept_lines(self, failure: ub.Failure) -> list[bytes]:
        """Answer with items of another type."""
        return [self.last.encode()]

    @ub.protect("api", fallback=kept_lines)
    async def lines(self, path: str) -> AsyncIterator[str]:
        """Be a generator with such a fallback."""
        yield path


def too_much(instance: object, failure: ub.Failure, more: int) -> str:
    """Take what nobody gives."""
    return ""


async def ask(client: Client) -> None:
    """Bind the instance, and have both types."""
    got: str = client.get("/")
    print(got)
    assert_type(client.get_or_kept("/"), str | bytes)
    assert_type(client.get_or_kept.outcome("/"), ub.Outcome[str | bytes])
    assert_type(await client.get_or_looked_up("/"), str | bytes)
    assert_type(client.lines("/"), AsyncIterator[str | bytes])
    client.get(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ub.protect("api", fallback=too_much)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def read() -> None:
    """Both types are there to be told apart, in the value and in the outcome."""
    assert_type(price("MS 777"), float | Unknown)
    assert_type(price.outcome("MS 777"), ub.Outcome[float | Unknown])
    assert_type(price.outcome("MS 777").unwrap(), float | Unknown)
    assert_type(await price_later("MS 777"), float | Unknown)
    assert_type(await news(), str | bytes)
    assert_type(same("MS 777"), float)
    price("MS 777").is_integer()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def shadows() -> None:
    """Put a policy in the shadow where the policy would stand."""
    breaker = ub.Shadow(ub.CircuitBreaker(last=20, ratio=0.5, most_rest=300.0, jitter=0.1, ramp=20.0))
    assert_type(breaker.policy, ub.CircuitBreaker)

    @ub.protect("measured", breaker=breaker, timeout=ub.Shadow(ub.Timeout(2.0), beside=None))
    def measured() -> int:
        return 1

    counts: int = measured.node.get_status().shadows["breaker"]["would_open"]
    print(counts, ub.CircuitBreaker(slow=ub.Slow(2.0, ratio=0.8)))
    ub.protect("wrong", breaker=ub.Shadow(ub.Retry(2)))  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
