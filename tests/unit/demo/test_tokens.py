"""Bearer tokens expire, and only their own mint takes them."""

from __future__ import annotations

import pytest

from unbreakable.demo.tokens import Mint

MINT = Mint(secret="one", lifetime=4.0)


def test_a_token_is_good_until_its_end():
    """A token is accepted until its lifetime is over, to the moment."""
    token = MINT.issue(100.0)

    assert [True, True, False] == [MINT.accepts(token, now) for now in (100.0, 103.9, 104.0)]


def test_a_restarted_partner_knows_no_old_token():
    """Another secret, another mint."""
    assert not Mint(secret="two", lifetime=4.0).accepts(MINT.issue(100.0), 100.0)


@pytest.mark.parametrize("token", ["", ".", "999", "999.", "999.0.nonsense", "ü.ü"])
def test_nonsense_is_no_token(token):
    """Whatever was not issued here is refused, without a failure."""
    assert not MINT.accepts(token, 0.0)
