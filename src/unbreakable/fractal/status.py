"""How a node is doing, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Hold quantiles of how long successes took, in seconds; None before the first."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Say how a node is doing; with ``key``, over all keys, and with what its children did and learned.

    ``state`` is "new", "working" or "resting" (a circuit is not closed).  ``success_rate`` is (ok + healed) / finished,
    ``heal_rate`` is healed / (healed + failed): 1.0 and 0.0 before anything counts.  ``copies_sent`` and ``copies_won``
    are how many second copies of late attempts were sent, and how many of them answered first.  ``breaker`` is how the
    circuit stands; with ``key``, the first that is not closed, if there is one.  ``limit`` is how many calls may be in
    flight, with ``key`` of the one that takes most; ``budget`` is how many repeats can be paid for now; None when there
    is no such limit.
    ``throttle`` is which share of the calls is refused here, by a throttle, because the target refuses too many; with
    ``key``, the most of any.  ``remedies`` says by signature how often each remedy was tried and worked lately;
    ``foresights`` by which rule a failure comes back, how often its remedy was applied before it, and how many failures
    that has prevented.  ``plan`` is what calls go by; with ``key``, those of the one that most is known of.
    ``shadows`` says what policies that only measure (``ub.Shadow``) would have done, by their names.
    ``background`` says how often each background sub-operation ran.
    """

    name: str
    state: str
    total_executions: int
    success_count: int
    failure_count: int
    heal_count: int
    degraded_count: int
    copies_sent: int
    copies_won: int
    success_rate: float
    heal_rate: float
    latency: Latency
    breaker: str
    limit: int | None
    in_flight: int | None
    budget: float | None
    throttle: float | None
    signatures: int
    remedies: Mapping[str, Mapping[str, Mapping[str, float]]]
    plan: Mapping[str, Any]
    foresights: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    background: Mapping[str, int] = field(default_factory=dict)
    shadows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    children: tuple[NodeStatus, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)
