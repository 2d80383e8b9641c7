"""Who asks how long he has is told no guess that he could fail by."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal.target import COLD
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
NO_INCOME = {"ratio": 0.0, "floor": 0.0}


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


class Service:
    """Answer after ``latency`` seconds; who asks keeps to what remains."""

    def __init__(self) -> None:
        self.before, self.latency, self.told = 0.0, 0.01, []

    async def ask(self) -> None:
        self.told.append(ub.current().remaining())
        async with asyncio.timeout(self.told[-1]):
            await sleep(self.latency)

    def ask_now(self) -> None:
        BLOCKING.world.sleep(self.before)
        self.told.append(left := ub.current().remaining())
        BLOCKING.world.sleep(min(left, self.latency))
        if self.latency > left:
            raise TimeoutError("no answer in time")


class Interrupting(list):
    """A list into which nothing is written before Ctrl-C comes."""

    def __init__(self, interrupts: list) -> None:
        self.interrupts = interrupts

    def append(self, left: float) -> None:
        assert left < 1.0  # it was told of the learned limit, so another attempt is paid for
        self.interrupts.append(KeyboardInterrupt())
        raise KeyboardInterrupt


# ── async ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def learned(call: Any) -> None:
    for _ in range(2 * COLD):
        await call()
    await sleep(0.001)
    assert 0.5 == call.node.get_status().plan["timeout"]


@pytest.mark.parametrize("form", ["plain", "outcome"])
@pytest.mark.parametrize("seconds", [2.0, 20.0])
def test_async_code_that_keeps_to_what_remains_does_not_fail_by_a_learned_limit(seconds, form):
    """Twenty calls meet a service that became slow, and a budget for ten repeats: all are answered."""
    service = Service()
    call = ub.protect("partner", effects="none", budget=ub.RetryBudget(**NO_INCOME))(service.ask)

    async def main():
        await learned(call)
        service.latency = seconds
        await asyncio.gather(*(call() if form == "plain" else call.outcome() for _ in range(20)))

    asyncio.run(main())

    assert ("closed", 0) == (call.node.get_status().breaker, call.node.get_status().failure_count)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_on_an_event_loop_nobody_is_told_of_a_guess(form):
    """The watch cuts when a learned limit is due; what remains is the time to the deadline."""
    service = Service()
    call = ub.protect("partner", effects="none", deadline=9.0)(service.ask)

    async def main():
        await learned(call)
        await (call() if form == "plain" else call.outcome())

    asyncio.run(main())

    assert [9.0] * 5 == pytest.approx(service.told[-5:], abs=0.01)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_who_is_overtaken_has_no_time_left(form):
    """An operation that looks what ended it finds its own time up, though the call went on."""
    left, latency = [], []

    @ub.protect("partner", effects="none", hedge=False)
    async def call():
        try:
            await sleep(latency.pop() if latency else 0.01)
        except asyncio.CancelledError:
            left.append(ub.current().remaining())
            raise

    async def main():
        await learned(call)
        latency.append(9.0)
        await (call() if form == "plain" else call.outcome())
        await sleep(0.1)

    asyncio.run(main())

    assert [True] == [seconds <= 0.0 for seconds in left]


# ── sync ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def in_threads(work, times: int) -> list:
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(work()), daemon=True) for _ in range(times)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        BLOCKING.world.sleep(0.1)
    return ends


def learned_in_sync(service: Service, start: float = 10.0, **options) -> Any:
    budget = ub.RetryBudget(**NO_INCOME, start=start)
    call = ub.protect("partner", effects="none", budget=budget, **options)(service.ask_now)
    for _ in range(2 * COLD):
        call()
    assert 0.5 == call.node.get_status().plan["timeout"]
    return call


def tokens(call: Any) -> float:
    return call.node.budget.level(call.node.successes(), BLOCKING.now())


@pytest.mark.parametrize("seconds", [1.0, 2.0, 8.0])
def test_threads_do_not_all_count_on_the_same_repeat(seconds):
    """Twenty threads ask at once, with a budget for ten repeats: who could not pay is not told of the limit."""
    service = Service()
    call = learned_in_sync(service)
    service.latency = seconds

    ends = in_threads(call.outcome, 20)

    assert {True} == {end.ok for end in ends}
    assert 0 < sum(end.status is ub.Status.HEALED for end in ends) <= 5


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_repeat_that_was_not_needed_is_given_back(form):
    """Quick calls that ask how long they have cost no budget."""
    service = Service()
    call = learned_in_sync(service)
    for _ in range(50):
        call() if form == "plain" else call.outcome()

    assert 10.0 == tokens(call)


def test_without_a_budget_a_repeat_is_free():
    """Who asks is told the limit, since another attempt follows."""
    service = Service()
    call = ub.protect("partner", effects="none", budget=False)(service.ask_now)
    for _ in range(2 * COLD):
        call()
    service.latency = 0.7
    outcome = call.outcome()

    assert ("healed", [0.5, 1.0]) == (outcome.status.value, pytest.approx(service.told[-2:], abs=0.01))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_call_that_is_not_repeated_gives_it_back_too(error):
    """Its failure is none to repeat on, or is the caller's own end."""
    call = learned_in_sync(Service(), retry=ub.Retry(3, on=OSError))

    def fails(ctx):
        ctx.remaining()
        raise error

    with contextlib.suppress(KeyboardInterrupt):
        call.node.execute_sync(fails)

    assert 10.0 == tokens(call)


@pytest.mark.parametrize("again", [False, True])
def test_an_interrupted_call_gives_it_back_too(monkeypatch, again):
    """Ctrl-C comes while the work is done, and perhaps once more while the call is ended for it."""
    interrupts = []

    def look():
        if again and interrupts:
            monkeypatch.undo()
            raise interrupts.pop()
        return BLOCKING.world.now()

    service = Service()
    call = learned_in_sync(service)
    monkeypatch.setattr(BLOCKING, "now", look)
    service.latency = 0.0
    service.told = Interrupting(interrupts)

    with pytest.raises(KeyboardInterrupt):
        call()

    assert 10.0 == tokens(call)
    assert not (again and interrupts)


def test_a_repeat_is_paid_once():
    """What was paid when the limit was told is not paid again when the attempt ended by it, or by anything else."""
    service = Service()
    call = learned_in_sync(service)
    errors = [ConnectionResetError()]

    def breaks(ctx):
        ctx.remaining()
        if errors:
            raise errors.pop()

    assert ub.Status.HEALED is call.node.execute_sync(breaks).status
    assert 9.0 == tokens(call)


def test_half_of_the_first_tokens_are_left_for_failures():
    """However many threads were told of a limit, a failure meanwhile can be repeated."""
    service = Service()
    call = learned_in_sync(service)
    service.latency = 0.4
    errors = [ConnectionResetError()]

    def breaks(ctx):
        BLOCKING.world.sleep(0.1)
        if errors:
            raise errors.pop()

    ends = []
    thread = threading.Thread(target=lambda: ends.append(call.node.execute_sync(breaks).status), daemon=True)
    thread.start()
    in_threads(call.outcome, 20)
    thread.join()

    assert [ub.Status.HEALED] == ends


@pytest.mark.parametrize("form", ["plain", "outcome"])
@pytest.mark.parametrize("start", [0.0, 3.0, 100.0])
def test_who_asks_late_for_the_first_time_does_not_fail_by_a_limit_that_he_was_not_told(start, form):
    """Work that took long before it asked is repeated, or goes on until its deadline."""
    service = Service()
    call = learned_in_sync(service, start=start)
    service.before, service.latency = 2.0, 1.0

    for _ in range(20):
        call() if form == "plain" else call.outcome().unwrap()

    assert ("closed", 0) == (call.node.get_status().breaker, call.node.get_status().failure_count)
