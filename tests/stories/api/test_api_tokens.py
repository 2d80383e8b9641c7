"""Tokens expire: they are fetched again once, for everybody who waits, and the calls go on."""

from __future__ import annotations

import asyncio
import base64

import httpx2
import pytest

import unbreakable as ub
from unbreakable.nodes import APINode
from unbreakable.runtime import ASYNCIO

pytestmark = pytest.mark.real

SOON = ub.Retry(3, backoff=ub.Backoff(0.005))


class Mint:
    """Where tokens come from; the service takes the newest one only."""

    def __init__(self, partner, *, colour: str = "async", delay: float = 0.0) -> None:
        self.issued, self.expired, self.broken = 0, 0, 0
        self.partner, self.delay = partner, delay
        self.fetch = self.fetch_soon if colour == "async" else self.fetch_now
        partner.answer = self.answer

    def answer(self, asked):
        good = asked.headers.get("authorization") == f"Bearer token-{self.issued}" and self.issued > self.expired
        return self.partner.usual(asked) if good else self.partner.reply(401, {"error": "expired"}, delay=self.delay)

    def expire(self) -> None:
        self.expired = self.issued

    def fetch_now(self) -> str:
        if self.broken:
            self.broken -= 1
            raise ConnectionResetError("no tokens today")
        self.issued += 1
        return f"token-{self.issued}"

    async def fetch_soon(self) -> str:
        await ASYNCIO.sleep(0.05)
        return self.fetch_now()


@pytest.fixture(params=["async", "sync"])
def colour(request):
    """Return one of the two colours."""
    return request.param


async def ask(colour: str, api: APINode, *args, **kwargs) -> ub.Outcome:
    if colour == "async":
        return await api.make_request.outcome(*args, **kwargs)
    return await asyncio.to_thread(api.make_request_sync.outcome, *args, **kwargs)


async def test_a_token_is_fetched_once(partner, colour):
    """Twenty calls that begin together fetch one token between them, and none is refused."""
    mint = Mint(partner, colour=colour)
    async with APINode(partner.url, auth=mint.fetch) as api:
        outcomes = await asyncio.gather(*(ask(colour, api) for _ in range(20)))

    assert {ub.Status.OK} == {outcome.status for outcome in outcomes}
    assert 1 == mint.issued


async def test_an_expired_token_is_fetched_again_once(partner, colour):
    """Twenty calls that meet an expired token refresh it once, all succeed, and the circuit stays closed."""
    mint = Mint(partner, colour=colour, delay=0.02)
    async with APINode(partner.url, auth=mint.fetch, retry=SOON) as api:
        await ask(colour, api)
        mint.expire()
        outcomes = await asyncio.gather(*(ask(colour, api) for _ in range(20)))

        assert "closed" == api.breaker.state.value
    assert {True} == {outcome.ok for outcome in outcomes}
    assert ("refresh_credentials",) == outcomes[0].remedies
    assert 2 == mint.issued


async def test_whoever_comes_while_a_token_is_fetched_waits_for_it(partner):
    """A call that begins during the refresh is sent with the new token, not the dead one."""
    mint = Mint(partner)
    async with APINode(partner.url, auth=mint.fetch, retry=SOON) as api:
        await api.make_request()
        mint.expire()
        first = asyncio.create_task(api.make_request.outcome())
        await partner.is_asked(2)
        await ASYNCIO.sleep(0.02)
        second = await api.make_request.outcome()

    assert (ub.Status.HEALED, ub.Status.OK) == ((await first).status, second.status)


async def test_an_order_is_placed_again_with_a_fresh_token(partner, colour):
    """A 401 says that nothing was done: what must not happen twice may be sent again."""
    mint = Mint(partner, colour=colour)
    async with APINode(partner.url, "POST", auth=mint.fetch, retry=SOON) as api:
        await ask(colour, api, {"seat": "12A"})
        mint.expire()
        outcome = await ask(colour, api, {"seat": "12B"})

    assert ub.Status.HEALED is outcome.status
    assert ["12A", "12B", "12B"] == [asked.json()["seat"] for asked in partner.asked]


async def test_an_order_is_not_sent_until_there_is_a_token(partner, colour):
    """When tokens cannot be had the request was never sent, so it may be tried again; the service is not blamed."""
    mint = Mint(partner, colour=colour)
    mint.broken = 2
    async with APINode(partner.url, "POST", auth=mint.fetch, retry=SOON, breaker=ub.CircuitBreaker(1)) as api:
        outcome = await ask(colour, api, {"seat": "12A"})

    assert (ub.Status.HEALED, 3, 1) == (outcome.status, outcome.attempts, len(partner.asked))


async def test_a_token_hidden_in_a_500_is_refreshed(partner, colour):
    """A service that says auth_error with a 500 is understood by its words."""
    mint = Mint(partner, colour=colour)
    async with APINode(partner.url, auth=mint.fetch, retry=SOON) as api:
        await ask(colour, api)
        mint.expire()
        usual = partner.answer
        partner.answer = lambda asked: (
            partner.reply(500, {"error": {"type": "auth_error"}}) if usual(asked).status == 401 else usual(asked)
        )
        outcome = await ask(colour, api)

    assert (("refresh_credentials",), ub.Status.HEALED) == (outcome.remedies, outcome.status)


async def test_a_users_own_remedy_goes_first(partner):
    """Whoever registers a remedy for a 401 is asked before the built-in one."""
    mint = Mint(partner)
    async with APINode(partner.url, auth=mint.fetch, retry=SOON) as api:

        @api.remedy(lambda failure: failure.kind is ub.errors.Kind.CREDENTIALS)
        def ask_for_another(failure: ub.Failure) -> dict[str, object]:
            mint.issued += 1
            return {"headers": {"Authorization": f"Bearer token-{mint.issued}"}}

        await api.make_request()
        mint.expire()
        outcome = await api.make_request.outcome()

    assert (("ask_for_another",), ub.Status.HEALED) == (outcome.remedies, outcome.status)


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ("t0ken", "Bearer t0ken"),
        (("ada", "secret"), "Basic " + base64.b64encode(b"ada:secret").decode()),
        (httpx2.BasicAuth("ada", "secret"), "Basic " + base64.b64encode(b"ada:secret").decode()),
        (lambda: "t0ken", "Bearer t0ken"),
    ],
    ids=["token", "password", "httpx2", "function"],
)
async def test_there_are_four_ways_to_say_who_we_are(partner, colour, auth, sent):
    """A token, a name with a password, an httpx2.Auth and a function all end in a header; a call's own header wins."""
    async with APINode(partner.url, auth=auth) as api:
        await ask(colour, api)
        await ask(colour, api, headers={"authorization": "mine"})

    assert [sent, "mine"] == [asked.headers["authorization"] for asked in partner.asked]


async def test_a_dead_password_is_not_tried_again(partner, colour):
    """Without a way to mend it, a refusal is final at once."""
    partner.answers(partner.reply(401))
    async with APINode(partner.url, auth=("ada", "wrong"), retry=SOON) as api:
        outcome = await ask(colour, api)

    assert (1, ub.Status.FAILED) == (outcome.attempts, outcome.status)
