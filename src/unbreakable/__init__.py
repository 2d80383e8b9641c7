"""Keep unreliable work running: protected calls, nodes, loops and workflows that heal and learn."""

from unbreakable import errors, events
from unbreakable.fractal import FractalNode, LocalMemory, NodeStatus, Verify
from unbreakable.outcome import Failure, Outcome, Status
from unbreakable.policies import (
    Backoff,
    Bulkhead,
    CircuitBreaker,
    Context,
    Hedge,
    Retry,
    RetryBudget,
    Strategy,
    Timeout,
    current,
)
from unbreakable.protect import attempts, protect

__all__ = [
    "Backoff",
    "Bulkhead",
    "CircuitBreaker",
    "Context",
    "Failure",
    "FractalNode",
    "Hedge",
    "LocalMemory",
    "NodeStatus",
    "Outcome",
    "Retry",
    "RetryBudget",
    "Status",
    "Strategy",
    "Timeout",
    "Verify",
    "attempts",
    "current",
    "errors",
    "events",
    "protect",
]
