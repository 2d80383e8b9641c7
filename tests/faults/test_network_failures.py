"""What a client library raises when the network fails is taken for what it is: not sent, or sent and in doubt."""

from __future__ import annotations

import socket
import struct
import threading
import urllib.request

import httpx2
import pytest

import unbreakable as ub
from unbreakable.nodes.streaming.verdict import Limits, Verdict, judge

pytestmark = pytest.mark.real

SOON = ub.Retry(3, backoff=ub.Backoff(first=0.001))
UNSENT, DOUBTED = ("refused", "lookup"), ("hang", "close", "reset")


class Shop:
    """A server that charges for what it is asked, and then falls silent, hangs up or resets the connection."""

    def __init__(self) -> None:
        self.charges, self.held, self.ending = 0, [], "hang"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
                connection.recv(65_536)
            except OSError:
                return
            self.charges += 1
            if self.ending == "hang":
                self.held.append(connection)
                continue
            if self.ending == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.held:
            connection.close()
        self.thread.join(60)


@pytest.fixture
def shop():
    shop = Shop()
    yield shop
    shop.close()


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def url(shop, ending, monkeypatch):
    shop.ending = ending
    if ending == "lookup":

        def knows_nobody(*args, **kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", knows_nobody)
        return "http://nobody.test:80/"
    port = unused_port() if ending == "refused" else shop.listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


async def by_httpx2(url):
    async with httpx2.AsyncClient(timeout=0.3) as client:
        (await client.post(url, json={})).raise_for_status()


def by_plain_httpx2(url):
    with httpx2.Client(timeout=0.3) as client:
        client.post(url, json={}).raise_for_status()


def by_urllib(url):
    with urllib.request.urlopen(url, b"{}", timeout=0.3):  # noqa: S310 - of a server of this test
        pass


every_client = pytest.mark.parametrize("post", [by_httpx2, by_plain_httpx2, by_urllib])
every_ending = pytest.mark.parametrize("ending", [*UNSENT, *DOUBTED])


@every_client
@every_ending
async def test_a_payment_of_which_nobody_knows_is_not_taken_for_one_that_failed(shop, ending, url, post):
    """A pivot that never left turns the run back, and one whose answer did not come needs a person."""
    released = []
    steps = [
        ub.Step("hotel", lambda: "room 4", compensate=lambda: released.append(1), kind="compensatable"),
        ub.Step("pay", lambda: post(url), kind="pivot"),
    ]
    async with ub.OrchestratorNode(effects="once", retry=SOON) as orchestrator:
        run = await orchestrator.orchestrate(steps)

    back, doubted = ("compensated", "not_begun", 1, 0), ("needs_attention", "uncertain", 0, 1)
    expected = back if ending in UNSENT else doubted
    assert expected == (run.status, run.ledger["pay"], len(released), shop.charges)


@every_client
@every_ending
async def test_what_must_not_happen_twice_is_repeated_when_it_never_left(shop, ending, url, post):
    """A refused connection and a name that means no host are told from a request that may have arrived."""
    node = ub.FractalNode("pay", effects="once", retry=SOON, breaker=False)
    outcome = await node.execute(lambda: post(url))

    assert ((3, 0) if ending in UNSENT else (1, 1)) == (outcome.attempts, shop.charges)


@every_client
@every_ending
async def test_an_outage_is_not_the_items_fault(ending, url, post):
    """Whatever way its target fails, an item is delivered again as long as patience lasts."""
    outcome = await ub.FractalNode("post", retry=False).execute(lambda: post(url))
    limits = Limits(deliveries=3, patience=900.0)
    facts = {"was_called": True, "effects": "idempotent", "items": 1, "failed": 99, "since": 899.0}

    assert Verdict.AGAIN is judge(outcome.error, **facts, limits=limits)
