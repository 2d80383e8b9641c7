"""What a context says of its call, while that is under way and when it is over."""

from __future__ import annotations

import contextvars
import math
from types import SimpleNamespace

import pytest

from unbreakable.errors import BulkheadFull, ConfigurationError, Kind
from unbreakable.policies import Context, Plan, Timeout, current
from unbreakable.policies.naming import Title, title_of
from unbreakable.policies.policy import end_here, enter, innermost

GUESS, PINNED = Timeout(2.0, learned=True), Timeout(2.0)


def part_of(call, **fields):
    """Return an attempt of *call*."""
    return call.scope(**fields)


# ── under way ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_goes_beyond_an_attempt_has_no_limit_and_is_no_attempt(bench):
    """It is a call's first, in nobody's time, and told to the attempt that it came from."""
    tight = {"deadline": 5.0, "due": 3.0, "cut": 2, "attempt": 3, "rival": 1, "layers": 4}
    attempt = part_of(bench.context(), **tight)
    free, title = attempt.beyond(), title_of(attempt)

    assert (math.inf, False, math.inf, 0) == (free.deadline, free.deadline_is_ours, free.due, free.cut)
    assert (None, attempt, 1, 0, 0) == (free.whole, free.above, free.attempt, free.rival, free.layers)
    assert title is title_of(free)


@pytest.mark.parametrize(("limit", "deadline", "due"), [(GUESS, 60.0, 5.0), (GUESS, 4.0, 4.0), (PINNED, 60.0, 2.0)])
def test_a_limit_that_was_guessed_counts_from_the_end_of_a_wait_for_ours(bench, limit, deadline, due):
    """As far as the deadline, where nobody can cut; on an event loop who watches knows that it waits."""

    async def story():
        now = bench.runtime.now()
        ctx = bench.context(plan=Plan(timeout=limit), due=now + 2.0, deadline=now + deadline)
        with ctx.waiting_for_ours():
            assert (True, True) == (ctx.is_aside, ctx.blameless)
            await bench.runtime.sleep(3.0)
        assert (False, False, 3.0) == (ctx.is_aside, ctx.blameless, ctx.aside)
        return ctx.due - now

    assert (2.0 if bench.runtime.preemptive else due) == bench.play(story)


@pytest.mark.parametrize("is_plain", [True, False])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("is_over", [True, False])
def test_a_thread_that_may_be_left_behind_is_known_while_it_is_at_work(bench, apart, is_plain, is_over):
    """It is where a plain function can be left on an event loop; the attempt ends with it, if that is over by then."""
    seen = []

    async def story():
        ctx = part_of(bench.context(apart=apart))

        def look():
            seen.append(ctx.in_a_thread)
            if is_over:
                ctx.end_attempt()
            seen.append(ctx.live)
            return "done"

        async def look_here():
            return look()

        answer = await ctx.call(look if is_plain or not bench.runtime.preemptive else look_here)
        return answer, ctx.in_a_thread, ctx.live

    is_left = bench.runtime.preemptive and apart and is_plain
    assert ("done", False, not is_over) == bench.play(story)
    assert [is_left, is_left or not is_over] == seen


@pytest.mark.parametrize(("error", "kind"), [(BulkheadFull("full"), Kind.REJECTED), (ConfigurationError(), Kind.BUG)])
def test_a_refusal_says_whose_it_is_and_of_which_attempt(bench, error, kind):
    """It was never made."""
    failure = bench.context(attempt=2).refuse(error)

    assert (error, kind, "stub", 2, True) == (
        failure.error,
        failure.kind,
        failure.node,
        failure.attempt,
        failure.refused,
    )


@pytest.mark.parametrize(
    ("unwanted", "asked_for", "answer"),
    [(False, 1, False), (True, 1, True), (False, 2, True), (True, 2, True)],
)
def test_a_call_is_unwanted_once_its_caller_cancels_it_or_the_task_that_it_is_in(unwanted, asked_for, answer):
    """The cancellations asked for before it began are not its own."""
    ctx = Context()
    ctx.runtime, ctx.cancels, ctx.unwanted = SimpleNamespace(cancellations=lambda: asked_for), 1, unwanted

    assert answer is ctx.is_unwanted()


def test_what_calls_further_in_ended_with_is_known_in_its_order_and_within_bounds(bench):
    """The last seven errors, and twice as many names, before those of the latest."""
    errors = tuple(OSError(number) for number in range(12))
    ctx = bench.context(spent=errors[:10], passed=(*range(20),))
    ctx.know_again(SimpleNamespace(spent=errors[10:], passed=(20, 21)))

    assert errors[3:] == ctx.spent
    assert (*range(6, 22),) == ctx.passed


def test_who_looks_at_the_variables_of_a_context_finds_ours_by_its_name():
    """As a debugger does."""

    def names():
        enter(Context())
        return {variable.name for variable in contextvars.copy_context()}

    assert "unbreakable_context" in contextvars.Context().run(names)


# ── over ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_that_is_over_holds_on_to_nothing_that_it_was_given(bench):
    """A context may be looked at for long; what it chose among only an attempt's call has to know still."""
    chosen, known = object(), Title("key")
    known.known = {1: (object(), "one")}
    call = bench.context(given=((1,), {}), work=print, function=print, spent=(OSError(),), choice=chosen, title=known)
    attempt = part_of(call)
    attempt.end()
    call.end()

    for each in (attempt, call):
        assert (((), {}), None, None, (), False) == (each.given, each.work, each.function, each.spent, each.live)
        assert ("key", True) == (each.title.key, not each.title.known)
    assert (chosen, None) == (attempt.choice, call.choice)


def test_an_attempt_that_is_over_has_the_name_of_its_call_also_when_nobody_had_asked_for_it(bench):
    """What was left behind may ask late, and is no other call."""
    call = bench.context(title=Title())
    bench.node.next_id = iter(("one", "two")).__next__
    late = part_of(call)
    late.end()

    assert ["stub-one"] * 2 == [late.idempotency_key, call.idempotency_key]


@pytest.mark.parametrize(("is_over", "live"), [(True, False), (False, True)])
def test_a_call_whose_first_attempt_is_pursued_lives_as_long_as_that(bench, is_over, live):
    """Whoever made it is back where they were before it, meanwhile."""
    outer = bench.context()
    call = bench.context(above=outer, pursuit=SimpleNamespace(is_over=is_over))
    enter(call)
    end_here(call)

    assert live is call.live
    assert outer is current()
    assert (outer if live else call) is innermost()
    enter(None)


def test_the_end_of_the_work_is_the_end_of_an_attempt_and_not_of_its_call(bench):
    """A call may make another one."""
    call = bench.context()
    attempt = part_of(call)
    call.end_attempt()
    attempt.end_attempt()

    assert (True, False) == (call.live, attempt.live)


def test_who_waits_for_the_end_of_a_call_is_woken_by_it(bench):
    """All of them, once."""
    woken = []
    call = Context()
    call.bells = [SimpleNamespace(wake=lambda number=number: woken.append(number)) for number in range(2)]
    call.end()

    assert [0, 1] == woken


@pytest.mark.parametrize(
    "held",
    [{"given": ((1,), {})}, {"work": print}, {"spent": (OSError(),)}, {"parts": {"pay": 1}}, {"remedies": (print,)}],
    ids=lambda held: next(iter(held)),
)
def test_each_thing_that_a_call_holds_is_let_go_of(bench, held):
    """Also if it is all that it holds."""
    call = bench.context(**held)
    call.end()

    assert ((), {}) == call.given
    assert (None, (), None, ()) == (call.work, call.spent, call.parts, call.remedies)
