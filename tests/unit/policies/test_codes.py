"""gRPC's codes mean what HTTP's statuses do."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.outcome import Failure
from unbreakable.policies.codes import STATUS_OF, status_of_grpc
from unbreakable.policies.effects import leaves_doubt
from unbreakable.policies.network import http_status


class RpcError(Exception):
    """Stand for grpcio's, which need not be installed."""

    __module__ = "grpc"


class AioRpcError(RpcError):
    """Stand for the one of its asyncio part."""

    __module__ = "grpc.aio._call"

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self._code = SimpleNamespace(name=code)

    def code(self) -> object:
        return self._code

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNAVAILABLE", Kind.TRANSIENT),
        ("RESOURCE_EXHAUSTED", Kind.THROTTLED),
        ("DEADLINE_EXCEEDED", Kind.TIMEOUT),
        ("UNAUTHENTICATED", Kind.CREDENTIALS),
        ("PERMISSION_DENIED", Kind.CREDENTIALS),
        ("INVALID_ARGUMENT", Kind.INVALID),
        ("NOT_FOUND", Kind.INVALID),
        ("INTERNAL", Kind.TRANSIENT),
        ("SOMETHING_NEW", Kind.UNKNOWN),
    ],
)
def test_a_code_tells_the_sort_of_failure(code, kind):
    """What passes by itself is told from what does not."""
    assert kind is classify(AioRpcError(code))


@pytest.mark.parametrize("code", sorted(STATUS_OF))
def test_every_code_has_a_status(code):
    """A lost answer leaves a doubt and a refusal none, as the status says."""
    error = AioRpcError(code)

    assert STATUS_OF[code] == status_of_grpc(error) == http_status(error)
    assert (STATUS_OF[code] >= 500) is leaves_doubt(Failure(error, classify(error)))


@pytest.mark.parametrize("error", [RpcError("no code yet"), ValueError("other"), RpcError, ValueError])
def test_who_has_no_code_has_no_status(error):
    """An error that is not gRPC's, or too early, or only its type, says nothing."""
    assert status_of_grpc(error) is None
