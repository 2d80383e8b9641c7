"""A journal, of whatever kind, tells later what it was told."""

from __future__ import annotations

import pytest

from unbreakable.errors import NotRecordable, StateBroken, StateError
from unbreakable.storage.shared import open_state
from unbreakable.storage.sqlite import Schema
from unbreakable.workflows.graph import build_graph
from unbreakable.workflows.journal import RunBegun, RunEnded, RunTurnedBack, StepBegun, StepEnded
from unbreakable.workflows.memory import MemoryJournal
from unbreakable.workflows.opening import pending_of, result_of
from unbreakable.workflows.result import RunStatus, StepState
from unbreakable.workflows.step import Step
from unbreakable.workflows.table import SCHEMA, SWEEP_EVERY, TableJournal

GRAPH = build_graph([Step("a", print, compensate=print), Step("b", print)]).text


@pytest.fixture(params=["memory", "table"])
def new_journal(request, tmp_path):
    """Open journals of each kind; those of a file are closed at the end."""
    opened = []

    def make(keep=100):
        if request.param == "memory":
            return MemoryJournal(keep)
        opened.append(TableJournal(open_state(tmp_path / "runs.db"), keep))
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(new_journal):
    return new_journal()


def begun(journal, run_id="r", context=None, named=True):
    return RunBegun(run_id, "Booking", GRAPH, journal.record(context, "context"), named)


def done(journal, step, value, run_id="r"):
    return StepEnded(run_id, step, StepState.DONE, certain=True, result=journal.record(value, "result"))


def whole_run(journal, run_id, status=RunStatus.COMMITTED, named=True):
    journal.write([begun(journal, run_id, named=named), RunEnded(run_id, status, None)])


def test_an_unknown_run_is_unknown(journal):
    """Nothing is made up."""
    assert journal.find("nobody") is None
    assert [] == journal.unfinished()


def test_a_run_in_flight_is_told_as_it_stands(journal):
    """Every step is in the ledger, also those that were not begun."""
    journal.write([begun(journal, context={"city": "CAI"}), StepBegun("r", "a", "r:a", "digest", "undo_a")])
    (stored,) = journal.unfinished()
    pending = pending_of(stored)

    assert ("r", "Booking", {"city": "CAI"}, {}) == (pending.run_id, pending.workflow, pending.context, pending.results)
    assert {"a": StepState.UNCERTAIN, "b": StepState.NOT_BEGUN} == pending.ledger
    assert ({"a"}, {"a": "digest"}) == (stored.doubtful, stored.inputs)
    assert not pending.turned_back
    assert 1.7e9 < pending.begun
    assert {"a": "uncertain", "b": "not_begun"} == pending.to_dict()["ledger"]


def test_results_and_doubts_are_kept(journal):
    """A result that a fallback gave is not certain."""
    journal.write([begun(journal), StepBegun("r", "a", "r:a", "", None), StepBegun("r", "b", "r:b", "", None)])
    journal.write([done(journal, "a", [1, "two"])])
    journal.write([StepEnded("r", "b", StepState.DONE, certain=False, result=journal.record(3, "result"))])
    stored = journal.find("r")

    assert {"a": [1, "two"], "b": 3} == {step: payload.value for step, payload in stored.results.items()}
    assert {"b"} == stored.doubtful
    assert {StepState.DONE} == set(stored.ledger.values())


def test_undoing_a_step_keeps_its_result(journal):
    """A person who looks at a run sees what was undone."""
    journal.write([begun(journal), StepBegun("r", "a", "r:a", "", "undo_a"), done(journal, "a", "seat 4")])
    journal.write([RunTurnedBack("r", "sold out")])
    journal.write([StepEnded("r", "a", StepState.UNDONE, certain=True)])
    stored = journal.find("r")

    assert (StepState.UNDONE, "seat 4") == (stored.ledger["a"], stored.results["a"].value)
    assert (True, "sold out", None) == (stored.turned_back, stored.error, stored.status)


def test_a_finished_run_is_found_but_not_in_flight(journal):
    """Its result is what the first caller got."""
    journal.write([begun(journal), StepBegun("r", "a", "r:a", "", None), done(journal, "a", 1)])
    journal.write([RunTurnedBack("r", "why"), RunEnded("r", RunStatus.COMPENSATED, None)])
    stored = journal.find("r")
    result = result_of(stored, stored.status)

    assert [] == journal.unfinished()
    assert (RunStatus.COMPENSATED, {"a": 1}, "Booking") == (result.status, result.results, result.workflow)
    assert "why" == str(result.error)


def test_a_step_that_is_begun_again_is_uncertain_again(journal):
    """What an earlier call reported does not hold for the repeat."""
    journal.write([begun(journal), StepBegun("r", "a", "r:a", "one", None)])
    journal.write([StepEnded("r", "a", StepState.FAILED, certain=False, error="no")])
    journal.write([StepBegun("r", "a", "r:a", "two", None)])
    stored = journal.find("r")

    assert (StepState.UNCERTAIN, "two") == (stored.ledger["a"], stored.inputs["a"])


def test_runs_in_flight_come_oldest_first(journal):
    """Whoever goes on with them does so in order."""
    for run_id in ("first", "second", "third"):
        journal.write([begun(journal, run_id)])

    assert ["first", "second", "third"] == [stored.run_id for stored in journal.unfinished()]


def test_only_the_last_finished_runs_are_kept(new_journal):
    """There is a limit on history; runs in flight do not count."""
    journal = new_journal(keep=10)
    journal.write([begun(journal, "in flight")])
    for number in range(3 * SWEEP_EVERY):
        whole_run(journal, f"run {number}")

    assert journal.find("run 0") is None
    assert journal.find(f"run {3 * SWEEP_EVERY - 1}") is not None
    assert ["in flight"] == [stored.run_id for stored in journal.unfinished()]


# ── each kind ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_runs_that_ended_last_are_kept_whatever_the_clock_says(new_journal, monkeypatch):
    """A clock that is set back makes no run of today an old one, which would be carried out again."""
    journal = new_journal(keep=10)
    for number in range(2 * SWEEP_EVERY):
        whole_run(journal, f"early {number}")
    monkeypatch.setattr("unbreakable.workflows.table.time_of_day", lambda: 1.0)
    for number in range(SWEEP_EVERY + 1):  # the last of them sweeps
        whole_run(journal, f"late {number}")

    assert all(journal.find(f"late {number}") for number in range(SWEEP_EVERY - 9, SWEEP_EVERY + 1))
    assert journal.find("early 9") is None


def test_processes_that_live_shortly_sweep_too(tmp_path):
    """However few runs each of them carries to their end."""
    for process in range(30):
        journal = TableJournal(open_state(tmp_path / "runs.db"), 10)
        for number in range(5):
            whole_run(journal, f"{process}-{number}")
        ((count,),) = journal.file.read("SELECT count(*) FROM run")
        journal.close()

    assert 10 + 5 > count
    assert 10 <= count


def test_a_file_of_the_version_before_keeps_the_newest_of_its_runs(tmp_path):
    """For these the clock is all that is known."""
    file = open_state(tmp_path / "runs.db")
    file.adopt(Schema(SCHEMA.name, SCHEMA.migrations[:1]))
    for number in range(20):
        insert = "INSERT INTO run VALUES (?, 'w', '[]', 'null', 0, 'committed', NULL, ?, ?)"
        file.write([(insert, (f"r{number:02d}", float(number), float(number)))])
    journal = TableJournal(file, 10)
    whole_run(journal, "new")

    kept = [run for (run,) in file.read("SELECT id FROM run ORDER BY id")]
    journal.close()
    assert ["new", *(f"r{number}" for number in range(11, 20))] == kept


def test_memory_forgets_runs_that_nobody_can_ask_for():
    """A run whose id was drawn is over when its caller has the result."""
    journal = MemoryJournal(10)
    whole_run(journal, "drawn", named=False)

    assert journal.find("drawn") is None


def test_memory_keeps_values_as_they_are():
    """Nothing has to be written, so nothing is refused."""
    value = object()

    assert value is MemoryJournal(1).record(value, "it").value


@pytest.fixture
def table(tmp_path):
    journal = TableJournal(open_state(tmp_path / "runs.db"), 3)
    yield journal
    journal.close()


def test_a_table_refuses_what_cannot_be_read_back(table):
    """The message says which step and what to return."""
    with pytest.raises(NotRecordable, match="the result of step 'a' is a object: only"):
        table.record(object(), "the result of step 'a'")


def test_a_table_digests_inputs(table):
    """Equal inputs have equal digests, others have others."""
    one, two = table.record({"x": 1}, "it"), table.record({"x": 2}, "it")

    assert table.digest([one]) == table.digest([table.record({"x": 1}, "it")])
    assert 3 == len({table.digest([one]), table.digest([two]), table.digest([one, two])})


def test_a_table_keeps_runs_that_need_attention_apart(table):
    """Thousands of good runs do not push out the one that a person has to look at."""
    whole_run(table, "look at me", RunStatus.NEEDS_ATTENTION)
    for number in range(2 * SWEEP_EVERY):
        whole_run(table, f"run {number}")

    assert table.find("look at me") is not None


def test_what_is_swept_away_takes_its_steps_along(table):
    """No rows are left of a run that is forgotten."""
    table.write([begun(table, "old"), StepBegun("old", "a", "k", "", None), RunEnded("old", RunStatus.COMMITTED, None)])
    for number in range(2 * SWEEP_EVERY):
        whole_run(table, f"run {number}")

    assert [] == table.file.read("SELECT * FROM step")


def test_an_id_in_use_is_not_taken_twice(table):
    """Two orchestrators on one file cannot both begin the same run."""
    table.write([begun(table, "r")])
    with pytest.raises(StateError):
        table.write([begun(table, "r")])


def test_the_compensation_is_on_record_with_the_intent(table):
    """A person can see from the file what is owed."""
    table.write([begun(table), StepBegun("r", "a", "r:a", "digest", "cancel_hotel")])

    assert [("a", "uncertain", "r:a", "cancel_hotel")] == table.file.read("SELECT id, state, key, undo FROM step")


def test_an_error_that_quotes_what_is_no_text_is_kept(table):
    """A file name that is no UTF-8 does not keep a run from being turned back."""
    table.write([begun(table), RunTurnedBack("r", "no such file: caf\udce9")])
    table.write([RunEnded("r", RunStatus.COMPENSATED, None)])

    assert "no such file: caf\\udce9" == table.find("r").error


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET context = '[1' WHERE id = 'r'",
        "UPDATE run SET context = CAST(x'B1' AS TEXT) WHERE id = 'r'",
        "UPDATE step SET result = CAST(x'B1' AS TEXT) WHERE id = 'a'",
        "UPDATE run SET graph = 'Z' || substr(graph, 2) WHERE id = 'r'",
        "UPDATE run SET graph = '[1]' WHERE id = 'r'",
        "UPDATE step SET state = 'dine' WHERE id = 'a'",
        "UPDATE step SET id = 'q' WHERE id = 'a'",
        "UPDATE step SET run = 'q' WHERE id = 'a'",
    ],
)
def test_a_damaged_run_is_named_and_does_not_hide_the_others(table, damage, caplog):
    """SQLite has no checksums: what it reads without complaint may be broken; other runs are taken up all the same."""
    table.write([begun(table), StepBegun("r", "a", "r:a", "", None), done(table, "a", 1), begun(table, "other")])
    table.write([StepBegun("r", "b", "r:b", "", None)])
    table.file.write([(damage, ())])

    with pytest.raises(StateBroken, match="run 'r' is damaged"):
        table.find("r")
    assert ["other"] == [run.run_id for run in table.unfinished()]
    assert "run 'r' is damaged" in caplog.text
