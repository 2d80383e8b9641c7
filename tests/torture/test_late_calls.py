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
HEDGED = ub.Strategy("hedged", hedge=HEDGE)


def asks(answers, clock, begun, stopped):
    """Return an operation whose n-th copy takes so many seconds and then answers, or raises, that."""

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

    return work


def told_of(answers, form, **options):
    """Return all that is told of one call."""
    begun, stopped, heard, end = [], [], [], None

    def listen(event):
        told = {**event.to_dict(), "at": clock.now()}
        heard.append({name: told[name] for name in told if name not in ("id", "text", "elapsed")})

    async def main():
        nonlocal end
        try:
            end = await call() if form == "plain" else (await call.outcome()).unwrap()
        except Exception as error:
            end = type(error), str(error)
        at = clock.now()
        await sleep(0.5)
        return at

    with virtual_time(5) as clock:
        call = ub.protect("target", effects="none", **options)(asks(answers, clock, begun, stopped))
        call.node.on(ub.events.Event, listen)
        at, status, target = asyncio.run(main()), call.node.get_status(), call.node.target
        return {
            "end": (end, at),
            "attempts": (begun, stopped),
            "heard": heard,
            "counts": (status.success_count, status.heal_count, status.failure_count, status.breaker, status.budget),
            "learned": (
                sorted([*target.ring, *(each.attempt for each in target.detours)]),
                [*target.ages, *target.beside_cut],
                [fault[2] for fault in target.faults],
            ),
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


# ── one by one ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [{"hedge": HEDGE}, {"timeout": LIMIT, "hedge": False}], ids=["copy", "limit"])
def test_who_is_not_late_never_opens_the_script(monkeypatch, options):
    """With a copy or a limit that was learned, a quick call is arithmetic as before."""
    monkeypatch.setattr(ub.FractalNode, "play", None)
    with virtual_time() as clock:
        call = ub.protect("target", effects="none", **options)(asks([(1, "a")], clock, [], []))
        assert "a" == asyncio.run(call())


@pytest.mark.parametrize("moment", [0.5, 2.5, 5.5])
@pytest.mark.parametrize("options", [{"hedge": HEDGE}, {"timeout": LIMIT, "hedge": False}], ids=["copy", "limit"])
def test_a_callers_cancel_stops_all_and_is_waited_for(options, moment):
    """Whatever is under way is stopped, its clean-up is over when the caller goes on, and no place is left taken."""
    begun, cleaned = [], []

    @ub.protect("target", effects="none", bulkhead=ub.Bulkhead(1), **options)
    async def call():
        begun.append(1)
        try:
            await sleep(100)
        finally:
            await sleep(0.05)
            cleaned.append(1)

    async def main():
        task = asyncio.ensure_future(call())
        await sleep(moment)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(begun) - len(cleaned), call.node.get_status().in_flight, len(ASYNCIO.branches)

    with virtual_time():
        assert (0, 0, 0) == asyncio.run(main())
    assert len(begun) == (1 if moment < 2 else 2)


def test_a_copy_sees_the_context_variables_of_its_call():
    """It runs in a task of its own, which begins with what the caller had set."""
    seen = []

    @ub.protect("target", effects="none", hedge=HEDGE)
    async def call():
        seen.append((asked_by.get(), ub.current().rival, ub.current().left()))
        await sleep(3)

    async def main():
        asked_by.set("Ann")
        await call()

    with virtual_time():
        asyncio.run(main())

    assert [("Ann", 0, 30.0), ("Ann", 1, 28.0)] == seen


def test_a_winner_waits_once_for_a_loser_that_clings_and_never_again():
    """The first attempt of a quick call ends in its caller's task: where that takes long, later calls are apart."""
    took = []

    @ub.protect("target", effects="none", hedge=HEDGE)
    async def call():
        if ub.current().rival:
            return "quick"
        try:
            await sleep(100)
        finally:
            await sleep(5)

    async def main():
        for _ in range(3):
            began = ASYNCIO.now()
            assert "quick" == await call()
            took.append(round(ASYNCIO.now() - began, 3))

    with virtual_time():
        asyncio.run(main())

    assert [7.0, 2.0, 2.0] == took


def test_nothing_is_kept_of_a_late_call():
    """Arguments and results are let go of, without the collector's help, though the context is kept by the task."""

    class Thing:
        pass

    @ub.protect("target", effects="none", hedge=HEDGE)
    async def call(thing, seconds):
        await sleep(seconds)

    async def main():
        things = []
        for seconds in (3, 1):
            thing = Thing()
            things.append(weakref.ref(thing))
            await call(thing, seconds)
            del thing
            await sleep(1)
        return [ref() for ref in things]

    gc.disable()
    try:
        with virtual_time():
            assert [None, None] == asyncio.run(main())
    finally:
        gc.enable()


@pytest.mark.parametrize("effects", ["unknown", "once"])
@pytest.mark.parametrize("options", [{"strategy": HEDGED}, {"timeout": LIMIT, "hedge": False}], ids=["copy", "limit"])
def test_what_must_not_happen_twice_at_once_is_neither_copied_nor_overtaken(effects, options):
    """A guess is no permission."""
    begun, heard = [], []

    with virtual_time() as clock:
        call = ub.protect("target", effects=effects, **options)(asks([(9, "a"), (1, "b")], clock, begun, []))
        call.node.on(ub.events.Event, lambda event: heard.append(type(event).__name__))
        assert ("a", [0.0], ["Succeeded"]) == (asyncio.run(call()), begun, heard)


def test_who_cannot_pay_is_not_overtaken_until_he_can():
    """Each attempt beside another one is paid for before."""
    begun = []

    with virtual_time() as clock:
        budget = ub.RetryBudget(ratio=0.0, floor=0.0, start=2.0)  # half of it is for failures
        work = asks([(9, "a"), (9, "b"), (9, "c"), (9, "d")], clock, begun, [])
        call = ub.protect("target", effects="none", timeout=LIMIT, hedge=False, budget=budget)(work)
        assert ("a", [0.0, 2.0]) == (asyncio.run(call()), begun)


def test_the_age_of_who_loses_is_known():
    """A loser's time counts as "at least that long", from its beginning to its end."""
    stories = {"the copy wins": [10.0 - 7.0], "the first one wins": [1.0]}
    for name, ages in stories.items():
        assert ages == [round(age, 3) for age in told_of(STORIES[name], "plain", hedge=HEDGE)["learned"][1]]


def test_who_can_pay_later_is_overtaken_later():
    """Who cannot pay when the limit is over asks again when as much time has passed once more."""
    begun = []

    with virtual_time() as clock:
        budget = ub.RetryBudget(ratio=0.0, floor=0.0, start=0.0)
        work = asks([(9, "a"), (1, "b")], clock, begun, [])
        call = ub.protect("target", effects="none", timeout=LIMIT, hedge=False, budget=budget)(work)

        async def main():
            late = asyncio.ensure_future(call())
            await sleep(3.0)
            call.node.budget.give_back(1.0)
            return await late, clock.now()

        assert ("b", 5.0) == asyncio.run(main())
    assert [0.0, 4.0] == begun


def test_a_late_attempt_that_wins_is_no_failure():
    """Its call was not healed, its latency is learned and not its age, and its circuit knows that it succeeded."""
    begun = []

    with virtual_time() as clock:
        call = ub.protect("target", effects="none", timeout=LIMIT, hedge=False)(
            asks([(3, "a"), (9, "b")], clock, begun, [])
        )
        call.node.breaker.run = 1

        async def main():
            outcome = await call.outcome()
            await sleep(0.1)
            return outcome

        outcome, target = asyncio.run(main()), call.node.target
        assert (ub.Status.OK, 2, [0.0, 2.0]) == (outcome.status, outcome.attempts, begun)
        assert "attempt 1 answered after all" in outcome.explain()
        assert ([3.0], [1.0]) == ([each.attempt for each in target.detours], list(target.ages))
        assert (0, 0.2) == (call.node.breaker.run, target.slow_again)


def test_what_a_late_attempt_fails_with_is_the_last_word():
    """Where no other could begin beside it, the caller is not told of our impatience but of its own error."""
    call = ub.protect("target", effects="none", timeout=LIMIT, hedge=False)(asks([(3, OSError("own"))], Now, [], []))

    @call.remedy(ub.errors.AttemptTimeout)
    async def shut(failure):
        call.node.breaker.force_open()

    with virtual_time(), pytest.raises(OSError, match="own"):
        asyncio.run(call())


class Now:
    """Tell the library's time."""

    @staticmethod
    def now():
        """Return its moment."""
        return ASYNCIO.now()


def test_a_repeat_after_a_quick_failure_gets_its_copy_too():
    """The second attempt of a call is hedged as the first is, though nobody listens."""
    begun = []

    with virtual_time() as clock:
        options = {"hedge": HEDGE, "retry": ub.Retry(2, backoff=ub.Backoff(0.0))}
        work = asks([(1, OSError("1")), (99, "b"), (1, "c")], clock, begun, [])
        assert "c" == asyncio.run(ub.protect("target", effects="none", **options)(work)())
    assert [0.0, 1.0, 3.0] == begun


# ── what it is for ──────────────────────────────────────────────────────────────────────────────────────────────────


def learned(latency, **options):
    """Return a protected call that has learned from 200 answers, and the attempts that it has made."""
    begun = []

    @ub.protect("target", effects="none", **options)
    async def call():
        begun.append(1)
        await sleep(latency())
        return len(begun)

    return call, begun


@pytest.mark.parametrize("doubt", [0.0, 1.0])
def test_a_hang_is_overtaken_at_about_the_learned_limit(doubt):
    """One attempt in twenty never returns; even where the limit was in vain lately nobody waits for the deadline."""
    begun_by_now = [0]

    def latency():
        begun_by_now[0] += 1
        return 1e6 if begun_by_now[0] > 200 and begun_by_now[0] % 20 == 0 else 0.1

    call, _ = learned(latency, hedge=False)

    async def main():
        for _ in range(200):
            await call()
        took = []
        for _ in range(100):
            call.node.target.slow_again = doubt
            began = ASYNCIO.now()
            await call()
            took.append(ASYNCIO.now() - began)
        return max(took), call.node.get_status()

    with virtual_time():
        slowest, status = asyncio.run(main())
    assert (0, 0.5) == (status.failure_count, status.plan["timeout"])
    limit = 2.0 if doubt else 0.5
    assert limit < slowest < limit + 0.2


@pytest.mark.parametrize("factor", [3.0, 20.0, 100.0])
def test_a_target_that_becomes_slow_fails_no_call_and_is_asked_little_more(factor):
    """All answers suddenly take so many times as long: nothing fails, and what is sent in vain is a share of it."""
    times = [1.0]
    call, begun = learned(lambda: 0.1 * times[0], hedge=False)

    async def run(count):
        for _ in range(count):
            await call()

    async def main():
        await asyncio.gather(*(run(20) for _ in range(10)))
        times[0] = factor
        before = len(begun)
        await asyncio.gather(*(run(40) for _ in range(10)))
        return (len(begun) - before) / 400

    with virtual_time():
        load = asyncio.run(main())
    status = call.node.get_status()
    assert (0, "closed", True) == (status.failure_count, status.breaker, load <= 1.2)
