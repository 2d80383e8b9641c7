"""Arguments that are looked at without opening a script."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


def test_arguments_are_looked_at_on_the_quick_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose arguments are fine never opens the script."""
    monkeypatch.setattr(ub.FractalNode, "play", None)

    @ub.protect("quick", validate=lambda number: number > 0)
    def double(number: int) -> int:
        return 2 * number

    assert 14 == double(7)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_refused_arguments_are_looked_at_once_and_take_nothing(form: str) -> None:
    """The work is not done, the place is free, and the refusal is told as the script tells it."""
    seen: list[int] = []

    def look(number: int) -> bool:
        seen.append(number)
        return number > 0

    @ub.protect("quick", validate=look, bulkhead=ub.Bulkhead(1))
    def double(number: int) -> int:
        return 2 * number

    told: list[ub.events.Event] = []
    double.node.on(ub.events.CallRejected, told.append)
    for _ in range(3):
        with pytest.raises(ub.errors.ValidationFailed, match="quick: the input was refused by validate"):
            double(-1) if form == "plain" else double.outcome(-1).unwrap()
    assert [-1] * 3 == seen
    assert 3 == len(told)
    assert 8 == double(4)
    assert (0, 3) == (double.node.get_status().in_flight, double.node.get_status().failure_count)
    assert "closed" == double.node.breaker.state


def test_a_refusal_inside_another_call_is_no_call_at_work() -> None:
    """The call around it may be repeated: nothing was done in it."""
    made: list[int] = []

    @ub.protect("inner", validate=lambda: False)
    def inner() -> None:
        raise AssertionError

    @ub.protect("outer", retry=ub.Retry(backoff=ub.Backoff(first=0.0)))
    def outer() -> int:
        made.append(1)
        try:
            inner()
        except ub.errors.ValidationFailed:
            if len(made) < 2:
                raise ConnectionResetError from None
        context = ub.current()
        assert context is not None
        assert "outer" == context.node.name
        return len(made)

    assert 2 == outer()


def test_an_interrupt_in_the_look_takes_nothing() -> None:
    """Ctrl-C while arguments are looked at passes, and the place is free."""
    interrupts = [True]

    def look() -> bool:
        if interrupts.pop():
            raise KeyboardInterrupt
        return True

    @ub.protect("quick", validate=look, bulkhead=ub.Bulkhead(1))
    def work() -> int:
        return 7

    with pytest.raises(KeyboardInterrupt):
        work()
    interrupts.append(False)
    assert 7 == work()
    assert ub.current() is None


def test_a_long_look_is_no_part_of_how_long_the_target_takes() -> None:
    """What ``validate`` spends counts for the call's deadline, and not for its target's latency."""

    def look(**options: Any) -> bool:
        time.sleep(5.0)  # noqa: TID251 - virtual
        return True

    @ub.protect("quick", validate=look)
    async def work() -> int:
        await asyncio.sleep(1.0)  # noqa: TID251 - virtual
        return 7

    with virtual_time() as clock:
        started = clock.now()
        assert 7 == asyncio.run(work())
        assert 6.0 == pytest.approx(clock.now() - started)
    p50 = work.node.get_status().latency.p50
    assert p50 is not None
    assert 1.1 > p50


def test_a_look_at_the_arguments_that_would_have_to_be_awaited_is_none():
    """It would always be a yes; nobody is called, and no place is taken."""

    async def look(number):
        return True

    called = []
    quick = ub.protect("quick", validate=lambda number: look(number + 1), bulkhead=ub.Bulkhead(1))(called.append)
    for _ in range(2):
        with pytest.raises(ub.errors.ValidationFailed, match="it returned something to be awaited"):
            quick(1)

    assert ([], 0) == (called, quick.node.get_status().in_flight)
