"""Whoever cancels a call with several attempts under way goes on when they have cleaned up, however often he does."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
COPIES = {"hedge": ub.Hedge(0.2)}
LIMIT = {"timeout": ub.Timeout(0.2, learned=True), "hedge": False, "retry": ub.Retry(3, backoff=ub.Backoff(0.0))}


class Target:
    """Answer never; take some time to clean up, and note whether it was let."""

    def __init__(self, *, first_fails: bool = False, turns: int = 0) -> None:
        self.begun, self.cleaned, self.first_fails, self.turns = 0, 0, first_fails, turns

    async def ask(self) -> None:
        self.begun += 1
        if self.first_fails and self.begun == 1:
            await sleep(0.3)
            raise ConnectionError("late, and in vain")
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(self.turns):
                await sleep(0.0)
            await sleep(0.0 if self.turns else 0.5)
            self.cleaned += 1


async def cancelled(target: Target, options: dict[str, object], *moments: float) -> tuple[float, int, int, int]:
    """Return when a call that is cancelled at these moments has ended, and what was begun, cleaned up and left."""
    loop, before = asyncio.get_running_loop(), len(ASYNCIO.branches)
    call = asyncio.ensure_future(ub.protect("target", effects="none", **options)(target.ask)())
    start = loop.time()
    for moment in moments:
        loop.call_at(start + moment, call.cancel)
    with pytest.raises(asyncio.CancelledError):
        await call
    took, left = loop.time() - start, len(ASYNCIO.branches) - before
    return round(took, 3), target.begun, target.cleaned, left


@pytest.mark.parametrize("moments", [(1.0,), (1.0, 1.1), (1.0, 1.1, 1.2, 1.3)])
@pytest.mark.parametrize(
    ("options", "first_fails", "begun"), [(COPIES, False, 2), (LIMIT, True, 3)], ids=["copies", "attempts"]
)
def test_to_be_cancelled_again_cuts_no_clean_up(options, first_fails, begun, moments):
    """They are told once, and waited for: half a second, in which nobody is in a hurry."""
    target = Target(first_fails=first_fails)

    with virtual_time():
        end = asyncio.run(cancelled(target, options, *moments))

    assert (1.5, begun, begun - first_fails, 0) == end


def test_attempts_beside_a_late_one_clean_up_though_that_one_is_cut_as_any_work_is():
    """It is in its caller's task, where a second cancellation ends its clean-up; then the others are told, once."""
    with virtual_time():
        end = asyncio.run(cancelled(Target(), LIMIT, 1.0, 1.1))

    assert (1.6, 3, 2, 0) == end


@pytest.mark.parametrize(("options", "left_alone"), [(COPIES, 2), (LIMIT, 2)], ids=["copies", "attempts"])
def test_a_scope_that_cancels_at_each_turn_of_the_loop_is_left_when_all_have_cleaned_up(options, left_alone):
    """So do the scopes of anyio, of which a web framework has one around each request."""

    async def story():
        loop, target = asyncio.get_running_loop(), Target(turns=9)
        call = asyncio.ensure_future(ub.protect("target", effects="none", **options)(target.ask)())

        def deliver():
            if not call.done():
                call.cancel()
                loop.call_soon(deliver)

        loop.call_later(1.0, deliver)
        await asyncio.wait({call})
        return call.cancelled(), target.cleaned, len(ASYNCIO.branches)

    with virtual_time():
        assert (True, left_alone, 0) == asyncio.run(story())


def test_our_own_cuts_at_once_leave_no_cancellation_behind():
    """The time of a call and of the call around it is up at the same moment: both are taken back."""
    target = Target()
    inner = ub.protect("inner", effects="none", **COPIES)(target.ask)

    @ub.protect("outer", effects="none", deadline=2.0, retry=False)
    async def outer():
        await inner()

    async def story():
        outcome = await outer.outcome()
        return type(outcome.error), target.cleaned, asyncio.current_task().cancelling(), len(ASYNCIO.branches)

    with virtual_time():
        assert (ub.errors.DeadlineExceeded, 2, 0, 0) == asyncio.run(story())
