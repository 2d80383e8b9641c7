"""What becomes of items whose delivery failed.

The rules, first match wins; kinds are those of ``ub.errors.Kind``:

    the handler was not called, and validate accepted the items   deliver again
    it must not be called twice for this (``effects``)            set aside
    the target is in trouble: unreachable, throttled, timeout,    deliver again, for *patience* seconds
      transient, credentials, rejected
    there are several items                                       deliver half of them: one must not hurt the others
    the item itself is wrong: invalid, bug, refused by validate   set aside
    fewer than *deliveries* of it alone failed                    deliver again
    otherwise                                                     set aside

So an outage holds up the line, and moves at most one item to the dead letters in *patience* seconds, while an item that
fails by itself is out of the way after a few deliveries.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from unbreakable.errors import AttemptTimeout, DeadlineExceeded, Kind, Rejected, StrayExit, ValidationFailed
from unbreakable.fractal.signature import classify
from unbreakable.outcome import Failure
from unbreakable.policies import Backoff
from unbreakable.policies.effects import Effects, may_repeat
from unbreakable.policies.pushback import retry_after

PACE = Backoff(first=0.2, factor=2.0, most=60.0, jitter=False)  # one consumer: there is no herd to spread
MOST_PAUSE = 86_400.0  # seconds: whoever asks for more is asked again after a day, since items wait behind

TARGET = frozenset({Kind.UNREACHABLE, Kind.THROTTLED, Kind.TIMEOUT, Kind.TRANSIENT, Kind.CREDENTIALS, Kind.REJECTED})
ITEM = frozenset({Kind.INVALID, Kind.BUG})


class Verdict(enum.Enum):
    """What is done about a failed delivery."""

    ASIDE = "set aside"
    HALF = "deliver half of them"
    AGAIN = "deliver again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Say after how many failed deliveries an item is set aside, and after how many seconds if it is not to blame."""

    deliveries: int
    patience: float


def judge(
    error: Exception,
    *,
    was_called: bool,
    effects: Effects,
    items: int,
    failed: int,
    since: float,
    limits: Limits,
    unrepeatable: bool = False,
) -> Verdict:
    """Return what is done about *items* whose delivery ended in *error*.

    *was_called* says whether the handler was called at all, *unrepeatable* whether it has done, or may have, what must
    not be done twice; that is a reason only where ``effects`` is "once", since items are handled at least once.
    *failed* is how many deliveries that began with the first item failed in which it was, without those that were
    halved, and *since* the seconds since the first of them.
    """
    if not (was_called or isinstance(error, ValidationFailed)):
        return Verdict.AGAIN
    if was_called and not _may_be_called_again(effects, error, unrepeatable=unrepeatable and effects == "once"):
        return Verdict.ASIDE
    is_wrong = isinstance(error, ValidationFailed) or (classify(error) in ITEM and not isinstance(error, StrayExit))
    if since < limits.patience and classify(error) in TARGET and not is_wrong:
        return Verdict.AGAIN
    if items > 1:
        return Verdict.HALF
    return Verdict.ASIDE if is_wrong or failed >= limits.deliveries else Verdict.AGAIN


def says_nothing_of_the_target(error: Exception) -> bool:
    """Return whether *error* may be the fault of one item, so that the circuit must not count it."""
    return classify(error) not in TARGET


def _may_be_called_again(effects: Effects, error: Exception, *, unrepeatable: bool) -> bool:
    cut = isinstance(error, (AttemptTimeout, DeadlineExceeded))
    if isinstance(error, Rejected) and not cut:
        return effects != "once"  # a call inside the handler was refused: it may have done something before
    return may_repeat(effects, Failure(error, cut=cut, unrepeatable=unrepeatable))


def pause(error: Exception, failed: int) -> float:
    """Return the seconds until the next delivery: what the target, or its circuit, asks for, else the pace."""
    return max(PACE.pause(failed, 0.0), min(MOST_PAUSE, retry_after(error) or 0.0))
