"""What a protected call costs, when all is well, when an attempt fails and when a circuit is open, beside the peers.

Every round calls each side in shuffled order; the figure is the median of the rounds with its quartiles.  The work is a
function that returns at once, or fails at every other attempt, so that nothing but the protection is measured; all in
one process run.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import nopanic
import pybreaker
import stamina
import tenacity

import unbreakable as ub

ROUNDS, CALLS = 41, 1_000

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]

NO_BACKOFF = ub.Retry(backoff=ub.Backoff(first=0.0))
PLENTY = ub.RetryBudget(ratio=1.0, start=1e9, most=1e9)  # half of the attempts are repeats
FULL = "unbreakable, everything on"
EVERYTHING: dict[str, Any] = {
    "validate": lambda: True,
    "verify": lambda value: value == 7,
    "limit": ub.AdaptiveLimit(first=64),
}


def async_work() -> Callable[[], Any]:
    """Return async work that does nothing."""

    async def work() -> int:
        return 7

    return work


def sync_work() -> Callable[[], int]:
    """Return work that does nothing."""
    return lambda: 7


def sync_flaky() -> Callable[[], int]:
    """Return work that fails at every other attempt."""
    attempts = 0

    def work() -> int:
        nonlocal attempts
        attempts += 1
        if attempts % 2:
            raise ConnectionResetError("the partner hung up")
        return 7

    return work


def async_flaky() -> Callable[[], Any]:
    """Return async work that fails at every other attempt."""
    flaky = sync_flaky()

    async def work() -> int:
        return flaky()

    return work


def ours(**options: Any) -> Wrap:
    """Return our protection."""
    return ub.protect("bench", effects="none", hedge=False, **{"bulkhead": ub.Bulkhead(64), **options})


def sides_when_well(*, is_async: bool) -> dict[str, Wrap]:
    """Return who is compared while all is well."""
    if is_async:
        name = "nopanic retry+breaker+timeout+bulkhead"
        stack = nopanic.compose(nopanic.retry(), nopanic.circuit_breaker(), nopanic.timeout(5), nopanic.bulkhead(64))
    else:
        name = "nopanic retry+budget+breaker+bulkhead+rate"
        retry = nopanic.retry(budget=nopanic.RetryBudget())
        stack = nopanic.compose(retry, nopanic.circuit_breaker(), nopanic.bulkhead(64), nopanic.rate_limit(1e9))
    return {
        "bare": lambda work: work,
        "unbreakable": ours(),
        FULL: ours(**EVERYTHING),
        "unbreakable, defaults": ub.protect("bench", hedge=False),
        name: stack,
        "tenacity retry": tenacity.retry(stop=tenacity.stop_after_attempt(3)),
        "stamina retry": stamina.retry(on=Exception, attempts=3),
    }


def sides_when_failing(*, is_async: bool) -> dict[str, Wrap]:
    """Return who is compared when the first attempt of each call fails; nobody pauses, and no circuit opens."""
    timeout = (nopanic.timeout(5),) if is_async else ()
    layers = (nopanic.retry(backoff=0), nopanic.circuit_breaker(failure_threshold=1.0), *timeout, nopanic.bulkhead(64))
    return {
        "unbreakable": ours(retry=NO_BACKOFF, budget=PLENTY),
        FULL: ours(retry=NO_BACKOFF, budget=PLENTY, **EVERYTHING),
        f"nopanic retry+breaker{'+timeout' * is_async}+bulkhead": nopanic.compose(*layers),
        "tenacity retry": tenacity.retry(stop=tenacity.stop_after_attempt(3)),
        "stamina retry": stamina.retry(on=Exception, attempts=3, wait_initial=0, wait_max=0, wait_jitter=0),
    }


def sides_when_open(*, is_async: bool) -> dict[str, Wrap]:
    """Return who is compared when its circuit is open, so that each call ends in an error that is caught."""
    sides = {
        "bare": lambda work: work,  # which raises
        "unbreakable": opened(ours()),
        FULL: opened(ours(**EVERYTHING)),
        "nopanic breaker": opened(nopanic.circuit_breaker()),
        "nopanic breaker+bulkhead": opened(nopanic.compose(nopanic.circuit_breaker(), nopanic.bulkhead(64))),
    }
    if not is_async:
        sides["pybreaker"] = opened(pybreaker.CircuitBreaker(fail_max=5, reset_timeout=3_600))
    return sides


def opened(wrap: Wrap) -> Wrap:
    """Return a protection whose circuit has opened, by failures."""

    def protect(work: Callable[[], Any]) -> Callable[[], Any]:
        door = wrap(work)
        for _ in range(20):
            with contextlib.suppress(Exception):
                made = door()
                if asyncio.iscoroutine(made):
                    asyncio.run(made)
        return door

    return protect


def sync_down() -> Callable[[], int]:
    """Return work that always fails."""

    def work() -> int:
        raise ConnectionResetError("the partner hung up")

    return work


def async_down() -> Callable[[], Any]:
    """Return async work that always fails."""

    async def work() -> int:
        raise ConnectionResetError("the partner hung up")

    return work


async def time_async(work: Callable[[], Any]) -> float:
    """Return the seconds of CALLS calls."""
    started = time.perf_counter()
    for _ in range(CALLS):
        try:  # noqa: SIM105 - costs nothing where nothing is raised, and less than suppress() where it is
            await work()
        except Exception:  # noqa: S110
            pass
    return time.perf_counter() - started


def time_sync(work: Callable[[], Any]) -> float:
    """Return the seconds of CALLS calls."""
    started = time.perf_counter()
    for _ in range(CALLS):
        try:  # noqa: SIM105 - the same
            work()
        except Exception:  # noqa: S110
            pass
    return time.perf_counter() - started


def table(title: str, times: dict[str, list[float]]) -> None:
    """Print microseconds per call: median and quartiles, and the ratio of our medians to each peer's."""
    mine = {name: statistics.median(seconds) for name, seconds in times.items() if name in ("unbreakable", FULL)}
    version = sys.version.split()[0]
    print(f"\n{title}: µs per call, median (quartiles) of {ROUNDS} rounds × {CALLS} calls, Python {version}")
    for name, seconds in times.items():
        low, middle, high = (1e6 * each / CALLS for each in statistics.quantiles(seconds, n=4))
        line = f"  {name:44} {middle:8.2f} ({low:.2f}–{high:.2f})"
        if not name.startswith(("unbreakable", "bare")):
            ratios = (median / statistics.median(seconds) for median in mine.values())
            line += f"   ours / this, plain and with everything on: {', '.join(f'{ratio:.3f}' for ratio in ratios)}"
        print(line)


async def measure_async(wraps: dict[str, Wrap], work: Callable[[], Any]) -> dict[str, list[float]]:
    """Return the times of every async side, in shuffled order within each round."""
    sides = await asyncio.to_thread(lambda: {name: wrap(work()) for name, wrap in wraps.items()})
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name in random.sample(list(sides), len(sides)):
            times[name].append(await time_async(sides[name]))
            await asyncio.sleep(0)  # what the loop was asked to do soon, such as to learn, is done in between
    return times


def measure_sync(wraps: dict[str, Wrap], work: Callable[[], Any]) -> dict[str, list[float]]:
    """Return the times of every sync side, in shuffled order within each round."""
    sides = {name: wrap(work()) for name, wrap in wraps.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name in random.sample(list(sides), len(sides)):
            times[name].append(time_sync(sides[name]))
    return times


if __name__ == "__main__":
    stamina.instrumentation.set_on_retry_hooks(())  # it logs each repeat otherwise
    table("async, all is well", asyncio.run(measure_async(sides_when_well(is_async=True), async_work)))
    table("sync, all is well", measure_sync(sides_when_well(is_async=False), sync_work))
    table("async, a failed attempt first", asyncio.run(measure_async(sides_when_failing(is_async=True), async_flaky)))
    table("sync, a failed attempt first", measure_sync(sides_when_failing(is_async=False), sync_flaky))
    table("async, the circuit is open", asyncio.run(measure_async(sides_when_open(is_async=True), async_down)))
    table("sync, the circuit is open", measure_sync(sides_when_open(is_async=False), sync_down))
