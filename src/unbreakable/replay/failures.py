"""Recorded failures are raised once more: errors that say of themselves what was known of the recorded ones."""

from __future__ import annotations

import functools
from typing import Any

from unbreakable.errors import Kind
from unbreakable.observe.calls import Ended
from unbreakable.policies import current


class Recorded(Exception):
    """Be an error that was recorded; of what type it was is not known."""


class Covered(Recorded):
    """Be one of a type that was repeated for."""


def error_of(ended: Ended) -> Exception:
    """Return an error for a failure that *ended* so; the attempt that raises it knows whether it is exhausted."""
    error = _type_of(ended.sort, ended.covered)()
    told: dict[str, Any] = {"kind": Kind(ended.kind)}
    if ended.unsent:
        told["refused"] = True  # which allows as much as that it was never sent
    if ended.in_doubt:
        told["in_doubt"] = True
    if ended.retry_after is not None:
        told["retry_after"] = ended.retry_after
    vars(error).update(told)
    attempt = current()
    if ended.exhausted and attempt is not None:
        attempt.spent = (*attempt.spent, error)
    return error


@functools.lru_cache(maxsize=1_000)
def _type_of(sort: int, covered: bool) -> type[Exception]:
    """Return a type for each signature that was recorded, for by that remedies and repeats are learned."""
    return type(f"Recorded{sort}", (Covered if covered else Recorded,), {})
