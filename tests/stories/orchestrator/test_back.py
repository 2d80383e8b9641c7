"""When a step fails, what may have had an effect is undone."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from decimal import Decimal

import pytest

from unbreakable.errors import NotRecordable, NotSent
from unbreakable.fractal import FractalNode
from unbreakable.nodes import OrchestratorNode
from unbreakable.policies import Backoff, Hedge, Retry
from unbreakable.protect import protect
from unbreakable.workflows import RunStatus, Step, StepState
from unbreakable.workflows.events import Compensated, CompensationFailed, RunFinished, RunTurned, StepDone, StepFailed
from unbreakable.workflows.reading import run_of

pytestmark = pytest.mark.usefixtures("looks_take_no_time")

NO = ValueError("sold out")
THREE_TIMES = [NO] * 3  # as often as a step is tried


def undos(stage):
    return [(at, what) for at, what in stage.story if what.startswith("undo")]


def test_what_was_done_is_undone_in_the_reverse_order(stage, state):
    """Independent compensations run side by side, and each waits for those of what came after."""
    steps = [
        stage.step("a"),
        stage.step("b", "a"),
        stage.step("c", "a"),
        stage.step("d", "b", "c", fails=[NO]),
    ]
    result = stage.run(stage.orchestrator(state=state, retry=False), steps)

    assert RunStatus.COMPENSATED == result.status
    assert {StepState.UNDONE} == set(result.ledger.values())
    assert [(3, "undo d"), (3.1, "undo d done")] == undos(stage)[:2]
    assert {(3.1, "undo b"), (3.1, "undo c")} == set(undos(stage)[2:4])
    assert {(3.2, "undo b done"), (3.2, "undo c done")} == set(undos(stage)[4:6])
    assert [(3.2, "undo a"), (3.3, "undo a done")] == undos(stage)[6:]


def test_the_error_is_the_steps_own(stage):
    """It is returned, and raised by whoever unwraps the result."""
    result = stage.run(stage.orchestrator(), [stage.step("a", fails=THREE_TIMES)])

    assert NO is result.error
    with pytest.raises(ValueError, match="sold out"):
        result.unwrap()


def test_a_compensation_knows_what_it_undoes(stage):
    """It has the result of its step, that step's key, and a key of its own."""
    steps = [stage.step("hold", value={"room": 4}), stage.step("pay", "hold", fails=THREE_TIMES)]
    stage.run(stage.orchestrator(), steps, {"city": "CAI"}, run_id="r")
    hold, pay = stage.contexts["undo hold"], stage.contexts["undo pay"]

    assert ({"city": "CAI"}, {"hold": {"room": 4}}) == (hold.input, hold.results)
    assert ("r:hold:undo", "r:hold", True) == (hold.idempotency_key, hold.state["step_key"], hold.state["certain"])
    assert ({"hold": {"room": 4}}, False) == (pay.results, pay.state["certain"])


def test_a_step_that_never_left_is_not_undone(stage):
    """There is nothing to undo, for sure."""
    result = stage.run(stage.orchestrator(retry=False), [stage.step("a", fails=[NotSent("no route")])])

    assert [] == undos(stage)
    assert {"a": StepState.NOT_BEGUN} == result.ledger


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize(
    ("effects", "first", "doubted"),
    [
        ("idempotent", ConnectionResetError(), True),
        ("unknown", ConnectionResetError(), True),
        ("none", ConnectionResetError(), False),
        ("idempotent", ConnectionRefusedError(), False),
    ],
)
def test_a_call_inside_that_was_refused_at_last_may_have_gone_through_before(stage, effects, first, doubted, wraps):
    """Its last attempt never left, which says nothing of the first one, whose answer got lost."""
    pay = stage.act("pay", 1.0, [first, ConnectionRefusedError(), NotSent("refused")], "paid")
    inner = protect("gateway", effects=effects)(pay)

    def plain(ctx):
        try:
            inner(ctx)
        except Exception as error:
            if wraps:
                raise ValueError("no luck") from error
            raise

    async def awaited(ctx):
        try:
            await inner(ctx)
        except Exception as error:
            if wraps:
                raise ValueError("no luck") from error
            raise

    step = Step("pay", awaited if stage.is_async else plain, kind="pivot")
    result = stage.run(stage.orchestrator(retry=False), [step])

    known = (RunStatus.COMPENSATED, StepState.FAILED if wraps else StepState.NOT_BEGUN)
    expected = (RunStatus.NEEDS_ATTENTION, StepState.UNCERTAIN) if doubted else known
    assert expected == (result.status, result.ledger["pay"])


def test_a_step_that_was_refused_is_not_undone(stage):
    """An open circuit lets nothing through."""
    orchestrator = stage.orchestrator()
    steps = [stage.step("a")]
    stage.run(orchestrator, steps)
    orchestrator.node.children[0].breaker.force_open()
    stage.story.clear()
    result = stage.run(orchestrator, steps)

    assert [] == stage.story
    assert RunStatus.COMPENSATED == result.status
    assert {"a": StepState.NOT_BEGUN} == result.ledger


def test_a_fallback_counts_as_done_but_not_as_certain(stage):
    """The run goes on with it, and an undo is told that there may be nothing to undo."""
    spare = FractalNode("hotels", retry=False, fallback=lambda failure: "spare")
    steps = [stage.step("a", fails=[NO], node=spare), stage.step("b", "a", fails=THREE_TIMES)]
    result = stage.run(stage.orchestrator(), steps)

    assert {"a": "spare"} == stage.contexts["b"].results
    assert not stage.contexts["undo a"].state["certain"]
    assert {"a": "undone", "b": "undone"} == result.ledger


def test_a_sibling_that_still_runs_is_let_finish(stage):
    """What ended is certain; what was cut would not be."""
    result = stage.run(stage.orchestrator(retry=False), [stage.step("a", fails=[NO]), stage.step("slow", seconds=9.0)])

    assert (9.1, "undo slow done") == stage.story[-1]
    assert stage.contexts["undo slow"].state["certain"]
    assert {"a": StepState.UNDONE, "slow": StepState.UNDONE} == result.ledger


def test_steps_without_compensation_are_left_as_they_are(stage):
    """A search has no effect to undo."""
    steps = [stage.step("search", undo=False), stage.step("pay", "search", undo=False, fails=THREE_TIMES)]
    result = stage.run(stage.orchestrator(), steps)

    assert RunStatus.COMPENSATED == result.status
    assert {"search": StepState.DONE, "pay": StepState.FAILED} == result.ledger


def test_a_compensation_is_repeated_until_it_succeeds(stage, state):
    """The partner may be down for a moment; the pauses double from half a second."""
    steps = [stage.step("a", undo_fails=[NO] * 4), stage.step("b", "a", undo=False, fails=THREE_TIMES)]
    result = stage.run(stage.orchestrator(state=state), steps)
    begins = [at for at, what in stage.story if what == "undo a"]
    pauses = [round(later - earlier - 0.1, 2) for earlier, later in itertools.pairwise(begins)]

    assert RunStatus.COMPENSATED == result.status
    assert 5 == len(begins)
    assert all(longest / 2 <= pause <= longest for pause, longest in zip(pauses, [0.5, 1, 2, 4], strict=True))


def test_a_compensation_that_fails_for_good_calls_a_person(stage, state):
    """It is tried eight times, the others are undone all the same, and every error arrives."""
    stuck = OSError("partner is gone")
    steps = [
        stage.step("a"),
        stage.step("b", "a", undo_fails=[stuck] * 99),
        stage.step("c", "b", undo=False, fails=THREE_TIMES),
    ]
    orchestrator = stage.orchestrator(state=state)
    told = stage.events(orchestrator)
    result = stage.run(orchestrator, steps, run_id="r")

    assert RunStatus.NEEDS_ATTENTION == result.status
    assert {"a": StepState.UNDONE, "b": StepState.UNDO_FAILED, "c": StepState.FAILED} == result.ledger
    assert 8 == stage.heard().count("undo b")
    assert ("run 'r' needs attention", (stuck,), NO) == (
        result.error.message,
        result.error.exceptions,
        result.error.__cause__,
    )
    assert [StepFailed, RunTurned, CompensationFailed, Compensated, RunFinished] == list(map(type, told[3:]))
    assert "reported" == told[3].doubt


def test_several_failures_arrive_together(stage):
    """Steps that fail side by side are one group of errors."""
    steps = [stage.step("a", fails=[NO]), stage.step("b", fails=[OSError("late")], seconds=2.0)]
    result = stage.run(stage.orchestrator(retry=False), steps)

    assert [ValueError, OSError] == list(map(type, result.error.exceptions))


@pytest.mark.parametrize("undo", [True, False])
def test_a_result_that_cannot_be_recorded_is_undone(stage, tmp_path, undo):
    """The step is named, and what to return; that it was carried out is known, and so is what is to be undone."""
    orchestrator, value = stage.orchestrator(state=tmp_path), object()
    told = stage.events(orchestrator)
    result = stage.run(orchestrator, [stage.step("a", value=value, undo=undo), stage.step("b", "a")])

    assert (RunStatus.COMPENSATED, NotRecordable) == (result.status, type(result.error))
    assert str(result.error).startswith("the result of step 'a' is a object: only")
    assert ["a", "a done", *(["undo a", "undo a done"] if undo else [])] == stage.heard()
    assert {"a": StepState.UNDONE if undo else StepState.DONE, "b": StepState.NOT_BEGUN} == result.ledger
    assert [StepDone, RunTurned] == list(map(type, told[1:3]))
    if undo:
        undoing = stage.contexts["undo a"]
        assert (True, value) == (undoing.state["certain"], undoing.results["a"])
    (told_later,) = run_of(tmp_path, result.run_id).steps
    assert (True, result.ledger["a"].value) == (told_later.certain, told_later.state)


def test_a_pivot_whose_result_cannot_be_recorded_was_carried_out(stage, tmp_path):
    """Past the point of no return nothing is undone: a person has to look, and finds it done."""
    steps = [
        stage.step("hold", kind="compensatable"),
        stage.step("pay", "hold", undo=False, kind="pivot", value=object()),
        stage.step("mail", "pay", undo=False, kind="retriable"),
    ]
    result = stage.run(stage.orchestrator(state=tmp_path), steps)

    assert RunStatus.NEEDS_ATTENTION == result.status
    assert [StepState.DONE, StepState.DONE, StepState.NOT_BEGUN] == list(result.ledger.values())
    assert [NotRecordable] == list(map(type, result.error.exceptions))


VALUES = (
    dt.datetime(2026, 11, 26, 9, tzinfo=dt.UTC),
    Decimal("12.50"),
    {1: {"a", "b"}},
    (1, b"\x00"),
    uuid.UUID(int=7),
)


@pytest.mark.parametrize("value", VALUES)
def test_a_step_sees_the_same_with_a_state_without_one_and_after_a_restart(stage, state, value):
    """Times, decimals, sets, tuples: what a step returns is what the next one, and who asks for the run later, gets."""
    steps, orchestrator = [stage.step("a", value=value), stage.step("b", "a")], stage.orchestrator(state=state)
    result = stage.run(orchestrator, steps, {"at": value}, run_id="r")
    if state is not None:
        orchestrator.aclose_sync()
    again = stage.run(orchestrator, steps, {"at": value}, run_id="r")

    seen = [stage.contexts["b"].results["a"], stage.contexts["b"].input["at"], result.results["a"], again.results["a"]]
    assert [(type(value), value)] * 4 == [(type(each), each) for each in seen]


# ── the point of no return ──────────────────────────────────────────────────────────────────────────────────────────


def with_pivot(stage, pay_fails=(), mail_fails=()):
    return [
        stage.step("hold", kind="compensatable"),
        stage.step("pay", "hold", undo=False, kind="pivot", fails=pay_fails),
        stage.step("mail", "pay", undo=False, kind="retriable", fails=mail_fails),
    ]


def test_a_pivot_that_declines_turns_the_run_back(stage):
    """Before the point of no return everything can be undone."""
    result = stage.run(stage.orchestrator(), with_pivot(stage, pay_fails=THREE_TIMES))

    assert RunStatus.COMPENSATED == result.status
    assert {"hold": "undone", "pay": "failed", "mail": "not_begun"} == result.ledger


def test_a_pivot_that_nobody_heard_from_calls_a_person(stage):
    """A broken connection may have carried the payment."""
    result = stage.run(stage.orchestrator(retry=False), with_pivot(stage, pay_fails=[ConnectionResetError("reset")]))

    assert RunStatus.NEEDS_ATTENTION == result.status
    assert {"hold": "done", "pay": "uncertain", "mail": "not_begun"} == result.ledger
    assert isinstance(result.error.exceptions[0], ConnectionResetError)


@pytest.mark.parametrize(
    ("fails", "pay", "status"),
    [
        ([NotSent("down")] * 3, "not_begun", RunStatus.COMPENSATED),
        ([NO, NO, NotSent("down")], "failed", RunStatus.COMPENSATED),
        ([ConnectionRefusedError(), NO, NO], "failed", RunStatus.COMPENSATED),
        ([ConnectionResetError("reset"), NotSent("down"), NotSent("down")], "uncertain", RunStatus.NEEDS_ATTENTION),
        ([ConnectionResetError("reset"), NO, NO], "uncertain", RunStatus.NEEDS_ATTENTION),
    ],
)
def test_of_a_pivot_as_much_is_known_as_of_its_worst_attempt(stage, fails, pay, status):
    """A gateway that is down for all of three attempts has not been paid; one that fell silent once may have been."""
    retry = Retry(3, on=(ValueError, OSError, NotSent), backoff=Backoff(jitter=False))
    result = stage.run(stage.orchestrator(retry=retry, breaker=False), with_pivot(stage, pay_fails=list(fails)))

    assert (status, pay) == (result.status, result.ledger["pay"])


@pytest.mark.parametrize(
    ("copy", "hold"),
    [(ConnectionResetError("reset"), "undone"), (NO, "undone"), (NotSent("down"), "not_begun")],
)
def test_of_a_hedged_step_as_much_is_known_as_of_its_worst_copy(stage, copy, hold):
    """What the first copy of a reservation never did, the second may have done, and that is given back."""
    orchestrator = stage.orchestrator(retry=False, hedge=Hedge(0.5), effects="idempotent")
    result = stage.run(orchestrator, [stage.step("hold", fails=[NotSent("down"), copy])])

    assert (RunStatus.COMPENSATED, hold) == (result.status, result.ledger["hold"])


@pytest.mark.parametrize(("first", "mail"), [(ConnectionResetError("reset"), "uncertain"), (NO, "failed")])
def test_of_a_retriable_step_as_much_is_known_as_of_its_worst_try(stage, first, mail):
    """A person who looks after it is not told that nothing was sent because the last tries found nobody."""
    fails = [first, *[NotSent("down")] * 99]
    result = stage.run(stage.orchestrator(retry=False, breaker=False), with_pivot(stage, mail_fails=fails))

    assert (RunStatus.NEEDS_ATTENTION, mail) == (result.status, result.ledger["mail"])


def test_past_the_pivot_steps_are_repeated_with_patience(stage):
    """Far beyond the three attempts that a step has otherwise."""
    result = stage.run(stage.orchestrator(budget=False, breaker=False), with_pivot(stage, mail_fails=[NO] * 10))

    assert RunStatus.COMMITTED == result.status
    assert 11 == stage.heard().count("mail")


def test_a_retriable_step_that_never_succeeds_calls_a_person(stage):
    """Nothing is undone past the pivot."""
    result = stage.run(stage.orchestrator(retry=False, breaker=False), with_pivot(stage, mail_fails=[NO] * 99))

    assert RunStatus.NEEDS_ATTENTION == result.status
    assert {"hold": "done", "pay": "done", "mail": "failed"} == result.ledger
    assert [] == undos(stage)
    assert (NO,) == result.error.exceptions


def test_a_compensation_is_tried_for_as_long_as_is_said(stage):
    """Eight times within 32 to 64 seconds, whatever is told of retries: as help(ub.OrchestratorNode) says."""
    steps = [stage.step("hold", undo_fails=[NO] * 99), stage.step("pay", "hold", fails=[NO])]
    result = stage.run(stage.orchestrator(retry=False), steps)
    tries = [at for at, what in stage.story if what == "undo hold"]

    assert RunStatus.NEEDS_ATTENTION == result.status
    assert 8 == len(tries)
    assert 31.7 < tries[-1] - tries[0] - 7 * 0.1 < 63.6
    assert "tried 8 times" in (OrchestratorNode.__doc__ or "")
    assert "32 to 64 s" in (OrchestratorNode.__doc__ or "")
