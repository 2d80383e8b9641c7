"""What a step has begun may still stand in line for a thread, or be a copy of its own that lost, when it is undone."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal.healing import IN_LINE
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.runtime.pool import contexts_in_line, is_busy

sleep, block = ASYNCIO.sleep, BLOCKING.world.sleep


class Books:
    """What was charged and refunded, in order, and what the refund was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.certain: list[bool] = []

    def charge(self, seconds: float = 0.05) -> None:
        """Take long enough to be overtaken."""
        block(seconds)
        self.told.append("charged")

    async def refund(self, ctx: ub.Context) -> None:
        """Undo it."""
        self.certain.append(ctx.state["certain"])
        self.told.append("refunded")


@pytest.fixture
def books() -> Books:
    """Return empty ones."""
    return Books()


async def fails() -> None:
    """Be the step that turns the run back."""
    raise ValueError("sold out")


def undone(books: Books, operation: Any, busy: float = 0.0, **options: Any) -> ub.RunResult:
    """Run a step of that *operation*, and one that fails if the first does not; return what came of it.

    For *busy* seconds there is no thread to be had.
    """
    orchestrator = ub.OrchestratorNode(**options)
    steps = [ub.Step("pay", operation, compensate=books.refund), ub.Step("book", fails)]

    async def main() -> ub.RunResult:
        result = await orchestrator.orchestrate(steps)
        await sleep(0.4)  # for what may come after it
        return result

    return asyncio.run(with_a_small_pool(main, busy) if busy else main())


async def with_a_small_pool(work: Any, seconds: float) -> Any:
    """Do *work* on an event loop with one thread, which somebody else has for so long."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    busy = asyncio.ensure_future(asyncio.to_thread(block, seconds))
    await sleep(0.01)
    try:
        return await work()
    finally:
        await busy


@pytest.mark.parametrize("busy", [0.0, 0.2])
def test_a_charge_in_line_for_a_thread_is_made_before_it_is_undone(books: Books, busy: float) -> None:
    """``gather`` leaves its other members at work when one fails, also those that have not begun."""
    charge = ub.protect("charge", effects="once")(books.charge)

    def slowly() -> None:
        block(0.003)  # a thread takes a moment to begin
        charge()

    async def pay() -> None:
        await asyncio.gather(asyncio.to_thread(slowly), fails())

    assert ub.RunStatus.COMPENSATED == undone(books, pay, busy, retry=False).status
    assert ["charged", "refunded"] == books.told


def test_a_call_is_not_repeated_while_what_it_left_stands_in_line(books: Books) -> None:
    """Each repeat would put one more charge into the line."""
    charge = ub.protect("charge", effects="once")(books.charge)
    left: list[asyncio.Future[None]] = []

    @ub.protect("checkout", retry=ub.Retry(3, backoff=ub.Backoff(first=0.0)))
    async def checkout() -> None:
        left.append(asyncio.ensure_future(asyncio.to_thread(charge)))
        raise ValueError("no seat")

    async def main() -> None:
        with pytest.raises(ValueError, match="no seat"):
            await checkout()
        await asyncio.gather(*left)

    asyncio.run(with_a_small_pool(main, 0.2))
    assert ["charged"] == books.told


def test_what_stands_in_line_for_too_long_is_in_doubt(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody knows what the attempt will have done, and it is not repeated."""
    monkeypatch.setattr("unbreakable.fractal.healing.IN_LINE", 0.05)
    attempts: list[int] = []
    left: list[asyncio.Future[None]] = []

    @ub.protect("checkout", retry=ub.Retry(3, backoff=ub.Backoff(first=0.0)))
    async def checkout() -> None:
        attempts.append(1)
        left.append(asyncio.ensure_future(asyncio.to_thread(books.charge)))
        raise ValueError("no seat")

    async def main() -> None:
        with pytest.raises(ValueError, match="no seat") as caught:
            await checkout()
        assert "must not be done twice" in caught.value.__notes__[-1]

    asyncio.run(with_a_small_pool(main, 1.5))
    assert [1] == attempts


@pytest.mark.parametrize("slow", [0, 1])
@pytest.mark.parametrize("colour", ["async", "sync"])
def test_a_losing_copy_is_waited_for_and_leaves_no_certainty(books: Books, colour: str, slow: int) -> None:
    """The first copy as well as the second: neither is told that it lost before it has done what it does."""

    def work(ctx: ub.Context) -> None:
        books.charge(0.25 if ctx.rival == slow else 0.0)

    async def work_async(ctx: ub.Context) -> None:
        try:
            await sleep(0.25 if ctx.rival == slow else 0.0)
        except asyncio.CancelledError:
            await sleep(0.1)  # it was sent
            raise
        finally:
            books.told.append("charged")

    operation = work_async if colour == "async" else work
    hedge = ub.Hedge(0.02, threads=colour == "sync")  # as a learned one
    result = undone(books, operation, effects="idempotent", hedge=hedge)
    assert ub.RunStatus.COMPENSATED == result.status
    assert "refunded" == books.told[-1]
    if slow == 0:
        assert ["charged", "charged", "refunded"] == books.told
        assert [False] == books.certain


def test_a_charge_that_a_cut_attempt_begins_is_waited_for(books: Books) -> None:
    """The attempt itself may hang, and is not; what it calls is known."""
    charge = ub.protect("charge", effects="idempotent")(books.charge)

    def pay(ctx: ub.Context) -> None:
        if ctx.attempt == 1:
            block(0.15)
            charge(0.2)

    orchestrator = ub.OrchestratorNode(effects="idempotent", retry=ub.Retry(2, backoff=ub.Backoff(first=0.0)))
    steps = [
        ub.Step("pay", pay, compensate=books.refund, timeout=0.05),
        ub.Step("book", slow_to_fail),
    ]

    async def main() -> None:
        await orchestrator.orchestrate(steps)

    asyncio.run(main())
    assert ["charged", "refunded"] == books.told
    assert [False] == books.certain


def test_an_attempt_that_was_cut_is_not_waited_for(books: Books) -> None:
    """It may hang, which is why it has a limit; the compensation is told that it is at work."""

    def pay(ctx: ub.Context) -> None:
        if ctx.attempt == 1:
            books.charge(0.5)

    orchestrator = ub.OrchestratorNode(effects="idempotent", retry=ub.Retry(2, backoff=ub.Backoff(first=0.0)))
    steps = [ub.Step("pay", pay, compensate=books.refund, timeout=0.05), ub.Step("book", fails)]
    asyncio.run(orchestrator.orchestrate(steps))
    assert ["refunded"] == books.told
    assert [False] == books.certain


async def slow_to_fail() -> None:
    """Fail when the charge is under way."""
    await sleep(0.15)
    raise ValueError("sold out")


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_fallback_further_in_leaves_no_certainty(books: Books, wrapped: bool) -> None:
    """Wherever it answered, the compensation has to look whether there is anything to undo."""

    @ub.protect("charge", effects="once", fallback=lambda failure: "pay later")
    async def charge() -> str:
        raise ub.errors.NotSent("nobody there")

    async def pay() -> str:
        return await charge()

    undone(books, pay if wrapped else charge)
    assert [False] == books.certain


@pytest.mark.parametrize("uses_pool", [False, True])
def test_what_others_have_in_line_is_not_waited_for(books: Books, uses_pool: bool) -> None:
    """A pool that is full of strangers' work, for ever, keeps neither a compensation nor a repeat waiting."""
    stop = threading.Event()
    made: list[int] = []

    @ub.protect("charge", retry=ub.Retry(3, backoff=ub.Backoff(first=0.0)))
    async def charge() -> None:
        made.append(1)
        if len(made) == 1:
            raise ub.errors.NotSent("nobody there")

    async def pay() -> None:
        if uses_pool:
            await asyncio.get_running_loop().run_in_executor(ThreadPoolExecutor(1), int)
        await charge()

    async def main() -> tuple[ub.RunResult, float]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        strangers = [loop.create_task(asyncio.to_thread(stop.wait, 20.0)) for _ in range(3)]
        await sleep(0.01)
        started = time.perf_counter()
        result = await ub.OrchestratorNode().orchestrate(
            [
                ub.Step("pay", pay, compensate=books.refund),
                ub.Step("book", fails),
            ]
        )
        took = time.perf_counter() - started
        stop.set()
        await asyncio.gather(*strangers)
        return result, took

    result, took = asyncio.run(main())
    assert ub.RunStatus.COMPENSATED == result.status
    assert 2 == len(made)
    assert IN_LINE > took


def test_a_line_shows_with_which_variables_its_work_will_be_done() -> None:
    """Of what was handed over without any nothing can be known; an idle pool has neither line nor work."""
    mark = contextvars.ContextVar("mark", default=0)

    async def main() -> None:
        pool, stop = ThreadPoolExecutor(1), threading.Event()
        asyncio.get_running_loop().set_default_executor(pool)
        assert (False, []) == (is_busy(pool), list(contexts_in_line(pool)))
        mark.set(7)
        jobs = [asyncio.ensure_future(asyncio.to_thread(stop.wait, 20.0)) for _ in range(3)]
        await sleep(0)
        jobs.append(asyncio.get_running_loop().run_in_executor(None, int))
        assert is_busy(pool)
        assert [7, 7] == [context[mark] for context in contexts_in_line(pool)]
        stop.set()
        await asyncio.gather(*jobs)
        await sleep(0.02)
        assert (False, []) == (is_busy(pool), list(contexts_in_line(pool)))

    asyncio.run(main())


def test_a_loop_that_shows_no_pool_has_no_line() -> None:
    """Others than Python's own do not; nothing fails for that."""
    assert [] == list(contexts_in_line(None)) == list(contexts_in_line(object()))


def test_nothing_in_line_costs_no_wait(books: Books) -> None:
    """A run without threads is undone at once."""

    async def pay() -> None:
        books.told.append("charged")

    started = time.perf_counter()
    orchestrator = ub.OrchestratorNode()
    steps = [ub.Step("pay", pay, compensate=books.refund), ub.Step("book", fails)]
    asyncio.run(orchestrator.orchestrate(steps))
    assert ["charged", "refunded"] == books.told
    assert [True] == books.certain
    assert IN_LINE > time.perf_counter() - started
