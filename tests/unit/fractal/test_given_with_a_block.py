"""The functions that a block is given are those of the call at hand."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


class Client:
    """A client of one tenant, whose token has expired."""

    def __init__(self, name):
        self.name, self.token, self.refreshed = name, "expired", 0

    def refresh(self, failure):
        """Fetch a new token."""
        self.refreshed += 1
        self.token = "fresh"

    def get(self):
        """Ask for this tenant's data."""
        for attempt in ub.attempts("client", effects="idempotent", remedies=[(PermissionError, self.refresh)]):
            with attempt:
                if self.token == "expired":
                    raise PermissionError("401")
        return f"data of {self.name}"

    async def get_async(self):
        """Ask for it in async code, with a remedy made for the occasion."""
        renew = ub.remedies.refresh_credentials(self.refresh)
        async for attempt in ub.attempts("client", effects="idempotent", remedies=(renew,)):
            async with attempt:
                if self.token == "expired":
                    raise PermissionError("401")
        return f"data of {self.name}"


def pay(amount):
    """Pay once, and not too much."""
    for attempt in ub.attempts("pay", effects="once", validate=lambda: amount < 100):
        with attempt:
            pass
    return f"paid {amount}"


def test_validate_looks_at_the_call_at_hand():
    """What the first call was allowed says nothing of the second."""
    assert pay(5) == "paid 5"
    with pytest.raises(ub.errors.ValidationFailed):
        pay(5000)
    assert pay(6) == "paid 6"


def test_a_remedy_heals_the_client_that_calls():
    """The second tenant's refusal refreshes the second tenant, and no other."""
    with virtual_time():
        clients = [Client("A"), Client("B")]

        assert [each.get() for each in clients] == ["data of A", "data of B"]
        assert [each.refreshed for each in clients] == [1, 1]


async def test_a_remedy_heals_the_client_that_calls_in_async_code():
    """Calls that overlap heal each their own client."""
    clients = [Client("A"), Client("B")]

    assert await asyncio.gather(*(each.get_async() for each in clients)) == ["data of A", "data of B"]
    assert [each.refreshed for each in clients] == [1, 1]


async def test_calls_of_one_client_share_what_heals_it():
    """Of many calls that were refused at once one refreshes the token, for all of them."""
    client = Client("A")

    await asyncio.gather(*(client.get_async() for _ in range(5)))

    assert client.refreshed == 1


@pytest.mark.parametrize("fails", [True, False])
def test_nothing_of_a_call_is_kept(fails):
    """A client that nobody holds any more is let go of, whether or not it could be healed."""
    with virtual_time():
        client = Client("A")
        if fails:
            client.refresh = lambda failure, kept=client: None
            with pytest.raises(PermissionError):
                client.get()
        else:
            client.get()
    gone = weakref.ref(client)

    del client
    gc.collect()

    assert gone() is None


def test_key_tells_the_calls_apart():
    """A host that is down shuts the circuit of its own calls alone."""

    def fetch(host):
        for attempt in ub.attempts("fetch", key=lambda: host, retry=False):
            with attempt:
                if host == "bad":
                    raise ConnectionError(host)
        return host

    with virtual_time():
        for _ in range(5):
            with pytest.raises(ConnectionError):
                fetch("bad")
        with pytest.raises(ub.errors.CircuitOpen):
            fetch("bad")

        assert fetch("good") == "good"


def test_a_key_that_fails_refuses_the_call():
    """What the key raises is told."""
    with pytest.raises(ub.errors.ValidationFailed, match="no key: ZeroDivisionError"):
        for _ in ub.attempts("fetch", key=lambda: 1 / 0):
            pass


def test_each_set_of_settings_is_kept_to():
    """A place that is called with other policies makes as many attempts as these say."""

    def fetch(attempts):
        made = []
        for attempt in ub.attempts("fetch", retry=ub.Retry(attempts, backoff=ub.Backoff(0.0)), breaker=False):
            with attempt:
                made.append(attempt.number)
                if attempt.number < attempts:
                    raise ConnectionError("down")
        return made

    assert [len(fetch(attempts)) for attempts in (2, 4, 2)] == [2, 4, 2]


@pytest.mark.parametrize("option", ["validate", "key"])
def test_what_is_no_function_is_refused_at_every_call(option):
    """A second call's mistake is told, too."""

    def call(given):
        for attempt in ub.attempts("call", **{option: given}):
            with attempt:
                pass

    call(lambda: True)
    with pytest.raises(ub.errors.ConfigurationError, match=f"call: {option} must be a function"):
        call(3)
