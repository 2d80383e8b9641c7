"""A run is taken up only as what it was begun with."""

from __future__ import annotations

import pytest

from unbreakable.storage.shared import open_state
from unbreakable.workflows.graph import build_graph
from unbreakable.workflows.journal import StepBegun, StepEnded
from unbreakable.workflows.opening import accept, inputs_of, take_up
from unbreakable.workflows.result import StepState
from unbreakable.workflows.step import Step
from unbreakable.workflows.table import TableJournal

GRAPH = build_graph([Step("a", print, compensate=print), Step("b", print, compensate=print)])


@pytest.fixture
def journal(tmp_path):
    journal = TableJournal(open_state(tmp_path / "runs.db"), 10)
    yield journal
    journal.close()


def left_in_b(journal, inputs=None):
    """Leave a run in the middle of its second step."""
    run = accept(journal, GRAPH, "r", "Booking", {"n": 1}, named=True)
    result = journal.record("A", "it")
    inputs = inputs or inputs_of("b", GRAPH, journal, run.context, {"a": result})
    a_done = StepEnded("r", "a", StepState.DONE, certain=True, result=result)
    journal.write(
        [*run.records, StepBegun("r", "a", "r:a", "", None), a_done, StepBegun("r", "b", "r:b", inputs, None)]
    )
    return journal.find("r")


def test_a_step_is_repeated_with_the_inputs_that_it_had(journal):
    """The same idempotency key stands for the same request."""
    run = take_up(journal, GRAPH, left_in_b(journal), lambda step: True)

    assert ["b"] == run.saga.begin(9)
    assert not run.saga.turned_back


def test_a_step_is_not_repeated_with_other_inputs(journal):
    """A file in which somebody changed a result does not send another request under an old key."""
    run = take_up(journal, GRAPH, left_in_b(journal, inputs="another digest"), lambda step: True)

    assert run.saga.turned_back
    assert not run.turn_recorded
    assert ["b"] == run.saga.undo()
    assert "step 'b' was begun earlier; nobody knows what it did" == str(run.errors["b"])


def test_a_run_goes_back_from_a_step_whose_result_is_on_no_record(journal):
    """The process died when it had noted that the step was done, and that nobody could record what it returned."""
    run = accept(journal, GRAPH, "r", "Booking", None, named=True)
    done = StepEnded("r", "a", StepState.DONE, certain=True, error="the result of step 'a' is a Booking: ...")
    journal.write([*run.records, StepBegun("r", "a", "r:a", "", None), done])

    run = take_up(journal, GRAPH, journal.find("r"), lambda step: True)

    assert (True, [], ["a"]) == (run.saga.turned_back, run.saga.begin(9), run.saga.undo())
    assert (StepState.DONE, set()) == (run.saga.ledger["a"], run.saga.doubtful)
    assert "what step 'a' returned could not be recorded" == str(run.errors["a"])


def test_the_inputs_of_a_step_are_its_context_and_what_it_depends_on(journal):
    """Either one changes the digest; what it does not depend on does not."""
    one, two = journal.record(1, "it"), journal.record(2, "it")

    digest = inputs_of("b", GRAPH, journal, one, {"a": one})
    assert digest == inputs_of("b", GRAPH, journal, one, {"a": one, "x": two})
    assert 3 == len(
        {digest, inputs_of("b", GRAPH, journal, two, {"a": one}), inputs_of("b", GRAPH, journal, one, {"a": two})}
    )
