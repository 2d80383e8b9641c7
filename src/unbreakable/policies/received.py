"""What a request from another process says of the call that it is part of; see ``carried``.

What gRPC and Envoy say of the same is read, too: ``grpc-timeout``, ``grpc-previous-rpc-attempts``,
``x-envoy-expected-rq-timeout-ms``, ``x-envoy-attempt-count``.  Nothing that a stranger sends can lengthen a deadline or
allow a repeat.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from unbreakable.policies.carried import ATTEMPT, DEADLINE
from unbreakable.record import Record

MOST = 1_000  # attempts, or layers, that are told of: more is no other than that

_OURS = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")  # a caller whose deadline is over says by how much
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_ATTEMPT = re.compile(r"([0-9]{1,9})(?:\s*;\s*layers=([0-9]{1,9}))?")
_GRPC = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Carried(Record):
    """Say what came with a request: the number of the attempt, the layers that repeat, and the seconds left.

    ``remaining`` is ``math.inf`` when nothing was said of it, and negative when the request comes too late.
    """

    attempt: int
    layers: int
    remaining: float


def carried_in(headers: Any) -> Carried:
    """Return what *headers*, a mapping or pairs of text or bytes, say; what makes no sense says nothing.

    Those of WSGI's environment, ``HTTP_UNBREAKABLE_ATTEMPT``, are known, too.

    >>> carried_in({"unbreakable-attempt": "2;layers=1", "grpc-timeout": "1500m"}).to_dict()
    {'attempt': 2, 'layers': 1, 'remaining': 1.5}
    """
    told = defaultdict(str, _plain(headers))
    attempt, layers = _attempt(told)
    return Carried(attempt=attempt, layers=layers, remaining=_remaining(told))


def _plain(headers: Any) -> Iterable[tuple[str, str]]:
    pairs = headers.items() if hasattr(headers, "items") else headers
    for name, value in pairs:
        if isinstance(name, (str, bytes)) and isinstance(value, (str, bytes)):
            spelt = _text(name).lower().replace("_", "-").removeprefix("http-")
            yield spelt, _text(value).strip()


def _text(said: str | bytes) -> str:
    return said if isinstance(said, str) else said.decode("latin-1")


def _attempt(told: defaultdict[str, str]) -> tuple[int, int]:
    """Return the number of the attempt, and how many layers repeat."""
    ours = _ATTEMPT.fullmatch(told[ATTEMPT.lower()])
    if ours is not None:
        attempt = _bounded(ours[1])
        return attempt, min(MOST, int(ours[2])) if ours[2] else int(attempt > 1)
    previous = told["grpc-previous-rpc-attempts"]
    count = told["x-envoy-attempt-count"]
    attempt = _bounded(previous) + 1 if _is_number(previous) and int(previous) else _bounded(count)
    return attempt, int(attempt > 1)


def _bounded(said: str) -> int:
    return max(1, min(MOST, int(said))) if _is_number(said) else 1


def _is_number(said: str) -> bool:
    return said.isascii() and said.isdigit() and len(said) <= 9


def _remaining(told: defaultdict[str, str]) -> float:
    """Return the seconds left, the fewest that anybody says."""
    ours, envoys = told[DEADLINE.lower()], told["x-envoy-expected-rq-timeout-ms"]
    grpcs = _GRPC.fullmatch(told["grpc-timeout"])
    found = [
        float(ours) if _OURS.fullmatch(ours) else math.inf,
        float(envoys) / 1_000 if _NUMBER.fullmatch(envoys) else math.inf,
        int(grpcs[1]) * _UNITS[grpcs[2]] if grpcs else math.inf,
    ]
    return min(found)
