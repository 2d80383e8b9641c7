"""What the limit and the throttle of a target are told of its attempts, and what they make of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from unbreakable.events import LimitChanged, SheddingBegan, SheddingEnded
from unbreakable.fractal.pile import taken
from unbreakable.outcome import Failure
from unbreakable.policies import AdaptiveLimit, Plan
from unbreakable.policies.breaker import is_answer
from unbreakable.policies.full import Serving, is_late, says_full
from unbreakable.policies.limiter import Change, Limiter
from unbreakable.policies.nos import speaks_of_no_trouble
from unbreakable.policies.priority import Priority
from unbreakable.policies.shedding import Shedding
from unbreakable.runtime import Gate, new_lock

LEAST, MOST = 4, 256  # successes that are taken at once
QUICK, SLOW = 0.01, 0.5  # seconds between two times, below and above which more, or fewer, are
MOST_PILED = 4_096


class Flow:
    """Take successes in batches, so that a call that succeeds pays for next to nothing; failures one by one."""

    def __init__(self, plan: Plan) -> None:
        self.settings = plan.concurrency
        self.tap: deque[float] = deque(maxlen=MOST_PILED)  #: seconds of attempts that succeeded
        self.size = LEAST  #: of the pile that is taken at once
        self.limiter: Limiter | None = None
        self.shedding = None if plan.throttle is None else Shedding(plan.throttle.accept)
        self.is_shedding, self.serving = False, Serving()
        self.answers = 0  #: failures that were answers, as a 404 is, or what ``Retry.on`` leaves out and is no trouble
        self.gate = None if plan.concurrency is None else Gate(first(plan.concurrency, plan))
        self.most = None if plan.concurrency is None else most(plan.concurrency, plan)
        self.lock, self.poured_at = new_lock(), 0.0
        self.when_turned: Callable[[], None] = lambda: None  #: called when the first, or no more, calls are refused

    #: tells whether a failure says that there was too much for its target
    says_full = staticmethod(says_full)

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def pour(self, node: Any, now: float) -> None:
        """Take what has piled up."""
        with self.lock:
            took = taken(self.tap)
            if len(took) >= self.size:  # else a failure came first
                self._resize_batch(now)
            self.serving.take(took)
            change = None
            if self.shedding is not None:
                self.shedding.accept(len(took), now)
            if self.settings is not None:
                limiter = self._limiter(self.settings, now)
                limiter.meter.take(took, now)
                change = self._look(limiter, now)
        self._tell(node, change, now)

    def failed(self, node: Any, failure: Failure, now: float, *, told_no: bool = False) -> None:
        """Take an attempt that failed: refused as too much, not answered in time, or else no word on how much it takes.

        Quick failures are no health to a limit, whose target they may cost less than an answer would; a throttle asks
        whether they were taken in, and they were.  Who is *told_no*, as by a 404 or by what
        ``Retry.on`` leaves out, was in flight until then; and it proves that the target is back.
        """
        late, answered = is_late(failure), is_answer(failure)
        too_much = late or says_full(failure)
        was_in_flight = too_much or answered or told_no
        with self.lock:
            self.answers += answered or (told_no and speaks_of_no_trouble(failure))
        if not was_in_flight and (self.shedding is None or failure.refused):
            return
        self.pour(node, now)
        with self.lock:
            change = None
            if self.shedding is not None and was_in_flight and not too_much:
                self.shedding.accept(1, now)
            elif self.shedding is not None:
                (self.shedding.refuse if too_much else self.shedding.fail)(now)
            if self.settings is not None and was_in_flight:
                limiter = self._limiter(self.settings, now)
                if late:
                    limiter.meter.cut(failure.elapsed, now)
                elif too_much:
                    limiter.meter.refuse(now)
                else:
                    limiter.meter.answer(failure.elapsed, now)
                change = self._look(limiter, now)
        self._tell(node, change, now)

    def serves_others(self, failure: Failure, successes: Callable[[], int], now: float, *, most: float) -> bool:
        """Return whether *failure* says that the target is full, while others are answered, for all that is known.

        *successes* counts them, if need be; the next one is waited for *most* seconds at most.
        """
        return says_full(failure) and self.serving.is_on(successes() + self.answers, now, most=most)

    def is_full(self) -> None:
        """Note that somebody found no place."""
        if self.limiter is not None:
            self.limiter.meter.full = True

    def hold(self, now: float) -> None:
        """Note how many places are held, as that of a generator is about to be given back."""
        if self.settings is not None and self.gate is not None:
            with self.lock:
                self._limiter(self.settings, now).meter.hold(self.gate.inside, now)

    # ── what they make of it ─────────────────────────────────────────────────────────────────────────────────────

    def share(self, now: float, priority: Priority = "normal") -> float:
        """Return which share of the calls of that *priority* is refused here."""
        with self.lock:
            return 0.0 if self.shedding is None else self.shedding.share(now, priority)

    def shed(self, now: float) -> None:
        """Note a call that was not sent."""
        assert self.shedding is not None  # noqa: S101 - nobody else sheds
        with self.lock:
            self.shedding.shed(now)

    def _look(self, limiter: Limiter, now: float) -> Change | None:
        change = limiter.look(now)
        if change is not None and self.gate is not None:
            self.gate.resize(change.after)
        return change

    def _tell(self, node: Any, change: Change | None, now: float) -> None:
        if change is not None:
            node.tell(LimitChanged(at=now, node=node.name, before=change.before, after=change.after, reason=change.why))
        if self.shedding is not None:
            self.look(node, now)

    def look(self, node: Any, now: float) -> None:
        """Leave the quick path as soon as any call is refused here, and take it again when none is."""
        share = self.share(now, "low")
        if (share > 0.0) is self.is_shedding:
            return
        self.is_shedding = share > 0.0
        self.when_turned()
        if self.is_shedding:
            node.tell(SheddingBegan(at=now, node=node.name, share=share))
        else:
            node.tell(SheddingEnded(at=now, node=node.name))

    def _limiter(self, settings: AdaptiveLimit, now: float) -> Limiter:
        if self.limiter is None:
            most = self.most or settings.most
            self.limiter = Limiter(settings.first, min(settings.least, most), most, now)
        return self.limiter

    def _resize_batch(self, now: float) -> None:
        """Take more at once of a target that answers many calls a second: a batch costs as much as it holds."""
        since, self.poured_at = now - self.poured_at, now
        if since < QUICK:
            self.size = min(MOST, 2 * self.size)
        elif since > SLOW:
            self.size = max(LEAST, self.size // 2)


def most(limit: AdaptiveLimit, plan: Plan) -> int:
    """Return how high the limit may rise: a bulkhead beside it is not passed."""
    return limit.most if plan.bulkhead is None else min(limit.most, plan.bulkhead.most)


def first(limit: AdaptiveLimit, plan: Plan) -> int:
    """Return the limit to begin with."""
    return min(max(limit.first, limit.least), most(limit, plan))
