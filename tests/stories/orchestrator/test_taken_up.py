"""A run that was left unfinished is gone on with."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3

import pytest

from unbreakable.errors import ConfigurationError, GraphError
from unbreakable.fractal import FractalNode
from unbreakable.workflows import RunStatus, Step
from unbreakable.workflows.events import RunStarted


def abc(stage, **settings):
    return [stage.step("a"), stage.step("b", "a", **settings), stage.step("c", "b")]


def test_pending_tells_what_was_done(async_stage, leave):
    """Whoever starts again sees which runs to go on with, and where they stand."""
    second = leave(abc(async_stage, seconds=9.0), 2.0, {"city": "CAI"})
    (pending,) = second.pending()

    assert ("r", "Booking", {"city": "CAI"}) == (pending.run_id, pending.workflow, pending.context)
    assert {"a": "A"} == pending.results
    assert {"a": "done", "b": "uncertain", "c": "not_begun"} == pending.ledger
    assert not pending.turned_back


def test_what_is_done_is_not_done_again(async_stage, leave):
    """A step that may be repeated is, under the same key and with the same inputs; the context is remembered."""
    second = leave(abc(async_stage, seconds=9.0), 2.0, {"city": "CAI"}, effects="idempotent")
    told = async_stage.events(second)
    result = async_stage.run(second, abc(async_stage), run_id="r")
    b = async_stage.contexts["b"]

    assert RunStatus.COMMITTED == result.status
    assert ["b", "b done", "c", "c done"] == async_stage.heard()
    assert ("r:b", {"a": "A"}, {"city": "CAI"}) == (b.idempotency_key, b.results, b.input)
    assert {"a": "A", "b": "B", "c": "C"} == result.results
    assert (RunStarted, True, "Booking") == (type(told[0]), told[0].resumed, told[0].workflow)


AS_BEFORE = ('{"cities":["CAI","LXR"],"n":1}', '{"seats":[1,2]}')  # the context, and what step a returned


def as_recorded_before(path):
    """Make a run look as in a state file of the time when tuples were written as lists."""
    inputs = hashlib.blake2b("\n".join(AS_BEFORE).encode(), digest_size=8).hexdigest()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE run SET context = ?", AS_BEFORE[:1])
        file.execute("UPDATE step SET result = ? WHERE id = 'a'", AS_BEFORE[1:])
        file.execute("UPDATE step SET inputs = ? WHERE id = 'b'", (inputs,))


def test_a_run_that_was_begun_before_tuples_were_told_from_lists_is_gone_on_with(async_stage, leave, tmp_path):
    """Its context is given again as ever, with tuples; what was done is not repeated, another context is refused."""
    context = {"cities": ("CAI", "LXR"), "n": 1}
    second = leave(abc(async_stage, seconds=9.0), 2.0, context, effects="idempotent")
    as_recorded_before(tmp_path / "runs.db")
    with pytest.raises(ConfigurationError, match="context must be left out"):
        async_stage.run(second, abc(async_stage), context | {"n": 2}, run_id="r")
    with pytest.raises(ConfigurationError, match="context must be left out"):
        async_stage.run(second, abc(async_stage), {"cities": {"CAI", "LXR"}, "n": 1}, run_id="r")
    result = async_stage.run(second, abc(async_stage), context, run_id="r")
    again = async_stage.run(second, abc(async_stage), dict(reversed(context.items())), run_id="r")

    assert ["b", "b done", "c", "c done"] == async_stage.heard()
    assert {"a": {"seats": [1, 2]}} == async_stage.contexts["b"].results
    assert (RunStatus.COMMITTED, result) == (result.status, again)


def test_a_step_that_must_not_be_repeated_is_undone_with_the_doubt_on_record(async_stage, leave):
    """Nobody knows what it did before the process died."""
    second = leave(abc(async_stage, seconds=9.0), 2.0)
    result = async_stage.run(second, abc(async_stage), run_id="r")

    assert RunStatus.COMPENSATED == result.status
    assert ["undo b", "undo b done", "undo a", "undo a done"] == async_stage.heard()
    assert [False, True] == [async_stage.contexts[undo].state["certain"] for undo in ("undo b", "undo a")]
    assert "step 'b' was begun earlier; nobody knows what it did" == str(result.error)


def test_a_steps_own_node_says_whether_it_may_be_repeated(async_stage, leave):
    """What holds for one step need not hold for the others."""
    payments = FractalNode("payments", effects="idempotent")
    second = leave(abc(async_stage, seconds=9.0, node=payments), 2.0)

    assert async_stage.run(second, abc(async_stage, node=payments), run_id="r").ok


def test_a_protected_function_says_whether_it_may_be_repeated(async_stage, leave):
    """What was declared where the function is defined holds for the step, too."""
    import unbreakable as ub

    @ub.protect("pay", effects="idempotent")
    async def pay(ctx):
        async_stage.note("pay")
        await async_stage.runtime.sleep(9.0)
        return "paid"

    steps = [async_stage.step("a"), Step("pay", pay)]
    second = leave(steps, 2.0)

    assert {"a": "A", "pay": "paid"} == async_stage.run(second, steps, run_id="r").unwrap()


def test_an_undo_that_was_left_is_gone_on_with(async_stage, leave):
    """What is undone is not undone again, and nothing goes forward any more."""
    steps = [*abc(async_stage), async_stage.step("d", "c", undo=False, fails=[ValueError("no")])]
    second = leave(steps, 4.15, retry=False)
    (pending,) = second.pending()
    result = async_stage.run(second, steps, run_id="r")

    assert pending.turned_back
    assert {"a": "done", "b": "done", "c": "undone", "d": "failed"} == pending.ledger
    assert ["undo b", "undo b done", "undo a", "undo a done"] == async_stage.heard()
    assert (RunStatus.COMPENSATED, "ValueError: no") == (result.status, str(result.error))


def test_past_the_pivot_a_run_is_finished_forward(async_stage, leave):
    """A retriable step is repeated, whatever its effects."""

    def steps(seconds):
        return [
            async_stage.step("pay", undo=False, kind="pivot"),
            async_stage.step("mail", "pay", undo=False, kind="retriable", seconds=seconds),
        ]

    second = leave(steps(9.0), 2.0)
    result = async_stage.run(second, steps(1.0), run_id="r")

    assert RunStatus.COMMITTED == result.status
    assert ["mail", "mail done"] == async_stage.heard()


def test_a_pivot_that_was_left_calls_a_person(async_stage, leave):
    """Unless it may be repeated: then the same key finds out what became of it."""
    steps = [async_stage.step("hold"), async_stage.step("pay", "hold", undo=False, kind="pivot", seconds=9.0)]
    result = async_stage.run(leave(steps, 2.0), steps, run_id="r")

    assert RunStatus.NEEDS_ATTENTION == result.status
    assert [] == async_stage.story
    assert {"hold": "done", "pay": "uncertain"} == result.ledger


def test_other_steps_under_the_same_id_are_refused(async_stage, leave):
    """An unfinished run cannot go on with a workflow that it was not begun with; the difference is said."""
    second = leave(abc(async_stage, seconds=9.0), 2.0)
    with pytest.raises(GraphError, match="run 'r' was begun with other steps: step 'c' is gone"):
        async_stage.run(second, abc(async_stage)[:2], run_id="r")

    assert [] == async_stage.story
    assert ["r"] == [pending.run_id for pending in second.pending()]


def test_sync_code_can_go_on_with_what_async_code_began(async_stage, leave):
    """The file knows no colour."""
    second = leave(abc(async_stage, seconds=9.0), 2.0, effects="none")
    result = second.orchestrate_sync(
        [
            {"id": "a", "operation": lambda: 0, "compensate": print, "depends_on": []},
            {"id": "b", "operation": lambda: 1, "compensate": print},
            {"id": "c", "operation": lambda ctx: dict(ctx.results), "compensate": print},
        ],
        run_id="r",
    )

    assert {"a": "A", "b": 1, "c": {"a": "A", "b": 1}} == result.results
