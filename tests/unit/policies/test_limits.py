"""Timeout, hedge, bulkhead and fallback, each alone around a step."""

from __future__ import annotations

import math

import pytest

from unbreakable.errors import AttemptTimeout, BulkheadFull, DeadlineExceeded, Kind, ValidationFailed
from unbreakable.outcome import Failure, Success
from unbreakable.policies import (
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Hedge,
    Plan,
    Retry,
    State,
    Strategy,
    Timeout,
    compose,
)
from unbreakable.runtime import Gate


class Left(BaseException):
    """Somebody pulled the plug."""


# ── timeout ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "deadline", "error", "at"),
    [
        (2.0, 100.0, AttemptTimeout, 2.0),
        (50.0, 2.0, DeadlineExceeded, 2.0),
        (2.0, 2.0, DeadlineExceeded, 2.0),
    ],
)
def test_an_attempt_is_cut_by_its_limit_or_the_deadline(bench, seconds, deadline, error, at):
    """Whichever comes first says so, and the failure knows that it was a cut."""

    async def story():
        limit = Timeout(seconds)
        ctx = bench.context(deadline=bench.runtime.now() + deadline, plan=Plan(timeout=limit))
        result = await limit.run(bench.inner((1000.0, "late")), ctx)
        return type(result.error), result.cut, result.kind, round(result.elapsed, 6), bench.clock.now()

    assert (error, True, Kind.TIMEOUT, at, at) == bench.play(story)


def test_without_time_nothing_is_begun(bench):
    """An attempt whose deadline has passed is refused, not cut."""

    async def story():
        began = []

        async def inner(ctx):
            began.append(1)

        result = await Timeout(2.0).run(inner, bench.context(deadline=bench.runtime.now()))
        return type(result.error), result.cut, began

    assert (DeadlineExceeded, False, []) == bench.play(story)


def test_the_step_can_see_how_long_it_has(bench):
    """Within the limit ``remaining`` counts down; afterwards only the deadline counts."""

    async def story():
        seen = []

        async def inner(ctx):
            await bench.runtime.sleep(0.5)
            seen.append(ctx.remaining())
            return Success(1)

        limit = Timeout(2.0)
        ctx = bench.context(deadline=bench.runtime.now() + 10.0, plan=Plan(timeout=limit))
        await limit.run(inner, ctx)
        return [round(seconds, 6) for seconds in (*seen, ctx.remaining())]

    assert [1.5, 9.5] == bench.play(story)


def test_a_learned_limit_costs_sync_code_no_thread(bench):
    """Without *cut_threads* a sync step runs where it is, and is not cut; an async one is."""

    async def story():
        limit = Timeout(2.0, cut_threads=False)
        result = await limit.run(bench.inner((5.0, "late")), bench.context(plan=Plan(timeout=limit)))
        return getattr(result, "value", None), bench.clock.now()

    assert ((None, 2.0) if bench.runtime.preemptive else ("late", 5.0)) == bench.play(story)


def test_a_guess_costs_sync_code_no_thread_whoever_made_it(bench):
    """One that its user gave is cooperative there, as one that was learned: left behind, a step would fail by it."""

    async def story():
        limit = Timeout(2.0, learned=True)
        plan = Plan(timeout=limit, retry=Retry(attempts=3), effects="none")
        bench.node.may_pay = lambda ctx: True
        bench.node.pay = lambda ctx: False
        result = await limit.run(
            bench.inner((5.0, "late")), bench.context(plan=plan, deadline=bench.runtime.now() + 60.0)
        )
        return getattr(result, "value", None), bench.clock.now(), plan.costs_threads

    assert ("late", 5.0, False) == bench.play(story)


@pytest.mark.parametrize(
    ("rival", "state", "paid"),
    [(0, State.CLOSED, 1), (1, State.CLOSED, 0), (0, State.HALF_OPEN, 0)],
)
def test_a_copy_or_a_probe_that_is_due_is_cut_and_nobody_pays(bench, rival, state, paid):
    """The leader of a copy goes on, and after a probe comes the next one: neither needs another attempt."""

    async def story():
        bench.target.circuit.state = state
        payments = []
        bench.node.pay = lambda ctx: payments.append(1) or True
        plan = Plan(timeout=Timeout(2.0, cut_threads=False, learned=True), retry=Retry(attempts=3), effects="none")
        ctx = bench.context(deadline=bench.runtime.now() + 60.0, rival=rival, plan=plan)
        return ctx.respite(), len(payments)

    assert (0.0, paid) == bench.play(story)


@pytest.mark.parametrize(("attempt", "in_vain"), [(5_000, 0), (1, 5_000)])
def test_a_learned_limit_grows_beyond_no_number(bench, attempt, in_vain):
    """However many attempts there were, or days for which a circuit looked in vain, the deadline comes first."""

    async def story():
        circuit = bench.target.circuit
        bench.target.slow_again = 0.0
        circuit.state, circuit.in_vain = (State.HALF_OPEN if in_vain else State.CLOSED), in_vain
        plan = Plan(retry=Retry(attempts=10_000), effects="none")
        bench.node.may_pay = lambda ctx: True
        ctx = bench.context(deadline=bench.runtime.now() + 60.0, attempt=attempt, plan=plan)
        return await Timeout(2.0, cut_threads=False, learned=True).run(bench.inner((30.0, "late")), ctx)

    assert "late" == bench.play(story).value


# ── hedge ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answers", "most", "end", "at", "copies"),
    [
        ([(1.0, "a")], 1, "a", 1.0, 0),
        ([(9.0, "a"), (1.0, "b")], 1, "b", 3.0, 1),
        ([(9.0, "a"), (9.0, "b"), (1.0, "c")], 2, "c", 5.0, 2),
        ([(9.0, "a"), (0.5, OSError("b")), (1.0, "c")], 2, "c", 5.0, 2),
        ([(3.0, "a"), (0.5, OSError("b"))], 1, "a", 3.0, 1),
        ([(3.0, OSError("a")), (0.5, OSError("b"))], 1, "a", 3.0, 1),
        ([(3.0, OSError("a")), (2.0, "b")], 2, "b", 4.0, 1),
    ],
)
def test_the_first_good_answer_counts(bench, answers, most, end, at, copies):
    """Copies start 2 s apart, as long as nobody has answered; without a success the first copy has the word."""

    async def story():
        result = await Hedge(2.0, most=most).run(bench.inner(*answers), bench.context())
        return getattr(result, "value", None) or str(result.error), bench.clock.now(), bench.node.heard.count("Hedged")

    assert (end, at, copies) == bench.play(story)


def test_a_copy_that_nobody_can_pay_does_not_start(bench):
    """The first copy is waited for."""
    bench.node.affords = 0

    async def story():
        result = await Hedge(2.0).run(bench.inner((9.0, "a"), (1.0, "b")), bench.context())
        return result.value, bench.clock.now(), bench.node.heard

    assert ("a", 9.0, []) == bench.play(story)


def test_a_learned_delay_costs_sync_code_no_threads(bench):
    """There, the attempt is made alone and where its caller is; on an event loop it has its copy."""

    async def story():
        inner = bench.inner((9.0, "a"), (1.0, "b"))
        result = await Hedge(2.0, threads=False).run(inner, bench.context())
        return result.value, bench.clock.now(), bench.node.heard

    assert (("b", 3.0, ["Hedged", "CopyWon"]) if bench.runtime.preemptive else ("a", 9.0, [])) == bench.play(story)


# ── bulkhead ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("wait", "deadline", "waited"), [(0.0, 60.0, 0.0), (5.0, 60.0, 5.0), (60.0, 5.0, 5.0)])
def test_a_full_bulkhead_is_waited_for_as_long_as_allowed(bench, wait, deadline, waited):
    """By its own limit and the call's deadline; then the call is refused, and nothing was begun."""

    async def story():
        assert bench.target.gate.enter_nowait()
        ctx = bench.context(deadline=bench.runtime.now() + deadline)
        result = await Bulkhead(1, wait=wait).run(bench.inner("never"), ctx)
        return type(result.error), bench.clock.now(), bench.target.gate.inside, len(bench.target.gate.line)

    assert (BulkheadFull, waited, 1, 0) == bench.play(story)


def test_a_place_that_is_already_held_is_not_taken_again(bench):
    """What the quick path took is used, and given back once, to the gate that it came from."""

    async def story():
        held = Gate(1)
        assert held.enter_nowait()
        bench.target.gate = Gate(1)  # there is a new plan meanwhile
        result = await Bulkhead(1).run(bench.inner("in"), bench.context(permit=held))
        return result.value, held.inside, bench.target.gate.inside

    assert ("in", 0, 0) == bench.play(story)


# ── fallback ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_fallback_answers_in_place_of_a_failure(bench):
    """The answer says why it is no better; the error is kept."""

    async def story():
        ctx, seen = bench.context(), []
        result = await Fallback(lambda failure: seen.append(failure) or "plan b").run(bench.inner(OSError("down")), ctx)
        return result.value, result.degraded, str(ctx.error), str(seen[0].error), bench.node.heard

    assert ("plan b", "OSError: down", "down", "down", ["Degraded"]) == bench.play(story)


def test_a_fallback_may_be_async_where_there_is_a_loop(bench):
    """Its answer is awaited; in sync code an async one is an error of the fallback's, and the failure stays."""

    async def plan_b(failure):
        return "plan b"

    async def story():
        result = await Fallback(plan_b).run(bench.inner(OSError("down")), bench.context())
        return getattr(result, "value", None) or str(result.error)

    assert ("plan b" if bench.runtime.preemptive else "down") == bench.play(story)


def test_wrong_input_is_not_answered_by_the_fallback(bench):
    """A refused input is the caller's to mend."""

    async def story():
        refused = Failure(ValidationFailed("no such city"))
        return await Fallback(lambda failure: 1 / 0).run(bench.inner(refused), bench.context()), refused

    result, refused = bench.play(story)

    assert refused is result


# ── together ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_policy_of_a_row_is_the_outermost(bench):
    """A row is composed from the inside out."""
    order = []

    class Layer:
        def __init__(self, name):
            self.name = name

        async def run(self, inner, ctx):
            order.append(self.name)
            result = await inner(ctx)
            order.append(self.name)
            return result

    async def story():
        return (await compose([Layer("a"), Layer("b")], bench.inner("core"))(bench.context())).value

    assert "core" == bench.play(story)
    assert ["a", "b", "b", "a"] == order


def test_each_copy_has_the_whole_limit_and_the_breaker_counts_the_attempt_once(bench):
    """Breaker around hedge around timeout: two copies that are cut are one failure."""

    async def story():
        plan = Plan(hedge=Hedge(2.0), timeout=Timeout(5.0), effects="none", breaker=CircuitBreaker(5))
        attempt = plan.around_an_attempt(bench.inner((100.0, "a"), (100.0, "b")))
        result = await attempt(bench.context(plan=plan))
        return type(result.error), bench.clock.now(), bench.target.circuit.run

    assert (AttemptTimeout, 7.0, 1) == bench.play(story)


@pytest.mark.parametrize(
    ("plan", "quick"),
    [
        (Plan(), (True, True)),
        (Plan(timeout=Timeout(1.0)), (True, False)),
        (Plan(timeout=Timeout(1.0, cut_threads=False)), (True, True)),
        (Plan(hedge=Hedge()), (True, True)),
        (Plan(hedge=Hedge(), effects="none"), (False, False)),
        (Plan(hedge=Hedge(threads=False), effects="none"), (True, True)),
        (Plan(hedge=Hedge(threads=False), timeout=Timeout(1.0), effects="none"), (False, False)),
        (Plan(bulkhead=Bulkhead(), retry=None, breaker=None, budget=None), (True, True)),
    ],
)
def test_only_what_needs_a_race_or_a_thread_leaves_the_quick_path(plan, quick):
    """Everything else is arithmetic around the work, in async code and in sync code."""
    assert quick == (plan.is_quick(preemptive=True), plan.is_quick(preemptive=False))


def test_a_plan_can_be_told_as_json():
    """What is off is None, what is endless, too."""
    off = Plan(retry=None, breaker=None, budget=None, deadline=math.inf).to_dict()
    on = Plan(timeout=Timeout(2.0), hedge=Hedge(0.1), effects="none", bulkhead=Bulkhead(3)).to_dict()

    assert (1, None, None, None, None) == (
        off["attempts"],
        off["timeout"],
        off["breaker"],
        off["budget"],
        off["deadline"],
    )
    assert (3, 2.0, 0.1, 5, 3, 0.2, 30.0) == (
        on["attempts"],
        on["timeout"],
        on["hedge"],
        on["breaker"],
        on["bulkhead"],
        on["budget"],
        on["deadline"],
    )


def test_a_strategy_pins_what_it_sets_and_nothing_else():
    """None is left to be learned; False is pinned, too: it is off."""
    strategy = Strategy("careful", retry=Retry(5), hedge=False)

    assert {"retry": Retry(5), "hedge": False} == strategy.pinned()
