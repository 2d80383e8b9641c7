"""What becomes of items whose delivery failed, rule by rule."""

from __future__ import annotations

import pytest

from unbreakable import errors
from unbreakable.nodes.streaming.verdict import Limits, Verdict, judge, pause, says_nothing_of_the_target

LIMITS = Limits(deliveries=3, patience=60.0)


class Odd(Exception):
    """Carry what its raiser knows."""

    def __init__(self, **facts):
        super().__init__()
        vars(self).update(facts)


DOWN, WRONG, PLAIN = ConnectionRefusedError(), Odd(kind=errors.Kind.INVALID), ValueError()
CUT, REFUSED = errors.AttemptTimeout(), errors.CircuitOpen()


def verdict(error, *, was_called=True, effects="idempotent", items=1, failed=1, since=0.0, **more):
    facts = {"was_called": was_called, "effects": effects, "items": items, "failed": failed, "since": since, **more}
    return judge(error, **facts, limits=LIMITS).name


@pytest.mark.parametrize(
    ("expected", "error", "facts"),
    [
        ("AGAIN", REFUSED, {"was_called": False, "failed": 99, "since": 1e6, "items": 9}),
        ("ASIDE", errors.ValidationFailed(), {"was_called": False}),
        ("HALF", errors.ValidationFailed(), {"was_called": False, "items": 2}),
        ("ASIDE", PLAIN, {"effects": "once"}),
        ("ASIDE", PLAIN, {"effects": "once", "items": 5}),
        ("AGAIN", DOWN, {"effects": "once"}),
        ("ASIDE", DOWN, {"effects": "once", "unrepeatable": True}),
        ("AGAIN", DOWN, {"effects": "unknown", "unrepeatable": True}),
        ("ASIDE", Odd(in_doubt=True), {"effects": "unknown"}),
        ("AGAIN", Odd(may_have_arrived=True), {"effects": "unknown"}),
        ("AGAIN", errors.NotSent(), {"effects": "once"}),
        ("AGAIN", Odd(refused=True), {"effects": "once"}),
        ("ASIDE", REFUSED, {"effects": "once"}),
        ("AGAIN", REFUSED, {"effects": "unknown"}),
        ("ASIDE", CUT, {"effects": "unknown"}),
        ("AGAIN", CUT, {"effects": "idempotent"}),
        ("AGAIN", CUT, {"effects": "none"}),
        ("HALF", PLAIN, {"items": 2}),
        ("HALF", PLAIN, {"items": 2, "failed": 9}),
        ("HALF", WRONG, {"items": 2}),
        ("AGAIN", DOWN, {"items": 2, "failed": 9}),
        ("HALF", DOWN, {"items": 2, "failed": 9, "since": 60.0}),
        ("ASIDE", WRONG, {}),
        ("AGAIN", PLAIN, {"failed": 2}),
        ("ASIDE", PLAIN, {"failed": 3}),
        ("AGAIN", DOWN, {"failed": 3, "since": 59.0}),
        ("AGAIN", DOWN, {"failed": 2, "since": 1e6}),
        ("ASIDE", DOWN, {"failed": 3, "since": 60.0}),
        ("AGAIN", OSError(), {"failed": 9, "since": 59.0}),
        ("AGAIN", TimeoutError(), {"failed": 9, "since": 59.0}),
        ("AGAIN", PermissionError(), {"failed": 9, "since": 59.0}),
        ("AGAIN", Odd(http_status=429), {"failed": 9, "since": 59.0}),
        ("AGAIN", Odd(http_status=503), {"failed": 9, "since": 59.0}),
        ("ASIDE", Odd(http_status=404), {}),
    ],
)
def test_the_table_is_kept(expected, error, facts):
    """First match wins."""
    assert expected == verdict(error, **facts)


def test_every_verdict_is_reached():
    """None is there for nothing."""
    assert {"ASIDE", "HALF", "AGAIN"} == {each.name for each in Verdict}


def test_pauses_grow_up_to_a_minute_and_keep_what_was_asked_for():
    """A target, or its circuit, may ask for more."""
    assert [0.2, 0.4, 0.8] == [pause(PLAIN, failed) for failed in (1, 2, 3)]
    assert 60.0 == pause(PLAIN, 50)
    assert 300.0 == pause(Odd(retry_after=300), 1)
    assert 86_400.0 == pause(Odd(retry_after=10**9), 1)


def test_the_fault_of_one_item_says_nothing_of_the_target():
    """So that it does not open the circuit."""
    assert [True, True, False, False] == [
        says_nothing_of_the_target(error) for error in (PLAIN, WRONG, DOWN, TimeoutError())
    ]
