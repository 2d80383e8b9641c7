"""A token that dies after a while is fetched anew before the service refuses it."""

from __future__ import annotations

import httpx2

import unbreakable as ub
from unbreakable.testing import virtual_time


def test_a_token_is_fetched_anew_before_it_dies():
    """Of twenty deaths the service refuses a request three times; then the node is ahead of it."""
    with virtual_time() as clock:
        born, refused = {}, []

        def fetch():
            token = f"token-{len(born)}"
            born[token] = clock.now()
            return token

        def answer(request):
            token = request.headers["authorization"].removeprefix("Bearer ")
            if clock.now() - born[token] < 3_600.0:
                return httpx2.Response(200, json={})
            refused.append(clock.now())
            return httpx2.Response(401, json={"error": "invalid_token"})

        api = ub.APINode("http://partner.x", auth=fetch, transport=httpx2.MockTransport(answer))
        for _ in range(20 * 60):
            clock.advance(60.0)
            assert {} == api.make_request_sync()

    assert 3 == len(refused)
    assert 20 <= len(born) <= 22
