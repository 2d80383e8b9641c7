"""Which calls are lost, so that a model that predicts successes is judged by them: a no is an answer, and none."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.fractal.batch import drain
from unbreakable.testing import virtual_time


class Says(Exception):
    """Hold the status of an answer."""

    def __init__(self, status):
        super().__init__(status)
        self.http_status = status


class Declined(Exception):
    """Say what ``Retry.on`` leaves out."""


ONLY_RESETS = ub.Retry(2, on=OSError)


@pytest.mark.parametrize("fallback", [None, lambda failure: "none"], ids=["failed", "answered for"])
@pytest.mark.parametrize(
    ("errors", "retry", "lost"),
    [
        ([Says(404)], None, 0),
        ([Says(401)], False, 0),
        ([ConnectionResetError(), Says(404)], None, 0),
        ([Declined()], ONLY_RESETS, 0),
        ([Says(503)], ONLY_RESETS, 1),
        ([ConnectionResetError()] * 2, ONLY_RESETS, 1),
        ([Declined()], False, 1),
    ],
    ids=["no", "not repeated", "reset, then no", "left out", "full", "down", "unknown"],
)
def test_a_call_is_lost_by_what_speaks_against_its_target(errors, retry, lost, fallback):
    """So one that is answered by a no, which is as good as any, is not."""
    left = list(errors)

    @ub.protect("partner", effects="none", retry=retry, fallback=fallback)
    def ask():
        raise left.pop(0)

    with virtual_time():
        ask.outcome()

    assert ([], lost) == (left, drain(ask.node.target).lost)


@pytest.mark.parametrize(
    ("error", "lost"), [(ConnectionResetError(), 1), (Says(404), 0), (Declined(), 0)], ids=["reset", "no", "left out"]
)
@pytest.mark.parametrize("items", [0, 1])
def test_a_generator_is_lost_by_the_same_before_its_first_item_and_after_it(items, error, lost):
    """One that breaks off when items were handed on is not repeated, and its call is lost as any other."""

    @ub.protect("partner", effects="none", retry=ONLY_RESETS)
    def rows():
        yield from range(items)
        raise error

    with virtual_time(), pytest.raises(type(error)):
        list(rows())

    batch = drain(rows.node.target)

    assert (lost, 1 - lost) == (batch.lost, batch.answered_calls)


def test_a_call_that_is_refused_is_none_of_them():
    """It was never made."""

    @ub.protect("partner", retry=False)
    def ask(): ...

    ask.node.breaker.force_open()
    ask.node.on(ub.events.Failed, lambda _: None)  # else it is turned away by arithmetic alone
    ask.outcome()

    assert (1, 0) == (ask.node.get_status().failure_count, drain(ask.node.target).lost)
