"""gRPC's codes mean what HTTP's statuses do."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.outcome import Failure
from unbreakable.policies.codes import status_of_grpc
from unbreakable.policies.effects import leaves_doubt
from unbreakable.policies.network import http_status

# google/rpc/code.proto
PROTO = {
    400: "INVALID_ARGUMENT FAILED_PRECONDITION OUT_OF_RANGE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "UNKNOWN INTERNAL DATA_LOSS",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


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


@pytest.mark.parametrize(("code", "status"), [(code, status) for status in PROTO for code in PROTO[status].split()])
def test_every_code_has_a_status(code, status):
    """It is the one that Google's proto file names; a lost answer leaves a doubt and a refusal none."""
    error = AioRpcError(code)

    assert status == status_of_grpc(error) == http_status(error)
    assert (status >= 500) is leaves_doubt(Failure(error, classify(error)))


@pytest.mark.parametrize(("name", "module"), [("RpcError", "somebodys.grpc"), ("Channel", "grpc")])
def test_only_an_rpc_error_of_grpc_has_its_codes(name, module):
    """Another library's class of the same name, and another class of gRPC's, may mean anything by a code."""
    kind = type(name, (Exception,), {"__module__": module, "code": AioRpcError("NOT_FOUND").code})

    assert status_of_grpc(kind()) is None


@pytest.mark.parametrize("error", [RpcError("no code yet"), ValueError("other"), RpcError, ValueError])
def test_who_has_no_code_has_no_status(error):
    """An error that is not gRPC's, or too early, or only its type, says nothing."""
    assert status_of_grpc(error) is None
