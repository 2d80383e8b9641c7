"""The status of a gRPC call is read as the HTTP status that means the same."""

from __future__ import annotations

from typing import Any

from unbreakable.errors import told_by

#: After google/rpc/code.proto, which names the HTTP status of each.
STATUS_OF = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}


def is_of_grpc(error: object) -> bool:
    """Return whether *error* is one of grpcio's, which need not be installed."""
    kinds = type(error).__mro__
    return any(kind.__name__ == "RpcError" and told_by(kind, "__module__") == "grpc" for kind in kinds)


def status_of_grpc(error: Any) -> int | None:
    """Return the HTTP status that means what the code of *error*, a gRPC call's, does; None for any other error."""
    if not is_of_grpc(error):
        return None
    try:
        return STATUS_OF.get(str(error.code().name))
    except Exception:
        return None  # it has no code yet
