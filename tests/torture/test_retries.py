"""Which failures are repeated, and what circuits make of those that come late."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import unbreakable as ub
from unbreakable.events import DriftDetected
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class NotThere(Exception):
    """What a client raises for one sort of answer only."""

    status_code = 404


class AnyAnswer(Exception):
    """What all exceptions of a client are derived from."""


class WrongRequest(AnyAnswer):
    """One of them, for one sort of answer only."""

    status_code = 400


class BadAnswer(Exception):
    """What a client raises for answers of every sort."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status_code = status


@pytest.mark.parametrize(
    ("error", "on", "attempts"),
    [
        (PermissionError(), PermissionError, 3),
        (PermissionError(), (ConnectionError, PermissionError), 3),
        (PermissionError(), Exception, 1),
        (PermissionError(), OSError, 1),
        (PermissionError(), (OSError, PermissionError), 3),
        (WrongRequest(), WrongRequest, 3),
        (WrongRequest(), AnyAnswer, 1),
        (WrongRequest(), (AnyAnswer, ConnectionError), 1),
        (PermissionError(), ConnectionError, 1),
        (NotThere(), NotThere, 3),
        (NotThere(), Exception, 1),
        (BadAnswer(404), BadAnswer, 1),
        (BadAnswer(500), BadAnswer, 3),
    ],
)
def test_what_is_named_is_repeated(error, on, attempts):
    """A locked file, or an order that is not there yet: whoever names the type waits for it to pass."""

    @ub.protect("poll", effects="none", retry=ub.Retry(3, on=on))
    def poll() -> None:
        raise error

    with virtual_time():
        assert attempts == poll.outcome().attempts


@pytest.mark.parametrize("effects", ["none", "once"])
def test_what_hung_opens_no_circuit_when_all_is_well_again(effects):
    """Calls of two bad seconds come to their deadline half a minute later, in a row, between good ones."""
    tasks: list[asyncio.Task[str]] = []

    @ub.protect("payments", effects=effects)
    async def pay() -> None:
        await sleep(1e6 if 100 <= ASYNCIO.now() - began < 102 else 0.05)

    async def call() -> str:
        try:
            await pay()
        except Exception as error:
            return type(error).__name__
        return "ok"

    async def main() -> Counter[str]:
        nonlocal began
        began = ASYNCIO.now()
        for _ in range(200):
            tasks.extend(asyncio.ensure_future(call()) for _ in range(5))
            await sleep(1.0)
        return Counter(await asyncio.gather(*tasks))

    began = 0.0
    with virtual_time():
        ended = asyncio.run(main())
    assert 990 <= ended["ok"]
    assert "CircuitOpen" not in ended


@pytest.mark.parametrize("fails", [0.03, 0.08, 0.2])
def test_a_repeat_that_takes_longer_is_no_drift(fails):
    """A new connection takes longer each time: the target is as steady as ever, and what was learned is kept."""
    alarms: list[DriftDetected] = []

    @ub.protect("api", effects="idempotent", hedge=False, retry=ub.Retry(4, backoff=ub.Backoff(0.001)))
    async def call() -> None:
        again = ub.current().attempt > 1
        await sleep(ASYNCIO.random() * 0.01 + (0.1 if again else 0.01))
        if not again and ASYNCIO.random() < fails:
            raise ConnectionResetError

    async def main() -> None:
        call.node.on(DriftDetected, alarms.append)
        for _ in range(4_000):
            await call()

    with virtual_time():
        asyncio.run(main())
    assert [] == alarms
    assert 3_000 < call.node.get_status().plan["observations"]


@pytest.mark.parametrize("at_once", [14, 20])
def test_a_partner_that_says_how_much_it_takes_is_not_shut_out(at_once):
    """Ten calls a second are let through; the others are told to come back in a second, and do."""
    let_in: list[float] = []

    class TooMany(Exception):
        status_code, retry_after = 429, 1.0

    @ub.protect("limited", effects="none")
    async def ask() -> None:
        await sleep(0.05)
        now = ASYNCIO.now()
        let_in[:] = [moment for moment in let_in if moment > now - 1.0]
        if len(let_in) >= 10:
            raise TooMany
        let_in.append(now)

    async def main() -> None:
        outcomes = await asyncio.gather(*(ask.outcome() for _ in range(at_once)))
        for _ in range(20):
            outcomes.append(await ask.outcome())
            await sleep(1.0)
        assert [True] * (at_once + 20) == [outcome.ok for outcome in outcomes]

    with virtual_time():
        asyncio.run(main())
