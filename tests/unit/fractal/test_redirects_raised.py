"""An answer of 3xx that a client raises, since nobody followed it, is one: the target is there, and has done its part.

httpx raises a redirect in ``raise_for_status()``; urllib raises a 304, and a 307 to what was posted.
"""

from __future__ import annotations

import pytest
from tests.unit.fractal.answers import Answer, Ours

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.testing import virtual_time

REDIRECTS = (300, 301, 302, 303, 304, 307, 308, 399)


def answering(status, **options):
    """Return a protected function that is answered so, and what it has sent."""
    sent = []

    @ub.protect("shop", **options)
    def order():
        sent.append("order")
        raise Answer(status)

    return order, sent


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_told_as_an_answer(status):
    """It is one also where it asks to wait, or is handed on as an error of the program's own."""
    ours = Ours("wrapped")
    ours.__cause__ = Answer(status)

    answers = Answer(status), Answer(status, **{"Retry-After": "3"}), ours

    assert [Kind.INVALID] * 3 == [classify(each) for each in answers]


@pytest.mark.parametrize("status", [202, 500, 501, 599])
def test_what_is_no_redirect_passes_by_itself_as_before(status):
    """An answer of 2xx is raised where it is not what was asked for yet."""
    assert Kind.TRANSIENT is classify(Answer(status))


@pytest.mark.parametrize("effects", ["none", "idempotent", "unknown", "once"])
def test_what_was_answered_by_a_redirect_is_sent_once(effects):
    """A form that is posted is answered by 303 when the order is taken: three attempts were three orders."""
    with virtual_time():
        order, sent = answering(303, effects=effects)
        outcome = order.outcome()

    assert (ub.Status.FAILED, 1, ["order"]) == (outcome.status, outcome.attempts, sent)


def test_a_feed_that_has_not_changed_opens_no_circuit():
    """A poller is told 304 nearly always, and needs to be told when that changes."""
    with virtual_time():
        poll, sent = answering(304, effects="none")
        for _ in range(100):
            poll.outcome()

    assert (100, "closed") == (len(sent), poll.node.breaker.state.value)
