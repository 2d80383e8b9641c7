"""A node that is closed while it is asking: what is in flight comes to its end, and at once."""

from __future__ import annotations

import threading

import httpx2
import pytest

import unbreakable as ub
from unbreakable.nodes import APINode

pytestmark = pytest.mark.real


class Asked:
    """One request of a thread, and how it ended."""

    def __init__(self, api: APINode, **options) -> None:
        self.outcome = None
        self.thread = threading.Thread(target=self._ask, args=(api, options), daemon=True)
        self.thread.start()

    def _ask(self, api, options):
        self.outcome = api.make_request_sync.outcome(**options)

    def ended(self):
        """Return how it ended, within five seconds."""
        self.thread.join(60)
        return self.outcome


TRANSPORTS = {"ours": lambda: None, "made": lambda: httpx2.HTTPTransport, "given": httpx2.HTTPTransport}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_request_in_flight_comes_to_its_end(slow, transport, method):
    """It gets its answer, at the first attempt, while others open and close sockets beside it."""
    api = APINode(slow.url, method=method, transport=TRANSPORTS[transport]())
    first = Asked(api, path="slow")
    slow.wait_until(lambda: len(slow.asked) == 1)
    api.aclose_sync()
    assert {"target": "/next"} == api.make_request_sync(path="next")
    api.aclose_sync()

    outcome = first.ended()
    assert ({"target": "/slow"}, 1) == (outcome.value, outcome.attempts)
    slow.wait_until(lambda: slow.open == 0)


def test_idle_connections_are_closed_at_once(partner):
    """Nobody waits for anything."""
    with APINode(partner.url) as api:
        api.make_request_sync()
        assert 1 == partner.open

    partner.wait_until(lambda: partner.open == 0)


def test_the_last_of_several_in_flight_closes_the_connections(slow):
    """Each of them gets its answer first."""
    api = APINode(slow.url)
    several = [Asked(api, path=f"slow/{number}") for number in range(5)]
    slow.wait_until(lambda: len(slow.asked) == 5)
    api.aclose_sync()

    assert [{"target": f"/slow/{number}"} for number in range(5)] == [each.ended().value for each in several]
    slow.wait_until(lambda: slow.open == 0)


def test_a_request_that_was_left_behind_at_a_time_limit_is_not_disturbed(slow):
    """Its thread still reads when the node is closed: nothing that it reads from may be taken from under it."""
    api = APINode(slow.url, timeout=ub.Timeout(0.1), retry=False)
    outcome = api.make_request_sync.outcome(path="slow")
    api.aclose_sync()

    assert isinstance(outcome.error, ub.errors.AttemptTimeout)
    slow.wait_until(lambda: slow.open == 0)
