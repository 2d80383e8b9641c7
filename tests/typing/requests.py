"""Requests from and to other processes, as users write them: never run, only read by type checkers."""

from __future__ import annotations

from typing import assert_type

import unbreakable as ub


def serve(headers: dict[str, str], raw: list[tuple[bytes, bytes]]) -> None:
    """Work for a request, in whatever form its headers come."""
    with ub.incoming(headers) as call, ub.incoming(raw, idempotency_key="ann/17"):
        assert_type(call, ub.Context)
        assert_type(call.remaining(), float)
        assert_type(ub.outgoing(), dict[str, str])
    ub.APINode("https://api.example.com", carry=False)
    ub.Retry(3, throttled=ub.Backoff(2.0))
