"""What a fallback's answer is worth, what its own failure leaves behind, and how long it has."""

from __future__ import annotations

import pytest

from unbreakable.errors import CircuitOpen, ValidationFailed
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Fallback, Plan, current
from unbreakable.policies.policy import enter

DOWN = OSError("down")


class Left(BaseException):
    """Somebody pulled the plug."""


def played(bench, answer, result=None, **fields):
    """Return what a call comes to whose attempt failed, and the context of the call."""

    async def story():
        ctx = bench.context(cancels=bench.runtime.cancellations(), **fields)
        ctx.plan = Plan(effects=fields.pop("effects", "unknown"))
        enter(ctx)
        try:
            found = await Fallback(answer).run(bench.inner(Failure(DOWN) if result is None else result), ctx)
        except Left as left:
            found = left
        return found, ctx

    return bench.play(story)


def test_an_answer_of_our_own_is_worth_nothing_and_says_why(bench):
    """Whoever looks at the outcome sees what went wrong, and that this is not the target's answer."""
    found, ctx = played(bench, lambda failure: f"instead of {failure.error}")

    assert ("instead of down", 0.0, "OSError: down", True) == (
        found.value,
        found.quality,
        found.degraded,
        found.makeshift,
    )
    assert (["Degraded"], DOWN) == (bench.node.heard, ctx.error)


@pytest.mark.parametrize(
    ("refused", "error", "answered"),
    [
        (True, ValidationFailed("no such city"), False),
        (True, CircuitOpen("it rests"), True),
        (False, ValidationFailed("further in"), True),
    ],
)
def test_a_call_that_was_refused_for_its_input_is_not_answered(bench, refused, error, answered):
    """Wrong input is its caller's to mend; of a target that rests it is not the fault."""
    result = Failure(error, refused=refused)
    found, _ = played(bench, lambda failure: "plan b", result)

    assert answered is (found is not result)


def test_a_call_that_a_check_refused_is_not_answered(bench):
    """Whatever the error is, it was said before anything else was asked."""
    error = ValueError("not today")
    result = Failure(error, refused=True)
    found, _ = played(bench, lambda failure: "plan b", result, refused=error)

    assert found is result


def test_a_success_and_a_call_that_nobody_wants_are_not_answered(bench):
    """There is nothing to answer, or nobody to answer to."""
    good, bad = Success(1), Failure(DOWN)

    assert good is played(bench, lambda failure: "plan b", good)[0]
    assert bad is played(bench, lambda failure: "plan b", bad, unwanted=True)[0]


def answer_that(raises, **deeds):
    """Return a fallback that does something and then fails."""

    def answer(failure):
        current().deeds.add(**deeds) if deeds else None
        raise raises

    return answer


@pytest.mark.parametrize(
    ("raises", "deeds", "known"),
    [
        (ValueError("no"), {}, (True, False, False, False)),
        (ValueError("no"), {"acted": True}, (True, True, False, False)),
        (KeyError("typo"), {"acted": True}, (True, True, True, False)),
        (ValueError("no"), {"doubtful": True}, (True, False, True, False)),
        (ValueError("no"), {"unrepeatable": True}, (True, False, False, True)),
        (TimeoutError("late"), {}, (True, False, True, True)),
        (Left(), {}, (True, False, True, True)),
    ],
)
def test_what_a_fallback_that_fails_has_done_is_known_of_the_call(bench, raises, deeds, known):
    """It counts as an attempt's work does; the call fails with its own error, which says so."""
    found, ctx = played(bench, answer_that(raises, **deeds))
    told = ctx.deeds

    assert known == (told.touched, told.acted, told.doubtful, told.unrepeatable)
    if isinstance(raises, Exception):
        words = f"unbreakable: the fallback of stub failed, too: {type(raises).__name__}: {raises}"
        assert (DOWN, True) == (found.error, words in DOWN.__notes__)


def test_a_fallback_that_lets_the_error_through_has_not_failed(bench):
    """It chose not to answer this one: nothing went wrong with it."""
    down = OSError("down")

    def answer(failure):
        raise failure.error

    found, ctx = played(bench, answer, Failure(down))

    assert (down, []) == (found.error, getattr(down, "__notes__", []))
    assert "let the error through" in ctx.notebook.close().story[-1]


@pytest.mark.parametrize(("left", "seconds"), [(2.0, 3.0), (0.0, 1.0), (-5.0, 1.0)])
def test_an_async_fallback_has_a_second_more_than_its_call(bench, left, seconds):
    """It is needed most when the deadline has passed; plain code cannot be cut."""
    cut = bench.runtime.preemptive

    async def slow(failure):
        began = bench.runtime.now()
        try:
            await bench.runtime.sleep(10.0)
        finally:
            took.append(bench.runtime.now() - began)

    async def story():
        ctx = bench.context(cancels=0, deadline=bench.runtime.now() + left)
        return await Fallback(slow if cut else lambda failure: "plan b").run(
            bench.inner(Failure(TimeoutError("t"))), ctx
        )

    took = []
    found = bench.play(story)

    if cut:
        assert [pytest.approx(seconds)] == took
        assert [f"unbreakable: the fallback of stub failed, too: TimeoutError: it was cut after {seconds:.3f} s"] == (
            found.error.__notes__
        )
    else:
        assert "plan b" == found.value


def test_a_fallback_is_told_of_a_deadline_that_it_can_keep(bench):
    """One that has passed would have it fail at once."""
    left = []

    async def story():
        ctx = bench.context(cancels=0, deadline=bench.runtime.now() - 5.0)
        await Fallback(lambda failure: left.append(current().left())).run(bench.inner(Failure(DOWN)), ctx)

    bench.play(story)

    assert [pytest.approx(1.0)] == left
