"""The 18 sub-operations of TRY and HEAL: each does real work, and what it does is missed without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal import applying, choosing, healing, trying
from unbreakable.fractal.experience import Experience
from unbreakable.fractal.trace import IN_THE_BACKGROUND, STAGES
from unbreakable.policies.retry import Retry
from unbreakable.runtime import BLOCKING, AsyncioRuntime, Gate
from unbreakable.testing import virtual_time

PATHS = [f"{stage}.{name}" for stage, names in STAGES.items() if stage[:5] != "learn" for name in names]


class Dies(Exception):
    """The token died."""


def outcome(node: ub.FractalNode, *answers: Any, seconds: float = 0.0, calls: int = 1) -> ub.Outcome[Any]:
    """Return the outcome of the last of some calls whose attempts end in *answers*, then in the last of them."""
    left = list(answers)

    async def work(ctx: ub.Context, **changed: Any) -> Any:
        await asyncio.sleep(seconds)  # noqa: TID251 - virtual
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(ctx, **changed) if callable(answer) else answer

    async def main() -> ub.Outcome[Any]:
        for _ in range(calls):
            end = await node.execute(work)
            await asyncio.sleep(0.001)  # noqa: TID251 - virtual
        return end

    return asyncio.run(main())


# ── one check for each ──────────────────────────────────────────────────────────────────


def check_input() -> ub.Outcome[Any]:
    """Refuse a call whose input is wrong, before anything is sent."""
    calls: list[int] = []
    end = outcome(ub.FractalNode("n", validate=lambda ctx: ctx.input == "right"), lambda ctx: calls.append(1))
    assert isinstance(end.error, ub.errors.ValidationFailed)
    assert ([], 0) == (calls, end.attempts)
    return end


def check_state() -> ub.Outcome[Any]:
    """Refuse a call whose caller has no time left."""
    inner, seen, calls = ub.FractalNode("inner"), [], []

    def late() -> None:
        clock.advance(6)
        seen.append(inner.execute_sync(lambda: calls.append(1)))

    clock = CLOCK[-1]
    ub.FractalNode("outer", deadline=5).execute_sync(late)
    assert isinstance(seen[0].error, ub.errors.DeadlineExceeded)
    assert "before the call" in str(seen[0].error)
    assert [] == calls
    return seen[0]


def prepare() -> ub.Outcome[Any]:
    """Let an attempt that was left behind name what it does as the next one does, even when the call is over."""
    node, thing, starts, keys = ub.FractalNode("n", effects="idempotent", timeout=ub.Timeout(1.0)), object(), [], []
    pay = ub.protect("pay")(lambda _: keys.append(ub.current().idempotency_key))

    def work() -> None:
        starts.append(1)
        if len(starts) == 1:
            BLOCKING.world.sleep(20.0)
        pay(thing)

    end = node.execute_sync(work)
    CLOCK[-1].advance(60.0)
    assert (2, 1) == (len(keys), len(set(keys)))
    return end


def acquire() -> ub.Outcome[Any]:
    """Let no more calls in than there are places."""
    node, ends = ub.FractalNode("n", bulkhead=ub.Bulkhead(1)), []
    end = node.execute_sync(lambda: ends.append(node.execute_sync(lambda: 1)))
    assert isinstance(ends[0].error, ub.errors.BulkheadFull)
    return end


def call() -> ub.Outcome[Any]:
    """Call the user's work and hand its value on."""
    end = outcome(ub.FractalNode("n"), 7)
    assert 7 == end.value
    return end


def capture() -> ub.Outcome[Any]:
    """Turn what the work raised into a failure with its time and the pause that the target asked for."""

    class Busy(Exception):
        retry_after = 9.0

    end = outcome(ub.FractalNode("n", retry=ub.Retry(backoff=ub.Backoff(0.0))), Busy("later"), 7, seconds=1.0)
    assert 11.0 == pytest.approx(end.elapsed, abs=0.01)
    return end


def check_shape() -> ub.Outcome[Any]:
    """Do not take a value of the wrong type."""
    end = outcome(ub.FractalNode("n", schema=int), "seven", 7)
    assert (7, 2) == (end.value, end.attempts)
    return end


def assess_quality() -> ub.Outcome[Any]:
    """Ask how good the value is."""
    end = outcome(ub.FractalNode("n", verify=lambda value: value / 10), 2, 9)
    assert (9, 2) == (end.value, end.attempts)
    return end


def accept() -> ub.Outcome[Any]:
    """Take what is good enough and nothing less."""
    end = outcome(ub.FractalNode("n", verify=ub.Verify(lambda value: value / 10, at_least=0.8)), 7, 8)
    assert (8, 2) == (end.value, end.attempts)
    return end


def classify() -> ub.Outcome[Any]:
    """Know a request that is wrong from one that met bad luck: it is not repeated."""

    class Wrong(Exception):
        http_status = 400

    end = outcome(ub.FractalNode("n"), Wrong(), 7)
    assert 1 == end.attempts
    return end


def sign() -> ub.Outcome[Any]:
    """Give the same trouble the same name, whatever the numbers in its message."""
    node, seen = ub.FractalNode("n", retry=ub.Retry(4)), []
    node.on(ub.events.AttemptFailed, lambda event: seen.append(event.signature))
    end = outcome(node, OSError("order 4711 lost"), OSError("order 4712 lost"), ValueError("order 4711 lost"), 7)
    assert seen[0] == seen[1] != seen[2]
    return end


def find_cause() -> ub.Outcome[Any]:
    """Find the remedy for what lies behind the exception."""
    node, mended = ub.FractalNode("n"), []
    node.remedy(Dies)(lambda failure: mended.append(failure.cause))
    wrapped = RuntimeError("the partner failed")
    wrapped.__cause__ = Dies()
    end = outcome(node, wrapped, 7)
    assert [wrapped.__cause__] == mended
    return end


def recall() -> ub.Outcome[Any]:
    """Consider only the remedies that are meant for the failure."""
    node, mended = ub.FractalNode("n"), []
    node.remedy(ZeroDivisionError)(lambda failure: mended.append("wrong one"))
    node.remedy(Dies)(lambda failure: mended.append("right one"))
    end = outcome(node, Dies(), 7)
    assert ["right one"] == mended
    return end


def choose() -> ub.Outcome[Any]:
    """Prefer the remedy that has worked."""
    node, mended = ub.FractalNode("n", budget=False, breaker=False), []

    def useless(failure: ub.Failure) -> None:
        mended.append("useless")

    def useful(failure: ub.Failure) -> None:
        mended.append("useful")

    node.remedy(Dies)(useless)
    node.remedy(Dies)(useful)

    def answer(ctx: ub.Context) -> int:
        if "useful" not in mended:
            raise Dies
        return 7

    for _ in range(6):
        mended.clear()
        end = outcome(node, answer)
    assert ["useful"] == mended
    return end


def apply() -> ub.Outcome[Any]:
    """Apply the remedy and make the next attempt with what it changed."""
    node = ub.FractalNode("n")
    node.remedy(Dies)(lambda failure: {"token": "fresh"})

    def answer(ctx: ub.Context, token: str = "old") -> str:  # noqa: S107
        if token == "old":
            raise Dies
        return token

    end = outcome(node, answer)
    assert ("fresh", ub.Status.HEALED) == (end.value, end.status)
    return end


def pace() -> ub.Outcome[Any]:
    """Leave the target in peace between two attempts."""
    node = ub.FractalNode("n", retry=ub.Retry(3, backoff=ub.Backoff(2.0, jitter=False)))
    end = outcome(node, OSError(), OSError(), 7)
    assert 6.0 == pytest.approx(end.elapsed)
    return end


def reattempt() -> ub.Outcome[Any]:
    """Try again."""
    end = outcome(ub.FractalNode("n"), OSError(), 7)
    assert (ub.Status.HEALED, 7, 2) == (end.status, end.value, end.attempts)
    return end


def confirm() -> ub.Outcome[Any]:
    """Remember whether the remedy worked."""
    node = ub.FractalNode("n")
    node.remedy(Dies, name="renew")(lambda failure: None)
    end = outcome(node, Dies("4711"), 7)
    (scores,) = node.get_status().remedies.values()
    assert (1.0, 1.0) == (scores["renew"]["tried"], scores["renew"]["worked"])
    return end


CLOCK: list[Any] = []
CHECKS: list[Callable[[], ub.Outcome[Any]]] = [
    check_input, check_state, prepare, acquire, call, capture, check_shape, assess_quality, accept,
    classify, sign, find_cause, recall, choose, apply, pace, reattempt, confirm,
]  # fmt: skip


async def _nothing(*_: Any, **__: Any) -> None:
    return None


async def _always(*_: Any, **__: Any) -> bool:
    return True


def _no(*_: Any, **__: Any) -> None:
    return None


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "check_input": (trying, "check_input", _no),
    "check_state": (trying, "check_state", _no),
    "prepare": (trying, "prepare", _no),
    "acquire": (Gate, "enter", _always),
    "call": (AsyncioRuntime, "call", _nothing),
    "capture": (trying, "captured", lambda error, ctx, started: ub.Failure(error, attempt=ctx.attempt)),
    "check_shape": (trying, "check_shape", lambda schema, value: value),
    "assess_quality": (trying, "assess_quality", lambda verify, value: 1.0),
    "accept": (trying, "accept", _no),
    "classify": (trying, "told_of", lambda error: (Kind.UNKNOWN, None)),
    "sign": (healing, "sign", lambda error: "trouble"),
    "find_cause": (healing, "root_cause", lambda error: error),
    "recall": (choosing, "candidates_for", lambda failure, ctx, tell=None: ctx.node.remedies),
    "choose": (Experience, "choose", lambda self, signature, candidates, *_: (next(iter(candidates)), "")),
    "apply": (applying, "_apply", _nothing),
    "pace": (Retry, "pause", lambda self, failure, u: 0.0),
    "reattempt": (Retry, "wants", lambda self, failure, *, remedied: False),
    "confirm": (healing, "confirm", _no),
}


@pytest.fixture(autouse=True)
def _virtual() -> Any:
    with virtual_time() as clock:
        CLOCK.append(clock)
        yield


def test_every_sub_operation_has_a_check_and_a_mutant() -> None:
    """Six stages of three, each checked."""
    names = [path.rpartition(".")[2] for path in PATHS]

    assert 18 == len(names)
    assert names == [check.__name__ for check in CHECKS] == list(MUTANTS)


@pytest.mark.parametrize(("path", "check"), list(zip(PATHS, CHECKS, strict=True)), ids=PATHS)
def test_it_does_its_work_and_says_so(path: str, check: Callable[[], ub.Outcome[Any]]) -> None:
    """The check holds; the trace shows that the sub-operation ran, or is told as running in the background."""
    end = check()

    assert end.trace is not None
    assert end.trace.ran(path) or path in IN_THE_BACKGROUND
    assert IN_THE_BACKGROUND == end.trace.background


@pytest.mark.parametrize(("path", "check"), list(zip(PATHS, CHECKS, strict=True)), ids=PATHS)
def test_it_is_missed_when_it_does_nothing(
    path: str, check: Callable[[], ub.Outcome[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the sub-operation its check fails."""
    monkeypatch.setattr(*MUTANTS[path.rpartition(".")[2]])

    with pytest.raises((AssertionError, TypeError, ValueError, AttributeError, ub.errors.UnbreakableError)):
        check()
