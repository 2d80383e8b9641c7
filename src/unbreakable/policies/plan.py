"""The settings in force for a target: pinned by its user, or learned, or the cold ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from unbreakable.policies.backoff import Backoff
from unbreakable.policies.breaker import CircuitBreaker
from unbreakable.policies.budget import RetryBudget
from unbreakable.policies.bulkhead import Bulkhead
from unbreakable.policies.effects import Effects, checked, may_run_twice_at_once
from unbreakable.policies.hedge import Hedge
from unbreakable.policies.patience import Patience
from unbreakable.policies.policy import Inner, compose
from unbreakable.policies.retry import Retry
from unbreakable.policies.timeout import ONLY_THE_DEADLINE, Timeout, is_guessing, learned_limit, respite, vouched

if TYPE_CHECKING:
    from unbreakable.policies.limit import AdaptiveLimit
    from unbreakable.policies.throttle import Throttle

COLD_DEADLINE = 30.0
LAST_MINUTE = 0.5  # share of the deadline after which an attempt is copied that got no copy yet
OFF = CircuitBreaker()  # its circuit is disabled, but can be forced open by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold every setting of a protected call; a policy that is None is off.  Plans are replaced whole, never changed.

    ``strategy`` is the name of what was chosen, ``observations`` how many attempts the learned settings rest on; 0 for
    a cold plan.  ``shadows`` are the policies, by name, that only measure what they would do.
    """

    retry: Retry | None = Retry()  # noqa: RUF009 - frozen
    breaker: CircuitBreaker | None = CircuitBreaker()  # noqa: RUF009 - frozen
    timeout: Timeout | None = None
    hedge: Hedge | None = None
    bulkhead: Bulkhead | None = None
    concurrency: AdaptiveLimit | None = None  #: what is called ``limit`` where it is pinned
    throttle: Throttle | None = None
    budget: RetryBudget | None = RetryBudget()  # noqa: RUF009 - frozen
    deadline: float = COLD_DEADLINE
    effects: Effects = "unknown"
    strategy: str = "adaptive"
    observations: int = 0
    shadows: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def is_quick(self, *, preemptive: bool) -> bool:
        """Return whether a first attempt can be made without the script: only arithmetic around the user's work."""
        if preemptive:
            return self._copies is None or (not self._copies.threads and self.is_soft)
        return not self.costs_threads

    @property
    def is_soft(self) -> bool:
        """Return whether no time limit but the deadline cuts an attempt: there is none, or a learned one."""
        return self.timeout is None or self.timeout.learned

    def first_look(self, *, preemptive: bool, lead: float = 0.0) -> float:
        """Return after how many seconds a first attempt on the quick path is looked at: it is due, or late.

        For a copy that is so many seconds sooner, its *lead*.
        """
        limit = self.limit
        if self.is_soft and (self.retry is None or self.retry.attempts < 2):
            limit = math.inf
        if preemptive and self._copies is not None:
            return min(limit, self._copies.after - lead)
        return limit

    @property
    def costs_threads(self) -> bool:
        """Return whether plain functions run in worker threads, where alone they can be left behind or raced."""
        hedged = self._copies is not None and self._copies.threads
        return hedged or (self.timeout is not None and self.timeout.costs_threads)

    @property
    def hedges(self) -> bool:
        """Return whether slow attempts get a second copy."""
        return self._copies is not None

    @property
    def copies_late(self) -> bool:
        """Return whether attempts get a copy at the last minute only, if at all: when half of the deadline is over."""
        return self._copies is None or self._copies.after >= LAST_MINUTE * self.deadline

    def lead(self, lag: float) -> float:
        """Return how much sooner to begin a copy, which takes *lag* seconds to be under way, to be in time."""
        return 0.0 if self._copies is None else self._copies.lead(lag)

    @property
    def _copies(self) -> Hedge | None:
        return self.hedge if may_run_twice_at_once(self.effects) else None

    #: decides when an attempt is due whether it is cut
    respite = staticmethod(respite)

    #: decides what an attempt is told that asks how long it has
    vouched = staticmethod(vouched)

    #: tells whether the time limit in force is a guess
    is_guessing = staticmethod(is_guessing)

    @property
    def limit(self) -> float:
        """Return how many seconds one attempt may take; ``math.inf`` when only the deadline counts."""
        return math.inf if self.timeout is None else self.timeout.seconds

    def around_an_attempt(self, attempt: Inner) -> Inner:
        """Wrap *attempt* in the policies that see every single one: breaker, patience, hedge, time limit."""
        breaker = self.breaker or OFF
        hedge = () if self._copies is None else (self._copies,)
        patience = (Patience(self.timeout),) if self.timeout is not None and self.timeout.learned else ()
        return compose([breaker, *patience, *hedge, self.timeout or ONLY_THE_DEADLINE], attempt)

    def to_record(self) -> dict[str, Any]:
        """Return what was learned, JSON-ready; ``from_record`` reads it back."""
        retry, hedge, breaker = self.retry, self.hedge, self.breaker
        return {
            "strategy": self.strategy,
            "effects": self.effects,
            "retry": None if retry is None else {"attempts": retry.attempts, **asdict(retry.backoff)},
            "timeout": None if self.limit == math.inf else self.limit,
            "hedge": None if hedge is None else [hedge.after, hedge.most],
            "breaker": None if breaker is None or not breaker.learned else learned_terms(breaker),
            "deadline": None if self.deadline == math.inf else self.deadline,
            "observations": self.observations,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Plan:
        """Return the plan whose *record* that is; ValueError if it is none."""
        try:
            retry, hedge, deadline = record["retry"], record["hedge"], record["deadline"]
            breaker = record.get("breaker")  # older records have none
            return cls(
                strategy=str(record["strategy"]),
                effects=checked(record["effects"]),
                retry=None if retry is None else _retry(**retry),
                timeout=None if record["timeout"] is None else learned_limit(record["timeout"], math.inf),
                hedge=None if hedge is None else Hedge(hedge[0], most=hedge[1], threads=False),
                breaker=CircuitBreaker() if breaker is None else CircuitBreaker(**breaker, learned=True),
                deadline=math.inf if deadline is None else float(deadline),
                observations=int(record["observations"]),
            )
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"not the record of a plan: {record!r:.200}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the settings in force, JSON-ready; None is off."""
        return {
            "strategy": self.strategy,
            "attempts": 1 if self.retry is None else self.retry.attempts,
            "timeout": None if self.limit == math.inf else self.limit,
            "hedge": None if self._copies is None else self._copies.after,
            "breaker": None if self.breaker is None else self.breaker.failures,
            "rest": None if self.breaker is None else self.breaker.rest,
            "bulkhead": None if self.bulkhead is None else self.bulkhead.most,
            "limit": None if self.concurrency is None else self.concurrency.most,
            "throttle": None if self.throttle is None else self.throttle.accept,
            "budget": None if self.budget is None else self.budget.ratio,
            "deadline": None if self.deadline == math.inf else self.deadline,
            "effects": self.effects,
            "observations": self.observations,
        }


def learned_terms(breaker: CircuitBreaker) -> dict[str, Any]:
    """Return what is learned of a *breaker*, JSON-ready."""
    return {name: getattr(breaker, name) for name in ("failures", "rest", "most_rest", "wait")}


def _retry(attempts: int, **backoff: Any) -> Retry:
    return Retry(attempts, backoff=Backoff(**backoff))
