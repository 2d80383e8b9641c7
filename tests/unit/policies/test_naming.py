"""What the name of a call is made of has a limit."""

from __future__ import annotations

from types import SimpleNamespace

from unbreakable.policies.naming import MOST_PARTS, _numbered


def test_an_attempt_numbers_a_thousand_different_calls():
    """Calls beyond that have names of their own, while those that are known go on to be told apart by their order."""
    attempt = SimpleNamespace(parts=None)
    known = [_numbered(attempt, f"call-{number}") for number in range(MOST_PARTS)]

    assert ("call-7", None, "call-7#2") == (known[7], _numbered(attempt, "another"), _numbered(attempt, "call-7"))
    assert MOST_PARTS == len(attempt.parts)
