"""A circuit that takes new settings goes on where it stands."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unbreakable.policies import Circuit, CircuitBreaker, State

LEARNED = CircuitBreaker(8, rest=0.5, most_rest=30.0, learned=True)


def cold(failures):
    """Return a cold circuit after so many failures, a tenth of a second apart."""
    circuit = Circuit(CircuitBreaker())
    for number in range(failures):
        circuit.settle(circuit.generation, False, number / 10)
    return circuit


def test_failures_that_were_counted_still_count():
    """Four, and four more."""
    circuit = cold(4)
    circuit.adopt(LEARNED)
    states = []
    for number in range(4):
        circuit.settle(circuit.generation, False, 0.4 + number / 10)
        states.append(circuit.state)

    assert [*[State.CLOSED] * 3, State.OPEN] == states
    assert 0.7 + 0.5 == circuit.until


def test_a_rest_under_way_gets_shorter_and_never_longer():
    """Whoever waits for thirty seconds need not, once it is known that half a second is enough."""
    circuit = cold(5)
    circuit.adopt(LEARNED)
    shortened, rested = circuit.until, circuit.rested
    circuit.adopt(CircuitBreaker())

    assert pytest.approx(0.4 + 0.5) == shortened == circuit.until
    assert (State.OPEN, 0.5, 0.5) == (circuit.state, rested, circuit.rested)


def test_who_waits_for_the_rest_is_told_that_it_got_shorter():
    """Else the first in line would look when the old one is over."""
    circuit, told = cold(5), []
    waiter = SimpleNamespace(alive=lambda: True, wake=lambda: told.append(circuit.until))
    circuit.line.join(SimpleNamespace(waiter=lambda: waiter))
    circuit.adopt(LEARNED)

    assert [circuit.until] == told


@pytest.mark.parametrize(("failures", "alert"), [(0, False), (1, True), (3, True), (5, True)])
def test_a_success_is_taken_in_where_it_changes_something(failures, alert):
    """It ends the row that was counted, and proves that the target is back."""
    circuit = cold(failures)
    circuit.adopt(LEARNED)

    assert alert is circuit.alert


@pytest.mark.parametrize("switch", ["force_open", "disable"])
def test_what_was_switched_by_hand_stays_so(switch):
    """Nothing that is learned is known better than that."""
    circuit = cold(0)
    getattr(circuit, switch)()
    before = circuit.state, circuit.until, circuit.generation
    circuit.adopt(LEARNED)

    assert before == (circuit.state, circuit.until, circuit.generation)


def test_a_probe_that_is_out_is_still_the_probe():
    """Its verdict counts, by the new terms."""
    circuit = cold(5)
    stamp, _ = circuit.admit(31.0)
    circuit.adopt(LEARNED)
    circuit.settle(stamp, False, 31.1)

    assert State.OPEN is circuit.state
    assert 1.0 == circuit.rested


def test_successes_are_watched_from_then_on_if_that_is_what_it_says():
    """Slow answers count once somebody says so, and no longer when nobody does."""
    circuit = cold(0)
    circuit.adopt(CircuitBreaker(1, slow=2.0))
    watched = circuit.alert
    circuit.adopt(CircuitBreaker(1))

    assert (True, False) == (watched, circuit.alert)
    circuit.settle(circuit.generation, True, 5.0, elapsed=3.0)
    assert circuit.is_closed


def test_recent_attempts_are_kept_where_the_window_is_the_same():
    """Eight of ten failed: with another share that is too many at the next one."""
    circuit = Circuit(CircuitBreaker(ratio=0.95))
    for number in range(10):
        circuit.settle(0, number < 2, number / 10)
    circuit.adopt(CircuitBreaker(ratio=0.5))
    circuit.settle(0, False, 1.1)

    assert State.OPEN is circuit.state


def test_a_share_is_counted_from_then_on_if_that_is_what_it_says():
    """There were no recent attempts before, since nobody asked for a share of them."""
    circuit = cold(0)
    circuit.adopt(CircuitBreaker(ratio=0.5, minimum=2))
    circuit.settle(0, False, 1.0)
    circuit.settle(0, False, 1.1)

    assert State.OPEN is circuit.state


@pytest.mark.parametrize(
    ("failures", "every", "learned", "state"),
    [
        (5, 1.25, True, State.OPEN),
        (5, 1.2, True, State.CLOSED),
        (5, 1.25, False, State.CLOSED),
        (4, 3_600.0, True, State.CLOSED),
    ],
)
def test_five_failures_that_last_are_an_outage_to_a_learned_one(failures, every, learned, state):
    """However many it would bear in a moment; four of a target that is asked once an hour are none."""
    circuit = Circuit(CircuitBreaker(50, learned=learned))
    for number in range(failures):
        circuit.settle(0, False, 100.0 + every * number)

    assert state is circuit.state


def test_attempts_that_hang_last_from_their_begin():
    """Five that were cut after thirty seconds, all at once, need not be followed by five more."""
    circuit = Circuit(CircuitBreaker(50, learned=True))
    for _ in range(5):
        circuit.settle(0, False, 100.0, elapsed=30.0)

    assert State.OPEN is circuit.state


def test_a_success_in_between_begins_the_row_anew():
    """It lasts from the first failure after it."""
    circuit = Circuit(CircuitBreaker(50, learned=True))
    for number in range(10):
        circuit.settle(0, number == 4, 1.2 * number)

    assert circuit.is_closed


@pytest.mark.parametrize("out", [0, 1])
def test_fewer_permits_while_it_looks_leave_one_that_decides(out):
    """One of three had succeeded when one became enough: another one is let through, or that which is out decides."""
    circuit = Circuit(CircuitBreaker(1, permits=3))
    circuit.settle(circuit.generation, False, 0.0)
    permits = [circuit.admit(40.0)[0] for _ in range(1 + out)]
    circuit.settle(permits[0], True, 41.0)
    circuit.adopt(CircuitBreaker(1, permits=1))
    if not out:
        permits = [circuit.admit(42.0)[0]]
    circuit.settle(permits[-1], True, 43.0)

    assert "closed" == circuit.state.value


@pytest.mark.parametrize(("succeeded", "let_through", "then"), [(0, 2, State.HALF_OPEN), (1, 1, State.CLOSED)])
def test_what_was_proven_stays_where_fewer_permits_are_enough(succeeded, let_through, then):
    """Nothing of three was, or one: of two it takes two more, or one, and no other one is let through."""
    circuit = Circuit(CircuitBreaker(1, permits=3))
    circuit.settle(circuit.generation, False, 0.0)
    circuit.admit(40.0)
    circuit.settle(circuit.generation, True if succeeded else None, 41.0)
    circuit.adopt(CircuitBreaker(1, permits=2))
    stamps = [circuit.admit(42.0)[0] for _ in range(4)]
    circuit.settle(circuit.generation, True, 43.0)

    assert (let_through, then) == (4 - stamps.count(None), circuit.state)
