"""Whoever takes options tells alike which ones it has when one is misspelt."""

from __future__ import annotations

import httpx2
import pytest

import unbreakable as ub

TAKERS = {
    "protect": (lambda **options: ub.protect("search", **options)(print), {"fallbak": "fallback"}),
    "attempts": (lambda **options: ub.attempts("search", **options), {"deadlin": "deadline"}),
    "FractalNode": (lambda **options: ub.FractalNode("search", **options), {"parant": "parent"}),
    "create_child": (lambda **options: ub.FractalNode("search").create_child("child", **options), {"retries": "retry"}),
    "APINode": (ub.APINode, {"endpont": "endpoint", "maxbody": "max_body"}),
    "AdaptiveTransport": (
        lambda **options: ub.AdaptiveTransport(httpx2.HTTPTransport(), **options),
        {"brekaer": "breaker"},
    ),
    "DatabaseNode": (ub.DatabaseNode, {"conection": "connection", "most_row": "most_rows"}),
    "AgentNode": (ub.AgentNode, {"knowlege": "knowledge"}),
    "StreamNode": (ub.StreamNode, {"maxbuffer": "max_buffer", "overfow": "overflow"}),
    "CacheNode": (ub.CacheNode, {"maxsize": "max_size", "tll": "ttl"}),
    "OrchestratorNode": (ub.OrchestratorNode, {"concurency_limit": "concurrency_limit"}),
}
MISSPELT = [(taker, wrong, right) for taker, (_, pairs) in TAKERS.items() for wrong, right in pairs.items()]


@pytest.mark.parametrize(("taker", "wrong", "right"), MISSPELT)
def test_a_misspelt_option_is_told_which_one_was_meant(taker, wrong, right):
    """The taker's own options are among those that may have been meant."""
    with pytest.raises(ub.errors.ConfigurationError, match=rf"{wrong} is not an option \(did you mean '{right}'\?\)"):
        TAKERS[taker][0](**{wrong: 3})


@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_like_no_option_is_told_all_there_are(taker):
    """All that work are listed, and nothing else."""
    with pytest.raises(ub.errors.ConfigurationError, match="qqq is not an option; there are ") as refused:
        TAKERS[taker][0](qqq=3)

    offered = str(refused.value).partition("there are ")[2].split(", ")
    assert {"retry", "deadline", "effects", "limit", "throttle"} <= set(offered)
    assert set() == {"self", "options"} & set(offered)
