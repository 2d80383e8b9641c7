"""When a copy of an attempt is begun, and what is told of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from unbreakable.errors import BulkheadFull, Kind
from unbreakable.events import Hedged
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Hedge, Plan

SLOW, FAST = Success("slow"), Success("fast")


def run(bench, hedge, *answers, **fields):
    """Return what a run comes to, the seconds that it took, when it sent copies, and the contexts it made."""
    events, made = [], []
    bench.node.tell = events.append

    async def story():
        began = bench.runtime.now()
        moments = {
            name: began + value for name, value in fields.items() if name in ("started", "counts_from", "deadline")
        }
        ctx = bench.context(cancels=0, **{**fields, **moments})
        inner = bench.inner(*answers)

        async def watched(scope):
            made.append(scope)
            return await inner(scope)

        found = await hedge.run(watched, ctx)
        told = [(type(event).__name__, event.at - began, event.after) for event in events if isinstance(event, Hedged)]
        return found, bench.runtime.now() - began, told, made, ctx

    return bench.play(story)


LEARNED, TWO = Hedge(0.1, threads=False), Hedge(0.1, most=2, threads=False)

can_leave = pytest.mark.parametrize("bench", ["asyncio"], indirect=True)  # in threads there is no virtual time


def test_plain_code_is_not_hedged_where_that_would_cost_threads(bench):
    """Its attempt is the call's own."""
    found, _, told, made, ctx = run(bench, Hedge(0.1, threads=False), (0.05, FAST))

    assert (FAST, [], [ctx]) == (found, told, made)


@can_leave
def test_copies_are_begun_one_after_the_other_and_each_is_told(bench):
    """So many seconds apart, until the most; the first good answer wins."""
    found, seconds, told, made, _ = run(bench, Hedge(0.1, most=2), (9.0, SLOW), (9.0, SLOW), (0.3, FAST))

    assert (FAST, pytest.approx(0.5)) == (found, seconds)
    assert [("Hedged", pytest.approx(0.1), 0.1), ("Hedged", pytest.approx(0.2), 0.2)] == told
    assert [0, 1, 2] == [scope.rival for scope in made]


@can_leave
@pytest.mark.parametrize("first", [SLOW, Failure(OSError("down"))])
def test_an_attempt_that_ends_in_time_has_no_copy(bench, first):
    """Well or not: a copy is for one that takes long."""
    found, seconds, told, made, _ = run(bench, Hedge(0.1), (0.09, first))

    assert (first, pytest.approx(0.09), [], 1) == (found, seconds, told, len(made))


@can_leave
def test_nobody_begins_a_copy_that_cannot_be_paid_for(bench):
    """The budget of repeats is asked."""
    bench.node.affords = 1
    found, _, told, made, _ = run(bench, Hedge(0.1, most=2), (0.5, SLOW), (9.0, FAST))

    assert (SLOW, 1, 2) == (found, len(told), len(made))


@can_leave
@pytest.mark.parametrize(("afforded", "seconds"), [((False, True), 0.6), ((False, False), 0.8)])
def test_a_learned_copy_that_could_not_be_paid_is_asked_for_again_when_half_of_the_time_is_over(
    bench, afforded, seconds
):
    """By then it may be paid from all savings, or not; nobody asks a third time."""
    paid = list(afforded)
    bench.node.may_hedge = lambda ctx: paid.pop(0)
    found, took, told, _, _ = run(bench, Hedge(0.1, threads=False), (0.8, SLOW), (0.1, FAST), deadline=1.0)

    assert (FAST if afforded[1] else SLOW, pytest.approx(seconds)) == (found, took)
    assert afforded[1] == bool(told)
    assert not paid


@can_leave
def test_a_copy_that_fails_has_done_what_nobody_can_rule_out(bench):
    """The first attempt is the one that is told of, so the copy's deeds are noted by themselves."""
    lost = Failure(TimeoutError("lost"), Kind.TIMEOUT)
    found, *_, ctx = run(bench, Hedge(0.1), (0.5, SLOW), (0.1, lost), plan=Plan(effects="idempotent"))

    assert (SLOW, True) == (found, ctx.deeds.doubtful)


@can_leave
@pytest.mark.parametrize(("began", "begins"), [(-0.06, 0.04), (0.0, 0.1)])
def test_an_attempt_that_went_on_is_late_from_its_own_beginning(bench, began, begins):
    """The script has taken it up later."""
    *_, told, _, _ = run(bench, Hedge(0.1), (9.0, SLOW), (0.1, FAST), pursuit=object(), started=began)

    assert [pytest.approx(begins)] == [moment for _, moment, _ in told]


@can_leave
def test_the_first_learned_copy_is_begun_sooner_by_its_lead(bench):
    """It is to be under way in time; the script of the second one is awake."""
    bench.target.lead = 0.02
    *_, told, _, _ = run(bench, TWO, (9.0, SLOW), (9.0, SLOW), (0.1, FAST), pursuit=object(), started=0.0)

    assert [pytest.approx(0.08), pytest.approx(0.2)] == [moment for _, moment, _ in told]
    assert bench.target.sent == [0.1, 0.2]


@can_leave
@pytest.mark.parametrize(
    ("woken", "lead", "lag"),
    [
        (0.104, 0.0, 0.004),
        (0.104, 0.02, 0.024),
        (0.1, 0.0, 0.0),
        (0.10009, 0.0, 0.0),
        (0.09, 0.02, 0.01),
        (3.0, 0.0, 0.1),
    ],
    ids=["late", "late all the same", "in time", "hardly late", "too soon", "stalled"],
)
def test_how_late_a_copy_is_under_way_is_learned(bench, woken, lead, lag):
    """A sixteenth of it, which is no more than the delay, from when it would have come without its lead."""
    bench.target.lead = lead
    run(bench, LEARNED, (9.0, SLOW), (0.05, FAST), pursuit=object(), started=-woken, counts_from=-9.0)

    assert bench.target.lag == pytest.approx(lag / 16.0)


@can_leave
def test_how_late_a_copy_is_says_nothing_where_something_of_ours_was_waited_for(bench):
    """Nor where the attempt has a task of its own, whose script is awake."""
    run(bench, LEARNED, (9.0, SLOW), (0.05, FAST), pursuit=object(), started=-0.2, counts_from=-9.0, aside=0.01)
    run(bench, LEARNED, (9.0, SLOW), (0.05, FAST))

    assert bench.target.lag == 0.0


@can_leave
def test_time_for_something_of_ours_is_not_the_targets(bench):
    """A copy would wait for the same; what counts begins when the attempt goes on to its target."""
    *_, told, _, _ = run(bench, Hedge(0.1), (9.0, SLOW), (0.1, FAST), counts_from=0.07)

    assert [pytest.approx(0.17)] == [moment for _, moment, _ in told]


@can_leave
def test_an_attempt_that_waits_for_something_of_ours_has_no_copy(bench):
    """However long that takes."""
    found, _, told, *_ = run(bench, Hedge(0.1), (0.95, SLOW), is_aside=True)

    assert (SLOW, []) == (found, told)


def test_a_call_for_which_there_is_no_thread_is_refused():
    """All of them are held by calls that do not come back."""
    asked = []

    async def first(leader, *rivals, owner):
        asked.append((len(rivals), owner))
        raise BulkheadFull("no thread")

    runtime = SimpleNamespace(preemptive=False, first=first)
    ctx = SimpleNamespace(runtime=runtime, target="bank", refuse=lambda full: full)
    found = asyncio.run(Hedge(0.1, most=3).run(None, ctx))

    assert ("no thread", [(3, "bank")]) == (str(found), asked)
