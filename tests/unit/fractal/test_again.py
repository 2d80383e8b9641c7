"""The quick repeat: what can come between a failed attempt and the one after it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal.again import Repeat
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

PAUSE = ub.Retry(3, backoff=ub.Backoff(first=1.0, jitter=False))


@pytest.fixture(autouse=True)
def repeats(monkeypatch: pytest.MonkeyPatch) -> list[Repeat]:
    """Return the quick repeats that were begun."""
    begun: list[Repeat] = []
    begin = Repeat.begin
    monkeypatch.setattr(Repeat, "begin", lambda self: begun.append(self) or begin(self))
    return begun


def failing(times: int, **options: Any) -> Callable[..., Any]:
    """Return a protected function that fails so often before it returns the number of its attempt."""
    made: list[int] = []

    @ub.protect("partner", **{"effects": "none", "hedge": False, "retry": PAUSE, **options})
    async def call(seconds: float = 0.0) -> int:
        made.append(len(made) + 1)
        if len(made) <= times:
            raise ConnectionResetError(f"attempt {made[-1]}")
        if seconds:
            await ASYNCIO.sleep(seconds)
        return made[-1]

    return call


def test_a_cancellation_in_the_pause_ends_the_call(repeats: list[Repeat]) -> None:
    """Nothing is called any more, and the place in the bulkhead, which was given back for it, stays free."""
    call = failing(1, bulkhead=ub.Bulkhead(1))

    async def main() -> int:
        task = asyncio.ensure_future(call())
        await ASYNCIO.sleep(0.5)
        assert 0 == call.node.get_status().in_flight
        assert {*call.node.target.gate.away}
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (0, set()) == (call.node.get_status().in_flight, call.node.target.gate.away)
        assert ub.current() is None
        return await call()

    with virtual_time():
        assert 2 == asyncio.run(main())
    assert not repeats


def test_what_comes_up_in_the_pause_does_not_have_it_made_twice(repeats: list[Repeat]) -> None:
    """The script goes on where the quick repeat leaves off: here with an open circuit, after one second."""
    call = failing(1)

    async def main() -> float:
        task = asyncio.ensure_future(call())
        await ASYNCIO.sleep(0.5)
        call.node.breaker.force_open()
        since = ASYNCIO.now()
        with pytest.raises(ConnectionResetError, match="attempt 1"):
            await task
        return ASYNCIO.now() - since

    with virtual_time():
        assert 0.5 == pytest.approx(asyncio.run(main()))
    assert 1 == len(repeats)


def test_a_cancellation_in_the_second_attempt_says_nothing_of_the_target(repeats: list[Repeat]) -> None:
    """The circuit takes no verdict, the place is free, and nobody repeats it."""
    call = failing(1, bulkhead=ub.Bulkhead(1), breaker=ub.CircuitBreaker(2))

    async def main() -> str:
        task = asyncio.ensure_future(call(5.0))
        await ASYNCIO.sleep(3.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 == call.node.get_status().in_flight
        return str(call.node.breaker.state.value)

    with virtual_time():
        assert "closed" == asyncio.run(main())
    assert 1 == len(repeats)


def test_a_circuit_that_opens_in_the_pause_refuses_the_attempt() -> None:
    """What others found out meanwhile counts, and what was paid for a repeat that was not made is given back."""
    call = failing(1)

    async def main() -> float:
        task = asyncio.ensure_future(call())
        await ASYNCIO.sleep(0.5)
        call.node.breaker.force_open()
        with pytest.raises(ConnectionResetError, match="attempt 1") as caught:
            await task
        assert "1 attempt" in caught.value.__notes__[-1]
        budget = call.node.get_status().budget
        assert budget is not None
        return budget

    with virtual_time():
        assert asyncio.run(main()) >= 9.0


def test_two_failures_are_told_as_two(repeats: list[Repeat]) -> None:
    """The script that takes over after the second failure knows of the first."""
    call = failing(9)
    with virtual_time():
        with pytest.raises(ConnectionResetError, match="attempt 3") as caught:
            asyncio.run(call())
        assert "failed after 3 attempts in 3.000 s" in caught.value.__notes__[-1]
    assert 1 == len(repeats)


def test_the_second_attempt_is_cut_by_its_limit(repeats: list[Repeat]) -> None:
    """A pinned limit counts for it as for the first, and the third one still succeeds."""
    call = failing(1, timeout=ub.Timeout(2.0), retry=ub.Retry(2, backoff=ub.Backoff(first=0.0)))
    with virtual_time() as clock:
        started = clock.now()
        with pytest.raises(ub.errors.AttemptTimeout):
            asyncio.run(call(9.0))
    assert 2.0 == pytest.approx(clock.now() - started)
    assert 1 == len(repeats)


def test_the_second_attempt_keeps_to_the_deadline(repeats: list[Repeat]) -> None:
    """It is cut at the call's deadline, which began with the first one."""
    call = failing(1, deadline=2.5)
    with virtual_time() as clock:
        started = clock.now()
        with pytest.raises(ub.errors.DeadlineExceeded):
            asyncio.run(call(9.0))
    assert 2.5 == pytest.approx(clock.now() - started)
    assert 1 == len(repeats)


def test_each_attempt_has_a_context_of_its_own(repeats: list[Repeat]) -> None:
    """What the first attempt left running is told apart from the second, and all have the call's key."""
    seen: list[ub.Context] = []
    keys: list[str] = []

    @ub.protect("partner", effects="none", retry=PAUSE)
    def call() -> int:
        context = ub.current()
        assert context is not None
        seen.append(context)
        if len(seen) > 1:
            keys.append(context.idempotency_key)
        if len(seen) < 3:
            raise ConnectionResetError
        return context.attempt

    with virtual_time():
        assert 3 == call()
    assert 3 == len(set(map(id, seen)))
    assert 1 == len(set(keys))
    assert not any(context.live for context in seen)
    assert 1 == len(repeats)


def test_a_call_inside_sends_the_repeat_to_the_script(repeats: list[Repeat]) -> None:
    """What it has done is for the ledger, which the script keeps."""
    inner = failing(0)
    tries: list[int] = []

    @ub.protect("outer", effects="none", retry=PAUSE)
    async def outer() -> int:
        tries.append(1)
        await inner()
        if len(tries) == 1:
            raise ConnectionResetError
        return len(tries)

    with virtual_time():
        assert 2 == asyncio.run(outer())
    assert not repeats


def test_a_healed_call_lets_go_of_its_exception() -> None:
    """Without the collector's help: its traceback holds the frame of the call."""
    kept: list[weakref.ref[BaseException]] = []

    class Lost(Exception):
        """Be seen."""

        def __init__(self) -> None:
            kept.append(weakref.ref(self))

    @ub.protect("partner", effects="none", retry=ub.Retry(backoff=ub.Backoff(first=0.0)))
    def call() -> int:
        if not kept:
            raise Lost
        return 7

    gc.collect()
    gc.disable()
    try:
        assert 7 == call()
        assert kept[0]() is None
    finally:
        gc.enable()


def test_a_repeat_that_finishes_although_it_was_cut_has_healed_the_call():
    """It made a value of our cancellation, which counts; the task is none that anybody has cancelled."""
    made, cancellings = [], []

    @ub.protect("n", effects="none", timeout=ub.Timeout(1.0), retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    async def work():
        made.append(1)
        if len(made) == 1:
            raise ConnectionResetError
        try:
            await asyncio.sleep(9.0)  # noqa: TID251 - virtual
        except asyncio.CancelledError:
            return "what there was"

    async def story():
        value = await work()
        cancellings.append(asyncio.current_task().cancelling())
        return value

    with virtual_time():
        assert "what there was" == asyncio.run(story())
    assert ([0], 1) == (cancellings, work.node.get_status().success_count)


def test_the_second_attempt_has_from_its_call_what_an_attempt_of_the_script_has(repeats: list[Repeat]) -> None:
    """But for the place, the first answer, what that said of the target and what was paid, which are the call's."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []

    @ub.protect("partner", effects="none", bulkhead=ub.Bulkhead(1), retry=ub.Retry(backoff=ub.Backoff(first=0.0)))
    def call() -> None:
        if not repeats:
            raise ConnectionResetError
        repeat = repeats[0]
        found.append((dict(vars(repeat.scope)), vars(repeat.ctx.scope(due=repeat.scope.due))))

    call()
    ((quick, other),) = found

    assert {"permit", "first", "says", "prepaid"} == other.keys() - quick.keys()
    assert quick == {fact: other[fact] for fact in quick}


@pytest.mark.parametrize("asks_in", [0, 1, 2])
def test_what_an_attempt_has_paid_in_advance_is_given_back(asks_in: int) -> None:
    """Plain code that asks how long it has is promised another attempt, which it may not need."""
    made: list[int] = []

    @ub.protect(
        "partner",
        effects="none",
        retry=ub.Retry(backoff=ub.Backoff(first=0.0)),
        timeout=ub.Timeout(5.0, learned=True),
        budget=ub.RetryBudget(ratio=0.0, floor=0.0, start=10.0),
    )
    def call() -> None:
        made.append(1)
        context = ub.current()
        assert context is not None
        if len(made) == asks_in:
            context.remaining()
        if len(made) == 1:
            raise ConnectionResetError

    call()
    assert 9.0 == call.node.get_status().budget
