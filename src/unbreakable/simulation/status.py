"""What a simulation engine has done so far, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unbreakable.simulation.ledger import Calibration
from unbreakable.simulation.speedup import Speedup


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantumStats:
    """Say what was simulated, executed and gained.

    ``total_simulations`` counts plans made, the one at a target's first use, from nothing but a guess, included.
    ``avg_speedup`` is measured at the median, ``p99_speedup`` at the 99th percentile, against each job's primary
    operation alone, one attempt with the call's deadline; None when it cannot be told from none.
    ``best_strategies`` says how often each strategy was chosen, ``calibration`` by target how well predictions held,
    ``raced`` how many second copies races have sent, ``extra_load`` what share of extra requests the plans in force are
    predicted to make, with those of the races; None without any plan or race.
    """

    total_simulations: int
    total_executions: int
    avg_speedup: Speedup | None
    p99_speedup: Speedup | None
    best_strategies: Mapping[str, int]
    calibration: Mapping[str, Calibration]
    extra_load: float | None
    raced: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "total_simulations": self.total_simulations,
            "total_executions": self.total_executions,
            "avg_speedup": None if self.avg_speedup is None else self.avg_speedup.to_dict(),
            "p99_speedup": None if self.p99_speedup is None else self.p99_speedup.to_dict(),
            "best_strategies": dict(self.best_strategies),
            "calibration": {target: each.to_dict() for target, each in self.calibration.items()},
            "extra_load": self.extra_load,
            "raced": self.raced,
        }
