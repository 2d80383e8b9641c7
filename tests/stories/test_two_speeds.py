"""Two speeds, one story: the quick path and the script from its start tell the same."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time


class Busy(Exception):
    """A 503 with a Retry-After header."""

    http_status = 503
    retry_after = 2.0


class Wrong(Exception):
    """A 400."""

    http_status = 400


OPTIONS: dict[str, dict[str, Any]] = {
    "cold": {},
    "one attempt": {"retry": False},
    "off": {"retry": False, "breaker": False, "budget": False},
    "opens": {"breaker": ub.CircuitBreaker(2, rest=1.5)},
    "opens and waits": {"breaker": ub.CircuitBreaker(2, rest=1.5, wait=9.0), "retry": ub.Retry(5)},
    "ratio": {"breaker": ub.CircuitBreaker(ratio=0.5, minimum=2, rest=1.5)},
    "slow calls": {"breaker": ub.CircuitBreaker(1, slow=0.5, rest=0.4)},
    "last calls": {"breaker": ub.CircuitBreaker(last=3, minimum=2, slow=ub.Slow(0.5), rest=0.4, most_rest=1.0)},
    "ramp": {"breaker": ub.CircuitBreaker(1, rest=0.4, ramp=4.0)},
    "shadow": {"breaker": ub.Shadow(ub.CircuitBreaker(1, rest=1.5)), "timeout": ub.Shadow(ub.Timeout(0.5))},
    "few places": {"bulkhead": ub.Bulkhead(1)},
    "one at first": {"limit": ub.AdaptiveLimit(first=1)},
    "throttled": {"throttle": ub.Throttle()},
    "verified": {"verify": lambda value: value != 3},
    "shaped": {"schema": int},
    "fallback": {"fallback": lambda failure: "plan b", "retry": ub.Retry(2)},
    "careful": {"effects": "once"},
    "brief": {"deadline": 2.5},
    "poor": {"budget": ub.RetryBudget(start=1)},
}

ANSWERS: dict[str, list[Any]] = {
    "fine": [7],
    "one fault": [OSError("1"), 7],
    "two faults": [OSError("1"), ConnectionResetError("2"), 7],
    "down": [OSError("1"), OSError("2"), OSError("3"), 7, 8],
    "not what was asked for": [3, 3, 7],
    "no number": ["x", 7],
    "busy": [Busy("later"), 7],
    "wrong": [Wrong("no"), 7],
    "never left": [ConnectionRefusedError("nobody"), 7],
}

CALLS = 3


class Teller:
    """One playing of a story: a node, its answers and everything that it tells."""

    def __init__(self, options: dict[str, Any], answers: list[Any], clock: Any) -> None:
        self.answers, self.told, self.clock = list(answers), [], clock
        self.options = options

    def listen(self, node: ub.FractalNode, heard: bool) -> None:
        """Write down every event, if it is *heard*."""
        if heard:
            node.on(ub.events.Event, lambda event: self.told.append(self.as_told(event)))

    def as_told(self, event: ub.events.Event) -> Any:
        """Return what an event says, at the clock of the story and without the serial number of the call."""
        told = {**event.to_dict(), "at": self.clock.now()}
        number = str(told.pop("id", None))
        return rounded({name: text.replace(number, "") if name == "text" else text for name, text in told.items()})

    def say(self) -> Any:
        """Answer the next attempt."""
        answer = self.answers.pop(0) if self.answers else 7
        if isinstance(answer, Exception):
            raise answer.with_traceback(None)
        return answer


def rounded(record: dict[str, Any]) -> dict[str, Any]:
    """Return *record* with times to the nanosecond."""
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in record.items()}


def in_short(end: Any) -> Any:
    """Return what a call ended in: a value, or the type and message of an error."""
    return (type(end).__name__, str(end)) if isinstance(end, Exception) else end


def play_async(options: dict[str, Any], answers: list[Any], *, quick: bool, heard: bool = True) -> Any:
    """Play a story on an event loop."""
    with virtual_time(7) as clock:
        teller = Teller(options, answers, clock)

        @ub.protect("target", **options)
        async def work() -> Any:
            await asyncio.sleep(1)  # noqa: TID251 - virtual
            return teller.say()

        teller.listen(work.node, heard)

        async def main() -> list[Any]:
            ends = []
            for _ in range(CALLS):
                if quick:
                    ends += await asyncio.gather(work(), return_exceptions=True)
                else:
                    outcome = await work.outcome()
                    ends.append(outcome.value if outcome.error is None or outcome.ok else outcome.error)
                    ends[-1] = outcome.value if outcome.status is ub.Status.DEGRADED else ends[-1]
            return ends

        ends = asyncio.run(main())
        return [in_short(end) for end in ends], teller.told, clock.now(), figures(work.node)


def play_sync(options: dict[str, Any], answers: list[Any], *, quick: bool, heard: bool = True) -> Any:
    """Play a story in a thread."""
    with virtual_time(7) as clock:
        teller = Teller(options, answers, clock)

        @ub.protect("target", **options)
        def work() -> Any:
            time.sleep(1)  # noqa: TID251 - virtual
            return teller.say()

        teller.listen(work.node, heard)
        ends: list[Any] = []
        for _ in range(CALLS):
            try:
                ends.append(work() if quick else work.outcome().unwrap())
            except Exception as error:
                ends.append(error)
        return [in_short(end) for end in ends], teller.told, clock.now(), figures(work.node)


def figures(node: ub.FractalNode) -> Any:
    """Return what the node counted."""
    status = node.get_status()
    return (
        status.success_count,
        status.heal_count,
        status.degraded_count,
        status.failure_count,
        status.breaker,
        status.in_flight,
        status.latency,
        status.budget is None or round(status.budget, 6),
        status.remedies,
        status.signatures,
        [(round(lag, 6), failed) for lag, failed in node.target.repeats],
        [(fault[0], round(fault[2], 6)) for fault in node.target.faults],
    )


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_the_quick_path_and_the_script_tell_the_same_story(options: dict[str, Any], answers: list[Any]) -> None:
    """Same ends, same events, same times, same figures; the two colours differ only where deadlines cut."""
    quick = play_async(options, answers, quick=True)

    assert quick == play_async(options, answers, quick=False)
    assert play_sync(options, answers, quick=True) == play_sync(options, answers, quick=False)
    if "deadline" not in options:
        assert quick == play_sync(options, answers, quick=True)


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_the_quick_repeat_and_the_script_come_to_the_same(options: dict[str, Any], answers: list[Any]) -> None:
    """Where nobody listens, a repeat by arithmetic ends, takes and counts as one by the script."""
    quick = play_async(options, answers, quick=True, heard=False)

    assert quick == play_async(options, answers, quick=False, heard=False)
    assert play_sync(options, answers, quick=True, heard=False) == play_sync(options, answers, quick=False, heard=False)


@pytest.mark.parametrize("form", ["async", "sync"])
def test_the_quick_repeat_is_taken(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """A call that is healed by waiting never opens the script."""
    monkeypatch.setattr(ub.FractalNode, "play", None)
    answers = [OSError("1"), 7]

    def say() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @ub.protect("quick")
    async def call() -> int:
        return say()

    with virtual_time():
        assert 7 == (asyncio.run(call()) if form == "async" else ub.protect("quick")(say)())


def test_the_quick_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first-try success never opens the script: that is what makes it quick."""
    monkeypatch.setattr(ub.FractalNode, "play", None)

    @ub.protect("quick")
    def double(number: int) -> int:
        return 2 * number

    assert 14 == double(7)


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_success_that_began_long_ago_makes_old_failures_no_news(form: str) -> None:
    """What hung while others succeeded is not counted in a row because one that was slow has ended in between."""

    @ub.protect(effects="none", timeout=ub.Timeout(1.0), retry=False, hedge=False)
    async def call(seconds: float) -> None:
        await ASYNCIO.sleep(seconds)

    async def quietly(seconds: float) -> None:
        with contextlib.suppress(ub.errors.AttemptTimeout):
            await (call(seconds) if form == "plain" else call.outcome(seconds))

    async def main() -> str:
        early = [asyncio.ensure_future(quietly(seconds)) for seconds in (9.0, 9.0, 9.0, 9.0, 9.0, 0.97)]
        for _ in range(12):
            await quietly(0.001)
            await ASYNCIO.sleep(0.08)
        await asyncio.gather(*early)
        return str(call.node.breaker.state.value)

    with virtual_time():
        assert "closed" == asyncio.run(main())


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_limit_that_is_learned_meanwhile_counts_for_calls_in_flight(form: str) -> None:
    """What began before anything was known, and hangs, is cut and made anew as soon as a limit is known."""
    begun: list[float] = []

    @ub.protect("partner", effects="none", hedge=False)
    async def call(seconds: float) -> None:
        begun.append(seconds)
        await ASYNCIO.sleep(3_600.0 if begun.count(seconds) == 1 and seconds > 1 else seconds)

    async def main() -> float:
        slow = asyncio.ensure_future(call(2.0) if form == "plain" else call.outcome(2.0))
        for _ in range(80):
            await call(0.01)
            await ASYNCIO.sleep(0.001)
        await slow
        return BLOCKING.now()

    with virtual_time():
        start = BLOCKING.now()
        assert 6.0 > asyncio.run(main()) - start
