"""The next process is told which attempt it is asked in, and how long the answer is waited for."""

from __future__ import annotations

import httpx2
import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError

QUICK = ub.Retry(3, backoff=ub.Backoff(0.0), throttled=ub.Backoff(0.0))


def carried(partner):
    """Return what the partner was told, request by request."""
    return [
        (each.headers.get("unbreakable-attempt"), each.headers.get("unbreakable-deadline")) for each in partner.asked
    ]


def through_a_transport(partner, *, carry=True, headers=(), **options):
    """Return a function that asks the partner through a client of its own, which is closed with the test."""
    transport = ub.AdaptiveTransport(httpx2.HTTPTransport(), carry=carry, retry=QUICK, **options)
    with httpx2.Client(transport=transport) as client:
        return client.get(partner.url, headers={"X-Mine": "1", **dict(headers)})


async def test_each_attempt_says_which_it_is(partner, ask):
    """The first says 1, a repeat says so, and both say how long they are waited for."""
    partner.answers(partner.reply(500), partner.reply(500), partner.reply(200))
    async with ub.APINode(partner.url, deadline=9.0, retry=QUICK) as api:
        await ask(api)

    attempts, deadlines = zip(*carried(partner), strict=True)
    assert ("1", "2;layers=1", "3;layers=1") == attempts
    assert all(8.0 < float(each) <= 9.0 for each in deadlines)


def test_a_transport_says_the_same(partner):
    """So does any client whose transport was wrapped; its own headers are kept."""
    partner.answers(partner.reply(500), partner.reply(200))
    through_a_transport(partner, deadline=9.0)

    assert ["1", "2;layers=1"] == [attempt for attempt, _ in carried(partner)]
    assert all(8.0 < float(deadline) <= 9.0 for _, deadline in carried(partner))
    assert ["1", "1"] == [each.headers["x-mine"] for each in partner.asked]


def test_who_wants_to_keep_it_to_himself_can(partner):
    """Without carry nothing is said."""
    partner.answers(partner.reply(200), partner.reply(200))
    api = ub.APINode(partner.url, carry=False)
    api.make_request_sync()
    api.aclose_sync()
    through_a_transport(partner, carry=False)

    assert [(None, None)] * 2 == carried(partner)


def test_what_a_caller_says_himself_is_left_as_it_is(partner):
    """A header of the same name is the user's."""
    partner.answers(*[partner.reply(200)] * 3)
    api = ub.APINode(partner.url, headers={"unbreakable-attempt": "7"})
    api.make_request_sync()
    api.make_request_sync(headers={"UNBREAKABLE-ATTEMPT": "8"})
    api.aclose_sync()
    through_a_transport(partner, headers={"unbreakable-Attempt": "9"})

    assert ["7", "8", "9"] == [attempt for attempt, _ in carried(partner)]


def test_a_service_in_the_middle_passes_on_what_it_was_told(partner):
    """The time that its own caller has left, and the layers that repeat before it and in it."""
    partner.answers(partner.reply(500), partner.reply(200))
    api = ub.APINode(partner.url, retry=QUICK)
    with ub.incoming({"Unbreakable-Attempt": "2;layers=1", "Unbreakable-Deadline": "4"}):
        api.make_request_sync()
    api.aclose_sync()

    assert ["1;layers=1", "2;layers=2"] == [attempt for attempt, _ in carried(partner)]
    assert all(3.0 < float(deadline) <= 4.0 for _, deadline in carried(partner))


@pytest.mark.parametrize(
    "make", [lambda: ub.APINode("http://x", carry=1), lambda: ub.AdaptiveTransport(httpx2.HTTPTransport(), carry=None)]
)
def test_a_switch_is_true_or_false(make):
    """Anything else is a mistake."""
    with pytest.raises(ConfigurationError, match="carry must be True or False"):
        make()
