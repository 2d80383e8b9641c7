"""Redirects and challenges are followed, on real sockets: where to, how far, and with whose credentials."""

from __future__ import annotations

import httpx2
import pytest

import unbreakable as ub
from unbreakable.nodes import APINode

pytestmark = pytest.mark.real

SOON = ub.Retry(3, backoff=ub.Backoff(0.005))


@pytest.mark.parametrize(("method", "asked"), [("GET", 2), ("POST", 1)])
async def test_redirects_are_followed_by_those_who_only_read(partner, ask, method, asked):
    """A read goes where it is sent; an order is told, once, that it was sent elsewhere."""
    partner.answer = lambda asked: (
        partner.usual(asked) if asked.target == "/new" else partner.reply(307, headers={"location": "/new"})
    )
    async with APINode(partner.url, method, retry=SOON) as api:
        outcome = await ask(api, path="/old")

    assert (method == "GET", asked) == (outcome.ok, len(partner.asked))


async def test_the_body_of_a_redirect_is_not_read_whole(partner, ask):
    """Whatever a redirect brings along, nobody has asked for; the answer where it leads is what counts."""
    partner.answer = lambda asked: (
        partner.usual(asked)
        if asked.target == "/new"
        else partner.reply(302, b"x" * 2**20, headers={"location": "/new"}, stall=2**20 - 1)
    )
    async with APINode(partner.url, retry=False, deadline=2.0, max_body=1_000) as api:
        outcome = await ask(api)

    assert (ub.Status.OK, {"target": "/new"}) == (outcome.status, outcome.value)


async def test_small_redirects_keep_their_connection(partner, ask):
    """A redirect with a few words in it costs no second connection."""
    partner.answer = lambda asked: (
        partner.usual(asked) if asked.target == "/new" else partner.reply(302, b"moved", headers={"location": "/new"})
    )
    async with APINode(partner.url) as api:
        for _ in range(3):
            await ask(api)

        assert 1 == partner.open


@pytest.mark.parametrize("large", [{"status": 401, "headers": {"www-authenticate": "Basic"}}, {"status": 200}])
async def test_an_answer_that_is_challenged_is_bounded(partner, ask, large):
    """An answer that proof of who we are may follow is not larger than any other."""

    class Insisting(httpx2.Auth):
        def auth_flow(self, request):
            yield request
            yield request

    partner.answers(partner.reply(body=b"x" * 2_000, **large), None)
    async with APINode(partner.url, retry=False, max_body=1_000, auth=Insisting()) as api:
        outcome = await ask(api)

    assert isinstance(outcome.error, ub.errors.VerificationFailed)
    assert 1 == len(partner.asked)


async def test_redirects_come_to_an_end(partner, ask):
    """A circle of redirects is the service's mistake, told after twenty of them and not tried again."""
    partner.answers(partner.reply(302, headers={"location": "/round"}))
    async with APINode(partner.url, retry=SOON) as api:
        outcome = await ask(api)

    assert isinstance(outcome.error, httpx2.TooManyRedirects)
    assert (21, 1) == (len(partner.asked), outcome.attempts)


async def test_credentials_stay_with_their_host(partner, replica, ask):
    """What is sent to another host proves nothing; on the same host it goes on proving who we are."""
    partner.answer = lambda asked: partner.reply(302, headers={"location": f"{replica.url}/x"})
    replica.answer = lambda asked: (
        partner.usual(asked) if asked.target == "/y" else partner.reply(302, headers={"location": "/y"})
    )
    async with APINode(partner.url, auth=("ada", "s3cret"), retry=False) as api:
        assert (await ask(api)).ok

    sent = [asked.headers.get("authorization") for asked in (*partner.asked, *replica.asked)]
    assert ["Basic YWRhOnMzY3JldA==", None, None] == sent


async def test_see_other_is_read(partner, ask):
    """After a 303 a query is read from where it points to."""
    partner.answer = lambda asked: (
        partner.reply(body=[asked.method, asked.body.decode(), asked.headers.get("content-length")])
        if asked.target == "/result"
        else partner.reply(303, headers={"location": "/result"})
    )
    async with APINode(partner.url, "QUERY", retry=False) as api:
        outcome = await ask(api, {"q": 1})

    assert ["GET", "", None] == outcome.value


async def test_a_challenge_is_answered(partner, ask):
    """A digest is made from the challenge in a first answer, and sent with a second request."""
    partner.answer = lambda asked: (
        partner.usual(asked)
        if "response=" in asked.headers.get("authorization", "")
        else partner.reply(401, headers={"www-authenticate": 'Digest realm="r", nonce="n", qop="auth"'})
    )
    async with APINode(partner.url, auth=httpx2.DigestAuth("ada", "s3cret"), retry=False) as api:
        outcome = await ask(api)

    assert (True, 2) == (outcome.ok, len(partner.asked))


async def test_a_user_in_the_address_is_told(partner, ask):
    """An endpoint with a user and a password in it is asked with them."""
    async with APINode(partner.url.replace("//", "//ada:s3cret@"), retry=False) as api:
        assert (await ask(api)).ok

    assert "Basic YWRhOnMzY3JldA==" == partner.asked[0].headers["authorization"]
