"""What a story may ask of a library; a peer's file says how the library's own documentation does that."""

from __future__ import annotations

import inspect
import time
from typing import Any, NamedTuple


class NotOffered(Exception):
    """Say that the library has no such feature, or not for code of this colour: that is told apart from failing."""


class Retry(NamedTuple):
    """Wish for at most *attempts* attempts on errors of type *on*, *pause* seconds apart."""

    attempts: int = 3
    pause: float = 0.0
    on: Any = OSError


class Breaker(NamedTuple):
    """Wish for a circuit that opens when *failures* of as many attempts failed, for *rest* seconds.

    Then it lets *permits* probes through.  With *slow*, attempts that take so many seconds count as failed.  With
    *most_rest* a rest after a probe that failed is twice as long as the last one, up to that.
    """

    failures: int = 1
    rest: float = 0.2
    on: Any = OSError
    permits: int = 1
    slow: float | None = None
    most_rest: float | None = None


class Budget(NamedTuple):
    """Wish for repeats of at most *ratio* of the traffic, besides *start* to begin with."""

    ratio: float = 0.1
    start: int = 10


def asks(kind: Any) -> bool:
    """Return whether errors of that *kind* ask for pauses."""
    return getattr(kind, "asks", False)


class Peer:
    """One library; a method that is not overridden is a feature that it does not offer.

    Layered libraries override one method for each wish; a library with one door overrides ``protect``.
    """

    name = "?"  #: as it is installed
    refused: tuple[type[BaseException], ...] = ()  #: what an open circuit or a full bulkhead raises
    cut: tuple[type[BaseException], ...] = ()  #: what a time limit raises
    order = ("timeout", "hedge", "breaker", "bulkhead", "retry", "fallback", "deadline")  #: the innermost first
    retry_takes: tuple[str, ...] = ()  #: wishes that are settings of its retry, and no layers: handed on by name
    breaker_takes: tuple[str, ...] = ()
    colours = ("async", "sync")

    def now(self) -> float:
        """Return the moment, in seconds; replaced where time is virtual."""
        return time.monotonic()

    def protect(self, work: Any, **wishes: Any) -> Any:
        """Return *work* behind what is wished for."""
        self.check_colour(work)
        also = {wish: wishes.pop(wish) for wish in (*self.retry_takes, *self.breaker_takes) if wish in wishes}
        for wish in [each for each in self.order if each in wishes]:
            taken = {name: also.pop(name) for name in getattr(self, f"{wish}_takes", ()) if name in also}
            work = getattr(self, wish)(work, wishes.pop(wish), **taken)
        if also or wishes:
            raise NotOffered
        return work

    def check_colour(self, work: Any) -> None:
        """Refuse code of a colour that the library does not protect."""
        call = vars(type(work)).get("__call__")
        kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        is_async = any(kind(each) for kind in kinds for each in (work, call))
        if ("async" if is_async else "sync") not in self.colours:
            raise NotOffered

    @staticmethod
    def check_plain(wish: Breaker) -> None:
        """Refuse wishes for more than one probe, for slow calls, and for rests that grow."""
        if wish.permits > 1 or wish.slow is not None or wish.most_rest is not None:
            raise NotOffered

    def check_async(self, work: Any) -> None:
        """Refuse plain code where a feature is for async code only."""
        if not inspect.iscoroutinefunction(work):
            raise NotOffered

    def offers_not(self, *anything: Any, **things: Any) -> Any:
        """Say that this is not offered."""
        raise NotOffered

    @staticmethod
    def asking() -> type[Exception]:
        """Return an error by which a target asks for a pause."""

        class Busy(Exception):
            """Say how many seconds to wait."""

            asks = True

            def __init__(self, seconds: float) -> None:
                super().__init__(seconds)
                self.retry_after = seconds

        return Busy

    retry = breaker = timeout = hedge = bulkhead = fallback = deadline = offers_not
    stream = offers_not  #: a generator function, guarded by a Retry
    stream_breaker = offers_not  #: an async generator function, guarded by a Breaker
    block = offers_not  #: an async function that runs the given one as a block that a Retry guards
    sync_block = offers_not
    defaults = offers_not  #: a function protected by nothing but the defaults of a retry
    shared_budget = offers_not  #: two functions that pay for their retries from one Budget
    shared_bulkhead = offers_not  #: what guards functions, of both colours, by one bulkhead of so many places
    cached = offers_not  #: an async function whose values are kept, and which has a fallback
    learning = offers_not  #: a function with a Retry that learns what no retry helps against
    keyed = offers_not  #: a function with a Breaker for each of its first arguments
    force_open = offers_not  #: open the circuit of what ``protect`` returned last by hand
    told = offers_not  #: how many attempts it says that each call took, of async calls with these arguments at once
    counted = offers_not  #: how many calls of a protected function (succeeded, failed) it says there were
    outcome = offers_not  #: (value, whether it is fresh) of an async call of a function with a fallback
    testing = offers_not  #: a context manager in which pauses take no time
    virtual = offers_not  #: the same for limits and rests; it gives an async function that lets time pass
    raised = offers_not  #: errors of its own that it raises besides those of limits, circuits and bulkheads
    settings = offers_not  #: objects that hold settings
    once = offers_not  #: the work, declared as something that must not happen twice, with a hedge of so many seconds
    after = offers_not  #: an exception class whose instances, made of a number, ask for a pause of so many seconds
    typed = offers_not  #: source text; see shapes.py
