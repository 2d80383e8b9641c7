"""Whether to try again."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable
from dataclasses import field

from unbreakable.errors import Kind
from unbreakable.log import log
from unbreakable.outcome import Failure, is_a
from unbreakable.policies import check
from unbreakable.policies.backoff import Backoff
from unbreakable.policies.check import refuse
from unbreakable.policies.pushback import THROTTLED
from unbreakable.record import Preset
from unbreakable.runtime import is_async

PERMANENT = frozenset({Kind.INVALID, Kind.CREDENTIALS, Kind.REJECTED, Kind.BUG})
ONLY_EXCEPTIONS = (
    "an exception type or a tuple of them, each a subclass of Exception (what only stops a program, such as a "
    "KeyboardInterrupt or a cancellation, is never repeated), or a function that says so of an exception"
)


@functools.lru_cache(256)
def _log_once(on: Hashable, error: str, trouble: str) -> None:
    """Log what an *on* has raised: once for each sort of error, since it is asked about each some times."""
    log(f"Retry.on {on!r} failed, asked about {error}: that counts as yes", exc_info=True)


class Retry(Preset):
    """Make at most *attempts* attempts, the first included, on exceptions of the types *on*, pausing by *backoff*.

    *on* may also be a function that says of an exception whether it is one of them, where one type stands for all that
    may happen, as in the kits of many services; one that raises says yes.

    A target that is throttling is given longer pauses, by *throttled*, than one that merely failed.  What it asks for
    itself (Retry-After and the like) is kept in either case, and the pause comes on top of it; one that asks not to be
    repeated is not.

    What repeating does not change (a request that the target calls wrong, credentials that it refuses, our own
    refusals) is not repeated unless a remedy changes something first, or *on* names it by a type that always stands for
    it: PermissionError, or a class whose ``status_code`` is 404.  OSError, or what stands for every answer, does not.
    """

    attempts: int = field(default=3, kw_only=False)
    on: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], object] = Exception
    backoff: Backoff = Backoff()
    throttled: Backoff = Backoff(1.0)

    def __post_init__(self) -> None:
        check.whole("Retry.attempts", self.attempts, least=1)
        self._check_on()
        for name in ("backoff", "throttled"):
            if not isinstance(getattr(self, name), Backoff):
                raise refuse(f"Retry.{name}", "a Backoff", getattr(self, name))

    def _check_on(self) -> None:
        if callable(self.on) and not isinstance(self.on, type):
            if is_async(self.on):  # what it returns is never false
                raise refuse("Retry.on", "a plain function, which does not wait for anything", self.on)
            return
        types = self.on if isinstance(self.on, tuple) else (self.on,)
        if not types or not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in types):
            raise refuse("Retry.on", ONLY_EXCEPTIONS, self.on)

    def covers(self, error: Exception) -> bool:
        """Return whether *error* is one that *on* names: what it leaves out is an answer, and no failure."""
        if isinstance(self.on, (type, tuple)):
            return is_a(error, self.on)
        try:
            return bool(self.on(error))
        except Exception as trouble:  # it expects another error: what is repeated in vain costs less
            _log_once(self.on, type(error).__qualname__, type(trouble).__qualname__)
            return True

    def wants(self, failure: Failure, *, remedied: bool, named: bool = False) -> bool:
        """Return whether another attempt makes sense.

        *remedied* says that something was mended meanwhile, *named* that ``on`` means failures of just this sort.
        """
        if failure.attempt >= self.attempts or not self.covers(failure.error):
            return False
        is_permanent = failure.kind in PERMANENT and not (named and failure.kind is not Kind.BUG)
        return remedied or not (failure.exhausted or is_permanent)

    def pause(self, failure: Failure, u: float, left: float = math.inf) -> float:
        """Return the seconds to wait before the next attempt, of those *left*: the backoff's; *u* is its chance.

        They begin when what the target asked for is over, or all whom it told the same would come back at once; a pause
        without jitter is the longer of the two.  It is ``math.inf`` when the target does not want to be asked again.
        """
        backoff, asked = self.throttled if failure.kind is THROTTLED else self.backoff, failure.retry_after
        if asked is None:
            return backoff.pause(failure.attempt, u)
        longest = backoff.pause(failure.attempt, 1.0)
        if asked >= left:
            return asked
        return asked + u * min(longest, (left - asked) / 2) if backoff.jitter else max(asked, longest)
