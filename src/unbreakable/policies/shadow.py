"""A policy that measures what it would have done, and does not do it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from unbreakable.policies.check import refuse
from unbreakable.record import Preset

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow(Generic[T_co]):
    """Measure what *policy* would have done, and leave calls as they are: they go as *beside* has it.

    ``breaker=ub.Shadow(ub.CircuitBreaker(3))`` is ``breaker=False`` with figures: how often it would have opened, and
    how many attempts it would have refused that succeeded.  They stand in ``get_status().shadows``, and each decision
    is told by the event ``Shadowed``.  *beside* is the policy in force meanwhile: False for none, None for what is
    learned.  A call with a shadow is played step by step, which takes some thirty times as long as one that is well
    without.
    """

    policy: T_co = field(kw_only=False)
    beside: Any | Literal[False] | None = False

    def __post_init__(self) -> None:
        if self.policy is not None and self.policy is not False and not isinstance(self.policy, (Preset, Shadow)):
            raise refuse("Shadow.policy", "a policy to measure, such as ub.CircuitBreaker()", self.policy)
