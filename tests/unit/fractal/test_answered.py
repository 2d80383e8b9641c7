"""Attempts that a target answered by a no are counted as such: they did not fail, and no good answer took so long."""

from __future__ import annotations

import random

import pytest

import unbreakable as ub
from unbreakable.errors import Kind, ValidationFailed
from unbreakable.fractal.batch import drain
from unbreakable.outcome import Failure
from unbreakable.simulation.model import Model
from unbreakable.stats import Traffic
from unbreakable.testing import virtual_time


class Says(Exception):
    """Carry the status of an answer."""

    def __init__(self, status: int) -> None:
        self.http_status = status


class Missing(Exception):
    """Say that there is no such item, as all of its type do."""

    http_status = 404


def watched(nos: float, bad: float, fails: float, *, calls: int = 6_000) -> Model:
    """Return the model of a target of which a share of calls ends in a *no*, and *fails* of those in *bad* times."""
    dice, target, traffic = random.Random(5), ub.protect("names", effects="none")(lambda: None).node.target, Traffic()
    no = Failure(Says(404), Kind.INVALID, attempt=1, elapsed=0.01)
    for number in range(calls):
        now = 0.2 * number
        if now % 40.0 < bad and dice.random() < fails:
            target.take_fault(now, 0.01)
        elif dice.random() < nos:
            target.take_no(no)
        else:
            target.ring.append(0.01)
        if number % 300 == 299:
            traffic.merge(drain(target).traffic(target, now))
    return Model(traffic)


def test_failures_at_any_time_are_no_spells_where_nos_come_between():
    """Of the few good answers far more come long after a failure than soon after it; nos come at any time."""
    model = watched(0.95, 40.0, 0.05)

    assert 0.0 == model.trouble.share
    assert 0.05 == pytest.approx(model.fails, abs=0.015)


def test_spells_are_as_long_and_as_bad_whatever_comes_between_them():
    """For two seconds of forty most attempts fail; what is answered then is mostly a no, or mostly not."""
    without, half, mostly = (watched(nos, 2.0, 0.7) for nos in (0.0, 0.5, 0.9))

    assert 0.0 < without.trouble.share
    assert without.trouble == half.trouble == mostly.trouble
    assert without.fails == half.fails == mostly.fails


@pytest.mark.parametrize(
    ("errors", "options", "counted", "repeats"),
    [
        ([Says(404)], {}, (1, 0, 1), []),
        ([ConnectionResetError(), Says(404)], {}, (0, 1, 1), [False]),
        ([ConnectionResetError()] * 3, {}, (0, 0, 0), [True, True]),
        ([Missing(), None], {"retry": ub.Retry(on=Missing, attempts=2)}, (1, 0, 0), [False]),
        ([ValidationFailed("no number")], {}, (0, 0, 0), []),
        ([Says(503)] * 3, {}, (0, 0, 0), [True, True]),
    ],
    ids=["no", "reset, then no", "down", "repeated since named", "never asked", "full"],
)
@pytest.mark.parametrize("fallback", [None, lambda failure: "none"], ids=["failed", "answered for"])
def test_attempts_and_calls_are_counted(errors, options, counted, repeats, fallback):
    """First attempts, others, and calls that ended so; a repeat that is answered by a no did not fail."""
    left = list(errors)

    @ub.protect("partner", effects="none", fallback=fallback, **options)
    def ask():
        error = left.pop(0)
        if error is not None:
            raise error

    with virtual_time():
        ask.outcome()
    batch = drain(ask.node.target)

    assert [] == left
    assert counted == (batch.answered, batch.answered_later, batch.answered_calls)
    assert repeats == [failed for _, failed in batch.repeats]
    assert (0, 0, 0) == drain(ask.node.target)[-3:]  # they are learned from once
