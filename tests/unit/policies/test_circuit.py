"""The circuit: every change from every state, verdicts by generation, windows, slowness, work by hand."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import unbreakable as ub
from unbreakable.errors import CircuitOpen, Kind, VerificationFailed
from unbreakable.events import CircuitClosed, CircuitHalfOpened, CircuitOpened
from unbreakable.outcome import Failure, Success
from unbreakable.policies import Circuit, CircuitBreaker, Retry, State
from unbreakable.policies.breaker import refusal, verdict
from unbreakable.policies.states import CHANGES, Change

NEVER = {
    # what cannot happen, because no method asks for it in that state
    *((state, Change.TRIPPED) for state in (State.OPEN, State.FORCED_OPEN, State.DISABLED)),
    *((state, Change.RESTED) for state in State if state is not State.OPEN),
    *((state, Change.BACK) for state in State if state is not State.HALF_OPEN),
    *((state, Change.PROVEN) for state in State if state not in (State.HALF_OPEN, State.RAMPING)),
}


def opened(now=0.0, **settings):
    """Return a circuit that has just opened."""
    circuit = Circuit(CircuitBreaker(1, **{"rest": 10.0, **settings}))
    circuit.settle(circuit.generation, False, now)
    return circuit


def half_open(now=10.0, **settings):
    """Return a rested circuit and the stamp of its first probe."""
    circuit = opened(**settings)
    stamp, _ = circuit.admit(now)
    return circuit, stamp


def in_state(state, ramp=0.0):
    """Return a circuit in that state; it is not asked again before the moment 20."""
    circuit = Circuit(CircuitBreaker(1)) if state is State.CLOSED else opened(ramp=ramp)
    if state is State.HALF_OPEN:
        circuit.admit(10.0)
    if state is State.RAMPING:
        circuit = opened(ramp=400.0)
        circuit.settle(circuit.admit(10.0)[0], True, 11.0)
    if state is State.FORCED_OPEN:
        circuit.force_open()
    if state is State.DISABLED:
        circuit.disable()
    assert state is circuit.state
    return circuit


def brought_about(circuit, change):
    """Bring *change* about as the public methods do."""
    match change:
        case Change.TRIPPED:
            circuit.settle(circuit.generation, False, 20.0)
        case Change.RESTED:
            circuit.admit(30.0)
        case Change.BACK | Change.PROVEN if circuit.state is State.RAMPING:
            circuit.admit(1e9 if change is Change.PROVEN else 30.0)
        case Change.BACK | Change.PROVEN:
            circuit.settle(circuit.generation, True, 20.0)
        case Change.FORCED:
            circuit.force_open()
        case Change.SWITCHED_OFF:
            circuit.disable()
        case Change.RESET:
            circuit.reset()
    return circuit.state


@pytest.mark.parametrize(("state", "change"), [*itertools.product(State, Change)])
def test_every_change_from_every_state_is_as_the_table_says(state, change):
    """What the table does not hold does not happen: the circuit stays where it is."""
    circuit = in_state(state, ramp=400.0 if change is Change.BACK else 0.0)
    generation = circuit.generation

    after = brought_about(circuit, change)

    assert ((state, change) in NEVER) == ((state, change) not in CHANGES)
    assert CHANGES.get((state, change), state) is after
    anew = (state, change) == (State.HALF_OPEN, Change.RESTED)  # permits that were lost are worth nothing
    assert ((state, change) in CHANGES or anew) == (circuit.generation > generation)


def test_failures_in_a_row_open_it():
    """One success in between, and the row begins anew."""
    circuit = Circuit(CircuitBreaker(3))
    verdicts = [False, False, True, False, False, None, False]

    events = [circuit.settle(0, ok, float(moment)) for moment, ok in enumerate(verdicts)]

    assert [None] * 6 + [CircuitOpened] == events
    assert (State.OPEN, None) == (circuit.state, circuit.stamp)


def test_a_failure_that_began_before_a_later_success_is_no_news():
    """Calls that hung while the target was away end when it is long back; those that began after the success count."""
    circuit = Circuit(CircuitBreaker(2))
    circuit.settle(0, True, 103.0, 1.0)
    for _ in range(5):
        circuit.settle(0, False, 130.0, 30.0)
    still = circuit.state
    for _ in range(2):
        circuit.settle(0, False, 131.0, 29.0)

    assert (State.CLOSED, State.OPEN) == (still, circuit.state)


def test_an_open_circuit_rests_to_the_second():
    """Not a moment earlier, and then as many go through as there are permits."""
    circuit = opened(now=5.0, permits=2)

    assert (None, None) == circuit.admit(14.999)
    assert (2, CircuitHalfOpened) == circuit.admit(15.0)
    assert [(2, None), (None, None), (None, None)] == [circuit.admit(15.0) for _ in range(3)]


@given(st.lists(st.sampled_from([True, False, None]), max_size=5))
def test_verdicts_of_an_earlier_generation_count_for_nothing(verdicts):
    """Whatever comes back from before the circuit moved, it stays as it is."""
    circuit, stamp = half_open(permits=9)
    before = (circuit.state, circuit.generation, circuit.probes, circuit.proven)

    for ok in verdicts:
        assert circuit.settle(stamp - 1, ok, 11.0) is None

    assert before == (circuit.state, circuit.generation, circuit.probes, circuit.proven)


def test_a_share_of_failures_opens_it_once_there_are_enough_attempts():
    """Half of ten failed: open.  Half of nine: not yet."""
    circuit = Circuit(CircuitBreaker(ratio=0.5, minimum=10, window=60.0))

    events = [circuit.settle(0, number % 2 == 0, number / 10) for number in range(10)]

    assert [None] * 9 + [CircuitOpened] == events


def test_the_share_is_that_of_the_window():
    """What is older than the window is forgotten."""
    circuit = Circuit(CircuitBreaker(ratio=0.5, minimum=4, window=10.0))
    for number in range(3):
        circuit.settle(0, False, float(number))

    events = [circuit.settle(0, ok, 100.0 + moment) for moment, ok in enumerate([True, True, True, False])]

    assert [None] * 4 == events
    assert State.CLOSED is circuit.state


def test_a_closed_circuit_begins_with_an_empty_window():
    """Failures from before it opened do not open it again."""
    circuit = Circuit(CircuitBreaker(ratio=0.5, minimum=2, window=1e6, rest=1.0))
    circuit.settle(0, False, 0.0)
    circuit.settle(0, False, 0.1)
    stamp, _ = circuit.admit(2.0)
    circuit.settle(stamp, True, 2.1)

    assert None is circuit.settle(circuit.stamp, False, 2.2)
    assert State.CLOSED is circuit.state


def test_slow_successes_count_as_failures():
    """Also for a probe: a target that answers too late is not well."""
    circuit = Circuit(CircuitBreaker(2, slow=1.0, rest=10.0))

    assert None is circuit.settle(0, True, 0.0, elapsed=1.5)
    assert None is circuit.settle(0, True, 1.0, elapsed=1.0)
    assert [None, CircuitOpened] == [circuit.settle(0, True, 2.0, elapsed=2.0) for _ in range(2)]
    stamp, _ = circuit.admit(12.0)
    assert CircuitOpened is circuit.settle(stamp, True, 14.0, elapsed=1.5)


def test_successes_are_looked_at_only_when_they_could_change_something():
    """The quick path asks ``alert``: false as long as all is well and nothing but failures matters."""
    plain, watchful = Circuit(CircuitBreaker(3)), Circuit(CircuitBreaker(3, slow=1.0))
    before = plain.alert
    plain.settle(0, False, 0.0)
    meanwhile = plain.alert
    plain.settle(0, True, 1.0)

    assert (False, True, False) == (before, meanwhile, plain.alert)
    assert watchful.alert


def test_forced_open_it_stays_open():
    """Until it is reset: neither time nor success closes it."""
    circuit = Circuit(CircuitBreaker())
    stamp = circuit.stamp
    circuit.force_open()
    circuit.settle(stamp, True, 1.0)

    assert (None, None) == circuit.admit(1e12)
    circuit.reset()
    assert (circuit.generation, None) == circuit.admit(0.0)


def test_disabled_it_lets_everything_through():
    """Whatever happens, until it is reset; then it counts from nothing."""
    circuit = Circuit(CircuitBreaker(1))
    circuit.disable()

    assert [None] * 5 == [circuit.settle(circuit.stamp, False, 0.0) for _ in range(5)]
    assert circuit.stamp == circuit.admit(0.0)[0]
    circuit.reset()
    assert (State.CLOSED, 0) == (circuit.state, circuit.run)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.floats(0.0, 30.0)),
        st.tuples(st.just("settle"), st.sampled_from([True, False, None])),
        st.tuples(st.sampled_from(["force_open", "disable", "reset"]), st.none()),
    ),
    max_size=60,
)


@given(actions, st.integers(1, 3), st.integers(1, 3))
def test_in_any_course_of_events_no_more_probes_are_out_than_permits(course, failures, permits):
    """Half-open, the permits that are out never exceed what is allowed, and are never negative."""
    circuit, out, now = Circuit(CircuitBreaker(failures, permits=permits, rest=10.0)), [], 0.0
    for action, detail in course:
        if action == "admit":
            now += detail
            stamp, _ = circuit.admit(now)
            out += [] if stamp is None else [stamp]
        elif action == "settle":
            circuit.settle(out.pop(0) if out else circuit.generation, detail if out else None, now)
        else:
            getattr(circuit, action)()

        assert 0 <= circuit.proven <= permits
        assert circuit.probes <= permits
        assert (circuit.stamp is not None) == (circuit.state in (State.CLOSED, State.DISABLED))


# ── what counts, and the policy around it ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (Success(1), True),
        (Failure(OSError()), False),
        (Failure(VerificationFailed(), Kind.UNVERIFIED), False),
        (Failure(OSError(), Kind.INVALID), True),
        (Failure(OSError(), Kind.CREDENTIALS), True),
        (Failure(CircuitOpen(), Kind.REJECTED, refused=True), None),
        (Failure(CircuitOpen("of another target"), Kind.TRANSIENT), None),
        (Failure(LookupError("not one of those to repeat on")), True),
        (Failure(LookupError("not one of those to repeat on"), Kind.TRANSIENT), None),
    ],
)
def test_what_an_attempt_says_of_its_target(bench, result, says):
    """Only what speaks of the target's health counts."""

    async def story():
        ctx = bench.context()
        ctx.plan = type(ctx.plan)(retry=Retry(on=OSError))
        return verdict(result, ctx)

    assert says is bench.play(story)


def test_the_policy_refuses_while_it_is_open(bench):
    """The refusal says how long the target rests on, and the inner step is not run."""

    async def story():
        bench.target.circuit = Circuit(breaker := CircuitBreaker(1, rest=10.0))
        inner = bench.inner(OSError(), "never")
        await breaker.run(inner, bench.context())
        await bench.runtime.sleep(4.0)
        return await breaker.run(inner, bench.context())

    refused = bench.play(story)

    assert (CircuitOpen, 6.0) == (type(refused.error), pytest.approx(refused.error.retry_after))
    assert ["CircuitOpened", "CallRejected"] == bench.node.heard


def test_a_call_waits_for_the_circuit_as_long_as_it_may(bench):
    """Long enough for the rest, it goes through; not long enough, it is refused, after a longer deadline at once."""

    async def story():
        ends = []
        for wait, deadline in ((60.0, math.inf), (3.0, math.inf), (60.0, 5.0)):
            bench.target.circuit = Circuit(breaker := CircuitBreaker(1, rest=10.0, wait=wait))
            inner = bench.inner(OSError(), "up")
            await breaker.run(inner, bench.context())
            began = bench.runtime.now()
            end = await breaker.run(inner, bench.context(deadline=began + deadline))
            ends.append((getattr(end, "value", None), round(bench.runtime.now() - began, 3)))
        return ends, len(bench.target.circuit.line)

    assert ([("up", 10.0), (None, 3.0), (None, 0.0)], 0) == bench.play(story)


def test_only_so_many_wait_for_the_circuit(bench):
    """Whoever comes when the line is full is refused at once."""

    async def story():
        bench.target.circuit = Circuit(breaker := CircuitBreaker(1, rest=10.0, wait=60.0))
        inner = bench.inner(OSError(), "never")
        await breaker.run(inner, bench.context())
        for _ in range(CircuitBreaker().most_waiting):
            bench.target.circuit.line.join(bench.runtime)
        began = bench.runtime.now()
        return (await breaker.run(inner, bench.context())).error, bench.runtime.now() - began

    refused, waited = bench.play(story)

    assert (CircuitOpen, 0.0) == (type(refused), waited)


def test_who_learns_elsewhere_that_the_target_is_back_ends_the_rest():
    """One probe follows at once; a circuit that is closed, half open, or held open by hand is left as it is."""
    circuit = opened(0.0)
    before = circuit.admit(3.0)
    circuit.wake(3.0)
    stamp, event = circuit.admit(3.0)
    circuit.wake(3.0)
    others = [in_state(state) for state in State if state is not State.OPEN]
    for other in others:
        other.wake(3.0)

    assert ((None, None), CircuitHalfOpened) == (before, event)
    assert (None, None) == circuit.admit(3.1)
    assert CircuitClosed is circuit.settle(stamp, True, 4.0)
    assert [state for state in State if state is not State.OPEN] == [other.state for other in others]


def test_who_comes_while_it_is_found_out_is_told_no_time():
    """While one call finds out whether the target is back, which may be over at once, others are told no rest."""
    resting, probing = opened(), half_open()[0]

    assert (10.0, None) == (refusal("x", resting, 10.0).retry_after, refusal("x", probing, 10.0).retry_after)
    assert "half-open" in str(refusal("x", probing, 10.0))


def test_listeners_hear_what_is_done_by_hand():
    """Once each, and only what changed something."""
    node, heard = ub.FractalNode("target", lambda: 1), []
    node.on(ub.events.Event, lambda event: heard.append((type(event), getattr(event, "rest", None))))
    for switch in ("reset", "force_open", "force_open", "disable", "reset", "force_open"):
        getattr(node.breaker, switch)()

    opened = (CircuitOpened, math.inf)
    assert [opened, (CircuitClosed, None), (CircuitClosed, None), opened] == heard
