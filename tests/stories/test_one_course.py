"""One logic, two drivers: a random story has the same events at the same virtual times on both."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import math
import time
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dense import most

import unbreakable as ub
from unbreakable.bell import Bell
from unbreakable.runtime import BLOCKING, AsyncioRuntime, BlockingRuntime
from unbreakable.testing import VirtualClock, virtual_time


class AuthError(Exception):
    """The token died."""


class Asked(Exception):
    """The target said no, politely."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(status, retry_after)
        self.http_status, self.retry_after = status, retry_after


class Left(BaseException):
    """The caller went away: what a cancellation is to sync code."""


ANSWERS: dict[str, Any] = {
    "good": "good",
    "poor": "poor",
    "reset": ConnectionResetError("reset by peer"),
    "refused": ConnectionRefusedError("nobody listens"),
    "bug": ValueError("7 is not a flight"),
    "auth": AuthError("token 4711 died"),
    "busy": Asked(503, 0.700314159265),
    "wrong": Asked(400),
    "left": Left(),
}


@dataclass(frozen=True)
class Caller:
    """Somebody who begins at a moment and makes calls, one after the other."""

    begins: float
    calls: int
    pause: float


@dataclass(frozen=True)
class Story:
    """Everything that a course of events depends on."""

    seed: int
    options: dict[str, Any]
    inner: dict[str, Any] | None
    remedy: str
    fallback: bool
    callers: tuple[Caller, ...]
    answers: tuple[tuple[float, str], ...]


def moments(odd: float) -> Any:
    """Draw a length of time.

    *odd* keeps it from being equal to any other, for a tie has no right course, and from lying where rounding decides.
    """
    return st.integers(1, 5_000).map(lambda milliseconds: milliseconds / 1000 + odd)


def pinned(kind: Any) -> Any:
    """Draw a policy that is learned, off, or pinned."""
    return st.one_of(st.none(), st.just(False), kind)


def allowed(options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* that nothing is refused of: a hedge that may make no copies comes with a strategy."""
    if not options.get("hedge") or options["effects"] in ("none", "idempotent"):
        return options
    return {**options, "hedge": None, "strategy": ub.Strategy("hedged", hedge=options["hedge"])}


def options(odd: float, *, cuts: bool = True) -> Any:
    """Draw the settings of one node, every policy included; *cuts*: those that leave work behind, too."""
    backoff = st.builds(ub.Backoff, moments(0.000141421356237 + odd), most=st.just(30.0), jitter=st.booleans())
    return st.fixed_dictionaries(
        {
            "effects": st.sampled_from(["none", "idempotent", "unknown", "once"]),
            "retry": pinned(st.builds(ub.Retry, st.integers(1, 5), backoff=backoff)),
            "breaker": pinned(
                st.builds(
                    ub.CircuitBreaker,
                    st.integers(1, 4),
                    rest=moments(0.000223606797750 + odd),
                    permits=st.integers(1, 2),
                    wait=st.sampled_from([0.0, 3.300271828182]),
                    ratio=st.sampled_from([None, 0.5]),
                    slow=st.sampled_from([None, 2.200161803398]),
                )
            ),
            "timeout": st.one_of(
                st.just(False), st.nothing() if not cuts else st.builds(ub.Timeout, moments(0.000264575131106 + odd))
            ),
            "hedge": st.one_of(
                st.just(False),
                st.nothing()
                if not cuts
                else st.builds(ub.Hedge, moments(0.000331662479036 + odd), most=st.integers(1, 2)),
            ),
            "bulkhead": pinned(st.builds(ub.Bulkhead, st.integers(1, 2), wait=st.sampled_from([0.0, 2.700577215664]))),
            "limit": pinned(
                st.builds(ub.AdaptiveLimit, first=st.integers(1, 2), wait=st.sampled_from([0.0, 2.500577215664]))
            ),
            "throttle": pinned(st.builds(ub.Throttle, st.sampled_from([0.5, 1.0]))),
            "budget": pinned(st.builds(ub.RetryBudget, start=st.integers(0, 5))),
            "verify": st.sampled_from(
                [None, lambda value: value != "poor", lambda value: 0.9 if value == "good" else 0.2]
            ),
        }
    ).map(allowed)


# A thread that is left behind goes on, where a task is cancelled: what protected calls inside it do then is no part of
# the course.  So only the innermost node has policies that leave work behind.
nodes = st.one_of(
    st.tuples(options(0.0), st.none()),
    st.tuples(options(0.0, cuts=False), options(0.000017320508076)),
)


def one_order(nodes: Any, remedy: str, callers: Any, **rest: Any) -> Story:
    """Return the story with one caller where several would go on at the same moment, which has no order.

    The end of a slow remedy, and of an open circuit, is waited for by many.
    """
    waits = any(isinstance(node["breaker"], ub.CircuitBreaker) and node["breaker"].wait for node in nodes if node)
    alone = waits or remedy == "slow"
    return Story(options=nodes[0], inner=nodes[1], remedy=remedy, callers=callers[: 1 if alone else 3], **rest)


stories = st.builds(
    one_order,
    nodes,
    seed=st.integers(0, 2**32),
    remedy=st.sampled_from(["none", "works", "raises", "slow", "changes"]),
    fallback=st.booleans(),
    callers=st.lists(
        st.builds(Caller, moments(0.000360555127546), st.integers(1, 6), moments(0.000412310562562)),
        min_size=1,
        max_size=3,
    ).map(tuple),
    answers=st.lists(
        st.tuples(moments(0.000435889894354), st.sampled_from(sorted(ANSWERS))), min_size=1, max_size=40
    ).map(tuple),
)


who: contextvars.ContextVar[int] = contextvars.ContextVar("who", default=-1)


class Course:
    """What happened in one playing of a story, by caller: two callers at the same moment have no order."""

    def __init__(self, story: Story, clock: VirtualClock) -> None:
        self.clock = clock
        self.story, self.extra = story, 0
        self.log: dict[int, list[dict[str, Any]]] = {}
        # Every answer takes a length of time of its own, to the microsecond: see moments().
        odd = [(seconds + number * 3.718281828e-5, kind) for number, (seconds, kind) in enumerate(story.answers, 1)]
        self.answers = [odd[number :: len(story.callers)][::-1] for number in range(len(story.callers))]
        self.outer = ub.FractalNode("outer", **{**story.options, **self._deadline(story.options), **self._fallback()})
        self.inner = None
        if story.inner is not None:
            self.inner = ub.FractalNode("inner", **{**story.inner, **self._deadline(story.inner)})
        for node in (self.outer, self.inner):
            if node is not None:
                node.on(ub.events.Event, self.note)

    def _deadline(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"deadline": 9.900123456789 if options["timeout"] else math.inf}  # only pinned limits cut sync code

    def _fallback(self) -> dict[str, Any]:
        return {"fallback": lambda failure: type(failure.error).__name__} if self.story.fallback else {}

    def note(self, event: ub.events.Event) -> None:
        """Write an event down, to the microsecond."""
        record = event.to_dict()
        record["at"] = self.clock.now()
        if "signature" in record:  # the place of what is written once for each colour
            record["signature"] = record["signature"].replace("_play_blocking", "_play_asyncio")
        self.write({k: round(v, 6) if isinstance(v, float) else v for k, v in record.items()})

    def write(self, record: dict[str, Any]) -> None:
        """Write down what happened to the caller at hand."""
        self.log.setdefault(who.get(), []).append(record)

    def answer(self) -> tuple[float, str]:
        """Return how long the next attempt takes and what it ends in."""
        self.write({"event": "work", "at": round(self.clock.now(), 6)})
        self.extra += 1
        answers = self.answers[who.get()]
        return answers.pop() if answers else (0.500915965594 + self.extra * 2.918273645e-5, "good")

    def ended(self, caller: int, outcome: ub.Outcome[Any]) -> None:
        """Write down how a call ended."""
        error = None if outcome.error is None else type(outcome.error).__name__
        end = (outcome.status, outcome.value, error, outcome.attempts, outcome.remedies, round(outcome.elapsed, 6))
        self.write({"event": "end", "caller": caller, "at": round(self.clock.now(), 6), "end": end})

    def left(self, caller: int) -> None:
        """Write down that a caller went away."""
        self.write({"event": "left", "caller": caller, "at": round(self.clock.now(), 6)})

    def told(self) -> dict[int, list[dict[str, Any]]]:
        """Return what happened, and what is left behind: nothing."""
        gate = self.outer.target.gate
        self.write({"event": "inside", "count": 0 if gate is None else gate.inside})
        return self.log


def say(kind: str) -> str:
    """Return the answer, or raise it: here for both colours, so that both have the same place."""
    answer = ANSWERS[kind]
    if isinstance(answer, BaseException):
        raise copy.copy(answer)  # one each: threads that raise the same one write into the same traceback
    return str(answer)


def play_asyncio(story: Story) -> dict[int, list[dict[str, Any]]]:
    """Play *story* on an event loop."""
    with virtual_time(story.seed) as clock:
        return _play_asyncio(Course(story, clock))


def _play_asyncio(course: Course) -> dict[int, list[dict[str, Any]]]:  # noqa: C901
    story = course.story

    async def work(ctx: ub.Context, **_: Any) -> str:
        seconds, kind = course.answer()
        await asyncio.sleep(seconds)  # noqa: TID251
        return say(kind)

    async def nested(**_: Any) -> str:
        assert course.inner is not None
        return (await course.inner.execute(work)).unwrap()

    async def mend(failure: ub.Failure) -> dict[str, Any] | None:
        if story.remedy == "slow":
            await asyncio.sleep(1.100693147180)  # noqa: TID251
        return mended(story)

    async def live(number: int, caller: Caller) -> None:
        who.set(number)
        await asyncio.sleep(caller.begins + number * 1.928374651e-5)  # noqa: TID251
        for _ in range(caller.calls):
            try:
                course.ended(number, await course.outer.execute(nested if course.inner else work))
            except Left:
                course.left(number)
            await asyncio.sleep(caller.pause + number * 2.361972834e-5)  # noqa: TID251

    async def main() -> None:
        await asyncio.gather(*(live(number, caller) for number, caller in enumerate(story.callers)))

    if story.remedy != "none":
        course.outer.remedy(AuthError)(mend)
    asyncio.run(main())
    return course.told()


def play_blocking(story: Story) -> dict[int, list[dict[str, Any]]]:
    """Play *story* in threads."""
    with virtual_time(story.seed) as clock:
        return _play_blocking(Course(story, clock))


def _play_blocking(course: Course) -> dict[int, list[dict[str, Any]]]:  # noqa: C901
    story = course.story

    def work(ctx: ub.Context, **_: Any) -> str:
        seconds, kind = course.answer()
        time.sleep(seconds)  # noqa: TID251 - virtual
        return say(kind)

    def nested(**_: Any) -> str:
        assert course.inner is not None
        return course.inner.execute_sync(work).unwrap()

    def mend(failure: ub.Failure) -> dict[str, Any] | None:
        if story.remedy == "slow":
            time.sleep(1.100693147180)  # noqa: TID251 - virtual
        return mended(story)

    def live(number: int, caller: Caller) -> None:
        who.set(number)
        time.sleep(caller.begins + number * 1.928374651e-5)  # noqa: TID251 - virtual
        for _ in range(caller.calls):
            try:
                course.ended(number, course.outer.execute_sync(nested if course.inner else work))
            except Left:
                course.left(number)
            time.sleep(caller.pause + number * 2.361972834e-5)  # noqa: TID251 - virtual

    if story.remedy != "none":
        course.outer.remedy(AuthError)(mend)
    run_in_threads([lambda n=n, c=c: live(n, c) for n, c in enumerate(story.callers)])
    return course.told()


def run_in_threads(lives: list[Any]) -> None:
    """Run every life in a thread that takes part in virtual time."""
    over = [Bell() for _ in lives]

    def lead(life: Any, end: Bell) -> None:
        try:
            life()
        finally:
            end.ring()

    for life, end in zip(lives, over, strict=True):
        BLOCKING.world.spawn(lambda life=life, end=end: lead(life, end), "caller")
    for end in over:
        BLOCKING.world.wait(end, float("inf"))


def mended(story: Story) -> dict[str, Any] | None:
    """Do what the story's remedy does."""
    if story.remedy == "raises":
        raise RuntimeError("the remedy is broken")
    return {"token": "fresh"} if story.remedy == "changes" else None


@settings(max_examples=most(200, 60))
@given(stories)
def test_a_story_has_one_course(story: Story) -> None:
    """Both drivers tell the same events at the same virtual times."""

    assert play_asyncio(story) == play_blocking(story)


# What a driver may get wrong: it waits a thousandth too long for something, or takes the last step for the first.
BUGS: dict[str, Any] = {
    "sleep": lambda right: lambda self, seconds: right(self, seconds * 1.001),
    "wait": lambda right: lambda self, waiter, seconds: right(self, waiter, seconds * 1.001),
    "within": lambda right: lambda self, seconds, *rest: right(self, seconds * 1.001, *rest),
    "first": lambda right: lambda self, *steps, **rest: right(self, *reversed(steps), **rest),
}


@pytest.mark.parametrize("way", BUGS)
@pytest.mark.parametrize("driver", [AsyncioRuntime, BlockingRuntime])
def test_a_bug_in_a_driver_is_caught(driver: type, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A story that is repeated, cut and hedged tells whatever one of the drivers does wrong."""
    story = Story(
        seed=1,
        options={"effects": "none", "timeout": ub.Timeout(0.5), "hedge": ub.Hedge(0.2)},
        inner=None,
        remedy="none",
        fallback=False,
        callers=(Caller(0.1, 1, 0.1),),
        answers=((3.0, "good"), (0.1, "reset"), (0.1, "good")),
    )
    right = play_asyncio(story)
    assert right == play_blocking(story)

    monkeypatch.setattr(driver, way, BUGS[way](getattr(driver, way)))

    assert right != (play_asyncio if driver is AsyncioRuntime else play_blocking)(story)
