"""How many items are handed over together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from unbreakable.policies import check
from unbreakable.policies.check import refuse

MOST_LINGER = 3_600.0  # seconds: longer waits are a schedule, which is a loop's work


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Hand over up to *most* items together; wait up to *linger* seconds after the first one for more to come."""

    most: int = field(default=100, kw_only=False)
    linger: float = 0.0

    def __post_init__(self) -> None:
        check.whole("Batching.most", self.most, least=1)
        check.seconds("Batching.linger", self.linger)
        if self.linger > MOST_LINGER:
            raise refuse("Batching.linger", f"at most {MOST_LINGER:.0f} seconds", self.linger)


class Batch(list[Any]):
    """Hold items that are handed over together, and their ids in the same order.

    They are dealt with when the next batch is asked for, or at once with ``ack()``.
    """

    def __init__(self, items: list[Any], ids: tuple[str, ...], ack: Callable[[], object]) -> None:
        super().__init__(items)
        self.ids = ids
        self._ack = ack

    def ack(self) -> None:
        """Say that the items are dealt with: they are not delivered again."""
        self._ack()
