"""What a circuit counts and what it does not, one verdict at a time."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from tests.unit.policies.test_circuit import half_open, opened

from unbreakable.events import CircuitClosed, CircuitOpened
from unbreakable.policies import Circuit, CircuitBreaker, Slow, State
from unbreakable.policies.circuit import as_part


def ramping(**settings):
    """Return a circuit that has begun to close by steps at second 10, and its stamp."""
    circuit = Circuit(CircuitBreaker(3, rest=10.0, ramp=8.0, **settings))
    for _ in range(3):
        circuit.settle(0, False, 0.0)
    circuit.settle(circuit.admit(10.0)[0], True, 10.0)
    assert State.RAMPING is circuit.state
    return circuit, circuit.generation


def test_a_new_circuit_is_closed_and_has_never_been_anything_else():
    """What others read of it says so."""
    new = Circuit(CircuitBreaker())

    assert (State.CLOSED, 0, 0, False, True) == (new.state, new.stamp, new.generation, new.shut, new.counts)
    assert (0.0, 0, -math.inf, -math.inf) == (new.until, new.in_vain, new.latest, new.probing_since)
    assert (None, 0) == (new.ramp, len(new.line))


def test_a_circuit_is_closed_while_every_attempt_goes_through():
    """Not while it rests, or one of them finds out, or some go through."""
    circuits = [Circuit(CircuitBreaker()), opened(), half_open()[0], ramping()[0]]

    assert [True, False, False, False] == [circuit.is_closed for circuit in circuits]


def test_looks_in_vain_are_counted_until_it_closes():
    """The failure that opened it was no look."""
    circuit = Circuit(CircuitBreaker(1, rest=10.0))
    counts = [circuit.in_vain]
    circuit.settle(0, False, 0.0)
    for moment in (10.0, 20.0, 30.0):
        counts.append(circuit.in_vain)
        stamp, _ = circuit.admit(moment)
        circuit.settle(stamp, moment == 30.0, moment)

    assert ([0, 0, 1, 2], 0) == (counts, circuit.in_vain)


def test_a_late_success_does_not_make_a_rest_longer():
    """It says how long answers take, which matters only while a permit is out."""
    circuit = opened(rest=10.0)
    circuit.settle(0, True, 5.0, 50.0)

    assert 10.0 == circuit.until


@pytest.mark.parametrize(
    ("before", "elapsed", "until"), [(False, 10.0, 30.0), (False, 10.5, 46.0), (True, 1_200.0, 30.0)]
)
def test_a_late_success_that_took_longer_than_a_permit_is_given_has_it_waited_for(before, elapsed, until):
    """Twice as long as that took, from now on; not one that took no longer, or began before it was looked at all."""
    circuit, stamp = half_open(now=10.0)
    circuit.admit(20.0)
    circuit.settle(0 if before else stamp, True, 25.0, elapsed)

    assert until == circuit.until


def test_permits_that_do_not_come_back_are_given_out_once_a_rest():
    """And not again at once."""
    circuit, _ = half_open(now=10.0)
    stamps = [circuit.admit(moment)[0] is not None for moment in (19.9, 20.0, 20.1, 29.9, 30.0)]

    assert [False, True, False, False, True] == stamps


def test_what_says_nothing_is_not_too_slow():
    """A verdict of None is none, however long it took."""
    circuit = Circuit(CircuitBreaker(1, slow=1.0))

    assert None is circuit.settle(0, None, 10.0, 5.0)
    assert State.CLOSED is circuit.state


def test_a_permit_that_comes_back_is_offered_to_whoever_waits():
    """Each of them looks."""
    woken = []
    waiter = SimpleNamespace(alive=lambda: True, wake=lambda: woken.append(1))
    circuit, stamp = half_open()
    circuit.line.join(SimpleNamespace(waiter=lambda: waiter))
    circuit.settle(stamp, None, 11.0)

    assert [1] == woken


@pytest.mark.parametrize(
    ("took", "event"),
    [
        ((2.0, 0.1), CircuitOpened),
        ((0.1, 2.0), CircuitOpened),
        ((0.1, 1.0), CircuitClosed),
        ((2.0, 2.0), CircuitOpened),
    ],
)
def test_permits_that_are_slow_count_by_their_share(took, event):
    """Half of them is as much as is borne."""
    circuit, stamp = half_open(permits=2, slow=Slow(1.0, ratio=0.5))
    circuit.admit(10.0)
    events = [circuit.settle(stamp, True, 12.0, seconds) for seconds in took]

    assert [None, event] == events
    assert circuit.until == (12.0 + circuit.settings.rest if event is CircuitOpened else circuit.until)


@pytest.mark.parametrize(("settings", "alert"), [({}, False), ({"ratio": 0.5}, True), ({"slow": 1.0}, False)])
def test_a_success_is_asked_for_only_where_it_may_change_something(settings, alert):
    """After failures in a row, or where shares are counted."""
    circuit = Circuit(CircuitBreaker(5, **settings))
    circuit.settle(0, False, 1.0)
    after_failure = circuit.alert
    circuit.settle(0, True, 2.0)

    assert after_failure is True
    assert circuit.alert is circuit.watches_successes
    assert alert is circuit.watches_successes or "slow" in settings


@pytest.mark.parametrize(("failed_at", "counted"), [(9.999, False), (9.9995, True), (10.0, True)])
def test_a_failure_that_began_before_a_success_is_no_news(failed_at, counted):
    """By a thousandth of a second, as clocks are read one after the other."""
    circuit = Circuit(CircuitBreaker(1))
    circuit.settle(0, True, 10.0)
    circuit.settle(0, False, failed_at)

    assert counted is (circuit.state is State.OPEN)


def test_a_success_that_began_early_makes_no_failure_news():
    """The latest beginning of all that succeeded is what counts."""
    circuit = Circuit(CircuitBreaker(1))
    circuit.settle(0, True, 11.0, 1.0)
    circuit.settle(0, True, 12.0, 7.0)
    circuit.settle(0, False, 12.0, 5.0)

    assert State.CLOSED is circuit.state


@pytest.mark.parametrize(("oks", "event"), [((True, True), None), ((False, False), CircuitOpened)])
def test_a_step_of_a_ramp_is_judged_by_its_share_of_failures(oks, event):
    """At its end: up where it went well, and from the first one back to a rest where it did not."""
    circuit, stamp = ramping()
    for ok in oks:
        assert None is circuit.settle(stamp, ok, 10.5)

    assert event is circuit.admit(circuit.until)[1]
    assert circuit.state is (State.RAMPING if event is None else State.OPEN)


@pytest.mark.parametrize(("elapsed", "event"), [(0.5, None), (2.0, CircuitOpened)])
def test_a_step_of_a_ramp_is_judged_by_its_share_of_slow_attempts_too(elapsed, event):
    """What succeeds slowly is no proof."""
    circuit, stamp = ramping(slow=Slow(1.0, ratio=0.5))
    circuit.settle(stamp, True, 10.5, elapsed)

    assert event is circuit.admit(circuit.until)[1]


def test_rests_with_a_jitter_fall_evenly_from_where_the_first_one_does():
    """The k-th lies k times the golden ratio further on, so no two of them are near each other."""
    circuit, now, rests = Circuit(CircuitBreaker(1, rest=10.0, jitter=0.5)), 0.0, []
    circuit.scatter(lambda: 0.25)
    circuit.settle(0, False, now)
    for _ in range(3):
        rests.append(circuit.rested)
        now = circuit.until
        circuit.settle(circuit.admit(now)[0], False, now)

    places = [0.25, (0.25 + 0.6180339887) % 1.0, (0.25 + 2 * 0.6180339887) % 1.0]
    assert [pytest.approx(10.0 * (1.0 + 0.5 * place)) for place in places] == rests


def test_a_state_is_told_in_words():
    """They are what a status shows, and what others compare it with."""
    circuits = [Circuit(CircuitBreaker()), opened(), half_open()[0], ramping()[0], opened(), opened()]
    circuits[-2].force_open()
    circuits[-1].disable()

    words = ["closed", "open", "half-open", "ramping", "forced open", "disabled"]
    assert words == [str(circuit.state) for circuit in circuits] == [str(state) for state in State]


def test_a_success_whose_time_nobody_says_is_not_slow():
    """Nor did it begin before it ended."""
    circuit = Circuit(CircuitBreaker(1, slow=0.5))
    circuit.settle(0, True, 7.0)

    assert (State.CLOSED, 7.0) == (circuit.state, circuit.latest)


@pytest.mark.parametrize("ramp", [0.0, 8.0])
def test_who_waits_is_called_when_attempts_go_through_again(ramp):
    """When the rest is ended, when all do, or the first of a ramp; and to hear of a new rest when it opens again."""
    circuit, called = opened(rest=10.0, ramp=ramp), []
    circuit.line.call_all = lambda: called.append(circuit.state)
    circuit.wake(3.0)
    stamp, _ = circuit.admit(3.0)
    circuit.settle(stamp, False, 3.0)
    stamp, _ = circuit.admit(circuit.until)
    circuit.settle(stamp, True, 30.0)

    assert [State.OPEN, State.OPEN, State.RAMPING if ramp else State.CLOSED] == called


def test_since_when_it_is_looked_whether_the_target_is_back_is_known():
    """Only while it is."""
    circuit = opened(rest=10.0)
    since = [circuit.probing_since]
    stamp, _ = circuit.admit(12.0)
    since.append(circuit.probing_since)
    circuit.settle(stamp, True, 13.0)

    assert [-math.inf, 12.0, -math.inf] == [*since, circuit.probing_since]


@pytest.mark.parametrize("deed", ["reset", "disable"])
def test_by_hand_it_forgets_how_long_it_has_rested(deed):
    """The next failure begins with the first rest, at the moment that it happens."""
    circuit = Circuit(CircuitBreaker(1, rest=10.0, most_rest=80.0))
    circuit.settle(circuit.generation, False, 0.0)
    for moment in (10.0, 30.0):
        circuit.settle(circuit.admit(moment)[0], False, moment)
    rests = circuit.rests
    getattr(circuit, deed)()
    circuit.reset()
    circuit.settle(circuit.generation, False, 31.0)

    assert (3, 1, 41.0) == (rests, circuit.rests, circuit.until)


@pytest.mark.parametrize(
    ("settings", "calm"), [({}, False), ({"ratio": 0.5, "minimum": 1}, True), ({"slow": 1.0}, True)]
)
def test_every_success_is_asked_for_until_it_has_closed_again(settings, calm):
    """While it rests, or finds out, one that comes late may matter; a circuit that is closed, or off, is as before."""
    circuit, told = Circuit(CircuitBreaker(1, rest=10.0, **settings)), []
    circuit.settle(0, False, 0.0)
    told.append(circuit.alert)
    stamp, _ = circuit.admit(10.0)
    told.append(circuit.alert)
    circuit.settle(stamp, True, 10.0)
    told.append(circuit.alert)
    circuit.settle(circuit.stamp, False, 30.0)
    circuit.disable()

    assert ([True, True, calm], calm) == (told, circuit.alert)


@pytest.mark.parametrize(("elapsed", "event"), [(1.0, None), (1.1, CircuitOpened)])
def test_slow_attempts_of_the_last_seconds_open_it_where_no_failure_does(elapsed, event):
    """By their share alone."""
    circuit = Circuit(CircuitBreaker(slow=Slow(1.0, ratio=0.5), minimum=2))

    assert [None, event] == [circuit.settle(0, True, moment, elapsed) for moment in (10.0, 11.0)]


@pytest.mark.parametrize("ramp", [0.0, 8.0])
def test_what_opened_it_is_not_counted_again_when_it_has_closed(ramp):
    """What was counted on the way back is."""
    circuit = Circuit(CircuitBreaker(ratio=0.5, minimum=4, rest=1.0, window=100.0, ramp=ramp))
    for _ in range(4):
        circuit.settle(0, False, 0.0)
    circuit.settle(circuit.admit(1.0)[0], True, 1.0)
    for _ in range(2):
        circuit.settle(circuit.generation, True, 2.0)
    circuit.admit(20.0)

    assert [State.CLOSED, None, CircuitOpened] == [
        circuit.state,
        *(circuit.settle(circuit.stamp, False, 21.0) for _ in range(2)),
    ]


def test_the_end_of_each_step_of_a_ramp_is_known():
    """Whoever waits looks again then."""
    circuit, _ = ramping()
    ends = [circuit.until]
    for _ in range(3):
        circuit.go_on(circuit.until)
        ends.append(circuit.until)

    assert [12.0, 14.0, 16.0, 18.0] == ends


@pytest.mark.parametrize(
    ("started", "deadline", "has_time"),
    [
        (0.0, 13.0, False),
        (0.0, 13.1, True),
        (8.0, 12.1, True),
        (7.0, 12.9, False),
        (7.0, 13.1, True),
        (0.0, 10.0, False),
    ],
)
def test_a_probe_without_a_verdict_is_followed_by_one_with_twice_the_time(started, deadline, has_time):
    """Or by one that has half of its time left, whatever that is; in a circuit that is closed everybody has enough."""
    circuit = opened(rest=10.0)
    stamp, _ = circuit.admit(10.0)
    circuit.settle(stamp, None, 10.0, 1.0)
    circuit.settle(circuit.admit(10.0)[0], None, 10.0, 1.5)
    circuit.settle(circuit.admit(10.0)[0], None, 10.0, 0.5)
    told = circuit.has_time(10.0, started, deadline)
    circuit.settle(circuit.admit(10.0)[0], True, 10.0)

    assert (has_time, True) == (told, circuit.has_time(10.0, 0.0, 10.0))


def test_what_a_probe_needs_is_forgotten_when_the_circuit_opens_again():
    """The next look finds out by itself."""
    circuit = opened(rest=10.0)
    circuit.settle(circuit.admit(10.0)[0], None, 10.0, 1.0)
    circuit.settle(circuit.admit(10.0)[0], False, 10.0)
    circuit.admit(20.0)

    assert circuit.has_time(20.0, 0.0, 20.1)
    assert not circuit.has_time(20.0, 0.0, 20.0)


def test_when_the_first_attempt_began_that_succeeded_after_failures_is_remembered():
    """Neither a success among others nor a failure changes that."""
    circuit, seen = Circuit(CircuitBreaker(5)), []
    attempts = ((True, 1.0, 0.5), (False, 5.0, 1.0), (True, 10.0, 2.0), (True, 12.0, 1.0), (False, 13.0, 0.5))
    for ok, now, elapsed in attempts:
        circuit.settle(circuit.generation, ok, now, elapsed)
        seen.append(circuit.relieved)

    assert [-math.inf, -math.inf, 8.0, 8.0, 8.0] == seen


@pytest.mark.parametrize(("ok", "run"), [(False, 1), (True, 0), (None, 0)])
def test_who_was_let_through_as_a_part_counts_by_itself_while_all_calls_do(ok, run):
    """Not while somebody finds out: that one's own verdict tells of its parts, too."""
    closed, (probed, stamp) = Circuit(CircuitBreaker(5)), half_open(now=10.0)
    closed.settle(as_part(closed.generation), ok, 1.0)
    before = probed.state, probed.probes
    probed.settle(as_part(stamp), ok, 11.0)

    assert run == closed.run
    assert before == (probed.state, probed.probes)
