"""What an operation does to the world, and so what may be done with it twice."""

from __future__ import annotations

import socket
from typing import Literal, TypeAlias, get_args

from unbreakable.errors import Kind, NotSent, told_by
from unbreakable.outcome import Failure, is_a
from unbreakable.policies.check import refuse

Effects: TypeAlias = Literal["none", "idempotent", "unknown", "once"]

NEVER_LEFT = (NotSent, ConnectionRefusedError, socket.gaierror)


def checked(effects: str) -> Effects:
    """Return *effects* if it is one of the four words."""
    for word in get_args(Effects):
        if effects == word:
            return word  # type: ignore[no-any-return]
    raise refuse("effects", f"one of {', '.join(map(repr, get_args(Effects)))}", effects)


def may_run_twice_at_once(effects: Effects) -> bool:
    """Return whether a second copy may be started while the first may still be at work."""
    return effects in ("none", "idempotent")


def never_left(failure: Failure) -> bool:
    """Return whether an attempt that ended in *failure* provably did nothing."""
    return is_a(failure.error, NEVER_LEFT) and not (failure.cut or failure.doubtful)


def is_done_once(effects: Effects, *, doubtful: bool) -> bool:
    """Return whether what succeeded must not be done twice: by itself, or for a call inside it, if *doubtful*."""
    return effects == "once" or (doubtful and not may_run_twice_at_once(effects))


def leaves_doubt(failure: Failure) -> bool:
    """Return whether nobody knows what an attempt that ended in *failure* has done."""
    lost = failure.kind in {Kind.TIMEOUT, Kind.UNREACHABLE} and not never_left(failure)
    return failure.cut or failure.doubtful or lost


def may_repeat(effects: Effects, failure: Failure) -> bool:
    """Return whether an operation that ended in *failure* may be run again.

    ======== =====================================================================
    none, idempotent   after any failure
    unknown            after a failure that it reported; not when we cut it or it is in doubt: nobody knows what it did
    once               only when the request provably never left, or the target refused it before doing anything
    unknown, once      not when a call inside that must not be made twice has done its work, or may have, whatever was
                       raised
    ======== =====================================================================
    """
    if failure.refused:
        return False  # asking ourselves again changes nothing
    if failure.doubtful and effects in ("unknown", "once"):
        return False
    if effects == "once":
        return is_a(failure.error, NEVER_LEFT) or told_by(failure.error, "refused") is True
    return not (effects == "unknown" and (failure.cut or told_by(failure.error, "in_doubt") is True))
