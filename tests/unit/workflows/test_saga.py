"""A run goes forward along its dependencies and back along them, whatever happens in whatever order."""

from __future__ import annotations

from unbreakable.workflows.ending import Doubt
from unbreakable.workflows.graph import build_graph
from unbreakable.workflows.result import RunStatus, StepState
from unbreakable.workflows.saga import Saga
from unbreakable.workflows.step import Step

NOT_BEGUN, UNCERTAIN, FAILED = StepState.NOT_BEGUN, StepState.UNCERTAIN, StepState.FAILED
DONE, UNDONE, UNDO_FAILED = StepState.DONE, StepState.UNDONE, StepState.UNDO_FAILED


def work():
    return "done"


def step(id, *needs, undo=True, kind=None):
    return Step(id, work, depends_on=needs, compensate=work if undo else None, kind=kind)


def saga(*steps):
    return Saga(build_graph(steps))


def diamond():
    return saga(step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"))


def through(run, *ids):
    for id in ids:
        run.begin(9)
        run.returned(id)
    return run


# ── forward ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_steps_begin_as_soon_as_what_they_need_is_done():
    """There is no barrier: a slow sibling holds up nobody who does not need it."""
    run = saga(step("a"), step("slow"), step("b", "a"))

    assert ["a", "slow"] == run.begin(9)
    run.returned("a")
    assert ["b"] == run.begin(9)


def test_no_more_than_the_limit_run_at_once():
    """The others wait for their turn, in the order given."""
    run = saga(step("a"), step("b"), step("c"))

    assert ["a", "b"] == run.begin(2)
    assert [] == run.begin(2)
    run.returned("b")
    assert ["c"] == run.begin(2)


def test_a_run_commits_when_every_step_is_done():
    """There is nothing left to do then."""
    run = through(diamond(), "a", "b", "c", "d")

    assert [] == run.begin(9)
    assert RunStatus.COMMITTED == run.status()


def test_a_step_that_was_begun_is_uncertain_until_it_ends():
    """That is what the journal says of it if the process dies now."""
    run = diamond()
    run.begin(9)

    assert {"a": UNCERTAIN, "b": NOT_BEGUN, "c": NOT_BEGUN, "d": NOT_BEGUN} == run.ledger
    assert run.status() is None


# ── back ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_done_is_undone_in_the_reverse_order():
    """A compensation begins when those of everything that came after have ended."""
    run = through(diamond(), "a", "b", "c")
    run.begin(9)
    run.failed("d", Doubt.REPORTED)

    assert ["d"] == run.undo()
    run.undone("d")
    assert {"b", "c"} == set(run.undo())
    run.undone("c")
    assert [] == run.undo()
    run.undone("b")
    assert ["a"] == run.undo()
    run.undone("a")
    assert [] == run.undo()
    assert RunStatus.COMPENSATED == run.status()


def test_a_step_that_provably_never_began_is_not_undone():
    """A refused call had no effect."""
    run = through(saga(step("a"), step("b", "a")), "a")
    run.begin(9)
    run.failed("b", Doubt.NEVER_BEGAN)

    assert ["a"] == run.undo()
    assert NOT_BEGUN == run.ledger["b"]


def test_a_repeat_that_never_began_does_not_undo_an_earlier_doubt():
    """The call before the crash may have had its effect."""
    run = Saga.restore(build_graph([step("a")]), {"a": UNCERTAIN}, {"a"}, lambda id: True, turned_back=False)
    run.begin(9)
    run.failed("a", Doubt.NEVER_BEGAN)

    assert UNCERTAIN == run.ledger["a"]
    assert ["a"] == run.undo()


def test_steps_without_compensation_are_passed_over():
    """The order of the others holds across them."""
    run = through(saga(step("a"), step("read", "a", undo=False), step("c", "read")), "a", "read")
    run.begin(9)
    run.failed("c", Doubt.REPORTED)

    assert ["c"] == run.undo()
    run.undone("c")
    assert ["a"] == run.undo()
    assert {"a": DONE, "read": DONE, "c": UNDONE} == run.ledger


def test_a_compensation_that_fails_does_not_stop_the_others():
    """The run goes on undoing and then asks for a person."""
    run = through(saga(step("a"), step("b", "a"), step("c", "b")), "a", "b")
    run.begin(9)
    run.failed("c", Doubt.REPORTED)
    for id in ("c", "b", "a"):
        assert [id] == run.undo()
        run.undone(id, failed=id == "b")
    run.undo()

    assert {"a": UNDONE, "b": UNDO_FAILED, "c": UNDONE} == run.ledger
    assert RunStatus.NEEDS_ATTENTION == run.status()


def test_nothing_new_begins_once_the_run_has_turned_back():
    """Steps that were ready stay undone by never beginning."""
    run = saga(step("a"), step("b"), step("c"))
    run.begin(2)
    run.failed("a", Doubt.REPORTED)

    assert [] == run.begin(2)
    assert NOT_BEGUN == run.ledger["c"]


def test_a_step_that_still_runs_is_undone_after_it_ended():
    """Its neighbours need not wait for that."""
    run = saga(step("a"), step("b"))
    run.begin(9)
    run.failed("a", Doubt.REPORTED)

    assert ["a"] == run.undo()
    assert [] == run.undo()
    run.returned("b")
    assert ["b"] == run.undo()


def test_a_fallbacks_answer_is_not_certain():
    """Its compensation is told that there may be nothing to undo."""
    run = saga(step("a"))
    run.begin(9)
    run.returned("a", certain=False)

    assert {"a"} == run.doubtful


# ── cancellation ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cancelling_turns_back_and_names_what_to_cut():
    """What runs is cut, what is done is undone."""
    run = through(diamond(), "a")
    run.begin(9)

    assert ["b", "c"] == run.cancel()
    assert run.turned_back


def test_a_running_pivot_is_not_cut():
    """Nobody could tell what a cut one did; it decides by how it ends."""
    run = through(saga(step("a"), step("p", "a", undo=False, kind="pivot")), "a")
    run.begin(9)

    assert [] == run.cancel()
    assert not run.turned_back


def test_past_the_pivot_a_run_only_goes_forward():
    """Cancelling comes too late."""
    run = saga(step("p", undo=False, kind="pivot"), step("r", "p", undo=False, kind="retriable"))
    through(run, "p")
    run.begin(9)

    assert [] == run.cancel()
    run.returned("r")
    assert RunStatus.COMMITTED == run.status()


def test_cancelling_a_committed_run_before_it_is_told_changes_nothing_that_was_done():
    """Whoever cancels when everything is done gets everything undone, or nothing; never a part."""
    run = through(saga(step("a"), step("b")), "a", "b")
    run.cancel()

    assert {"a", "b"} == set(run.undo())


# ── the point of no return ──────────────────────────────────────────────────────────────────────────────────────────


def with_pivot():
    return saga(step("a"), step("p", "a", undo=False, kind="pivot"), step("r", "p", undo=False, kind="retriable"))


def test_a_pivot_that_said_it_failed_turns_the_run_back():
    """A declined payment is an answer."""
    run = through(with_pivot(), "a")
    run.begin(9)
    run.failed("p", Doubt.REPORTED)

    assert ["a"] == run.undo()


def test_a_pivot_of_which_nobody_knows_needs_a_person():
    """Undoing what a payment may have paid for would be as wrong as going on."""
    run = through(with_pivot(), "a")
    run.begin(9)
    run.failed("p", Doubt.NOBODY_KNOWS)

    assert [] == run.begin(9) + run.undo()
    assert RunStatus.NEEDS_ATTENTION == run.status()
    assert {"a": DONE, "p": UNCERTAIN, "r": NOT_BEGUN} == run.ledger


def test_a_doubtful_pivot_that_can_be_undone_is_undone():
    """A pivot may bring its own way back for the case that nobody knows."""
    run = saga(step("p", kind="pivot"))
    run.begin(9)
    run.failed("p", Doubt.NOBODY_KNOWS)

    assert ["p"] == run.undo()


def test_a_retriable_step_that_gives_up_is_stuck_and_others_go_on():
    """Past the pivot nothing is undone, and a branch that works is finished."""
    run = saga(
        step("p", undo=False, kind="pivot"),
        step("r", "p", undo=False, kind="retriable"),
        step("s", "p", undo=False, kind="retriable"),
        step("t", "s", undo=False, kind="retriable"),
    )
    through(run, "p")
    run.begin(9)
    run.failed("r", Doubt.REPORTED)
    run.returned("s")

    assert ["t"] == run.begin(9)
    run.returned("t")
    assert RunStatus.NEEDS_ATTENTION == run.status()
    assert {"p": DONE, "r": FAILED, "s": DONE, "t": DONE} == run.ledger


# ── taken up again ──────────────────────────────────────────────────────────────────────────────────────────────────


def restored(ledger, *, turned_back=False, repeatable=False, of=diamond):
    return Saga.restore(of().graph, ledger, set(), lambda id: repeatable, turned_back=turned_back)


def test_what_is_done_is_not_begun_again():
    """A restored run goes on where the journal ends."""
    run = restored({"a": DONE, "b": DONE})

    assert ["c"] == run.begin(9)


def test_an_uncertain_step_that_may_be_repeated_is():
    """Its effect happens once, by its idempotency key."""
    run = restored({"a": DONE, "b": UNCERTAIN}, repeatable=True)

    assert ["b", "c"] == sorted(run.begin(9))


def test_an_uncertain_step_that_may_not_be_repeated_turns_the_run_back():
    """It is undone with the doubt on record."""
    run = restored({"a": DONE, "b": UNCERTAIN})

    assert [] == run.begin(9)
    assert ["b"] == run.undo()
    assert "b" in run.doubtful


def test_a_run_that_was_being_undone_goes_on_being_undone():
    """What is undone already is not undone again."""
    run = restored({"a": DONE, "b": UNDONE, "c": FAILED}, turned_back=True, repeatable=True)

    assert [] == run.begin(9)
    assert ["c"] == run.undo()
    run.undone("c")
    assert ["a"] == run.undo()


def test_a_pivot_whose_process_died_needs_a_person_unless_it_may_be_repeated():
    """Nobody knows what it did; the same idempotency key finds out."""
    assert {"p"} == restored({"a": DONE, "p": UNCERTAIN}, of=with_pivot).stuck
    assert ["p"] == restored({"a": DONE, "p": UNCERTAIN}, of=with_pivot, repeatable=True).begin(9)
