"""Calls that are late on the quick path: their script comes to life beside them, and tells the same story."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
asked_by = contextvars.ContextVar("asked_by", default="nobody")
HEDGE = ub.Hedge(2.0, threads=False)  # as a learned one is
LIMIT = ub.Timeout(2.0, learned=True)


def told_of(answers, form, *, calls=1, node=None, **options):
    """Return all that is told of calls whose n-th copy takes so many seconds and then answers, or raises, that."""
    begun, stopped, heard, ends = [], [], [], []
    with virtual_time(5) as clock:

        @ub.protect("target", effects="none", **options)
        async def work():
            seconds, answer = answers[len(begun)] if len(begun) < len(answers) else (0, "more")
            begun.append(clock.now())
            try:
                await sleep(seconds)
            except asyncio.CancelledError:
                stopped.append(clock.now())
                raise
            if isinstance(answer, BaseException):
                raise answer.with_traceback(None)
            return answer

        def listen(event):
            told = {**event.to_dict(), "at": clock.now()}
            heard.append({name: told[name] for name in told if name not in ("id", "text", "elapsed")})

        work.node.on(ub.events.Event, listen)

        async def main():
            for _ in range(calls):
                try:
                    ends.append(await work() if form == "plain" else (await work.outcome()).unwrap())
                except Exception as error:
                    ends.append((type(error), str(error)))
            at = clock.now()
            await sleep(0.5)
            return at

        at, status, target = asyncio.run(main()), work.node.get_status(), work.node.target
        if node is not None:
            node.append(work.node)
        return {
            "ends": ends,
            "at": at,
            "begun": begun,
            "stopped": stopped,
            "heard": heard,
            "counts": (status.success_count, status.heal_count, status.failure_count, status.breaker, status.budget),
            "learned": (sorted([*target.ring, *(each.attempt for each in target.detours)]), list(target.ages), list(target.faults)),
            "left": (len(ASYNCIO.branches), status.in_flight),
        }


STORIES = {
    "quick": [(1, "a"), (1, "b")],
    "the copy wins": [(10, "a"), (1, "b")],
    "the first one wins": [(3, "a"), (5, "b")],
    "the first one fails while the copy runs": [(3, OSError("1")), (2, "b")],
    "a failing copy does not beat a good first one": [(4, "a"), (1, OSError("2"))],
    "both fail": [(5, OSError("1")), (1, ValueError("2")), (1, "c")],
    "it fails before anybody is late": [(1, OSError("1")), (1, "b")],
    "the verdict is no": [(3, "bad"), (2, "b")],
    "the copy's answer is no good": [(4, "a"), (1, "bad")],
    "all hang": [(1e6, "a"), (1e6, "b"), (1e6, "c"), (1e6, "d"), (1e6, "e"), (1e6, "f")],
    "the second one hangs, too": [(1e6, "a"), (1e6, "b"), (1, "c")],
    "it is cancelled by itself": [(3, asyncio.CancelledError()), (9, "b")],
}
OPTIONS = {
    "a copy": {"hedge": HEDGE},
    "a copy and a limit": {"hedge": HEDGE, "timeout": ub.Timeout(5.0, learned=True)},
    "a limit": {"timeout": LIMIT, "hedge": False},
    "one attempt": {"hedge": HEDGE, "retry": False},
    "a limit and two attempts": {"timeout": LIMIT, "hedge": False, "retry": ub.Retry(2)},
    "two copies": {"hedge": ub.Hedge(0.75, most=2, threads=False)},
    "poor": {"hedge": HEDGE, "timeout": ub.Timeout(5.0, learned=True), "budget": ub.RetryBudget(start=1.0)},
    "few places": {"hedge": HEDGE, "bulkhead": ub.Bulkhead(1)},
}


@pytest.mark.parametrize("answers", STORIES.values(), ids=STORIES)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_late_call_tells_the_story_that_its_script_tells_from_the_start(options, answers):
    """Same ends, times, attempts, events, figures and lessons, whether it began on the quick path or not."""
    options = {**options, "verify": lambda value: value != "bad"}
    try:
        quick = told_of(answers, "plain", **options)
    except asyncio.CancelledError:
        with pytest.raises(asyncio.CancelledError):
            told_of(answers, "outcome", **options)
        return

    assert quick == told_of(answers, "outcome", **options)
    assert (0, 0 if "bulkhead" in options else None) == quick["left"]
