"""The static rules that others ship, played from their documentation; each with the caller's deadline around it.

============== ====================================================================================================
one attempt    what a caller has without anything
tenacity       3 attempts, 0.1 s and 0.2 s between them
stamina        its defaults: 10 attempts, 0.1 s doubled up to 5 s, up to 1 s on top
Polly          its defaults: 3 retries, 2 s doubled, decorrelated jitter
gRPC           3 retries, 0.1 s doubled, plus or minus 20 %; its throttle with 0.2 tokens a success
hedge p95      a copy after the true 95th percentile, which somebody knows beforehand; to the replica if there is one
hedge p95 + 3  the same, and 3 retries 0.1 s doubled
============== ====================================================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.truth.luck import Luck
from benchmarks.truth.rule import Decorrelated, Doubling, Rule, Tokens
from benchmarks.truth.worlds import World

SAMPLE, SAMPLE_SEED = 200_000, 999_983


def answers(world: World, endpoint: int) -> Any:
    """Return how long that endpoint's answers take, over good and bad times, in order of size."""
    luck = Luck(world._replace(least=0), SAMPLE, SAMPLE_SEED)
    what, draws = world.endpoints[endpoint], luck.draws(endpoint, 0)
    bad = np.searchsorted(luck.regimes[endpoint], luck.comes, side="right") % 2 == 1
    fine = draws.fault >= np.where(bad, what.fails_bad, what.fails)
    return np.sort((draws.takes * np.where(bad, what.slower, 1.0))[fine])


def peers(world: World) -> list[Rule]:
    """Return the rules, one attempt first."""
    aside = len(world.endpoints) - 1
    late = float(np.quantile(answers(world, 0), 0.95))
    return [
        Rule("one attempt"),
        Rule("tenacity", 3, Doubling(0.1)),
        Rule("stamina", 10, Doubling(0.1, 5.0, more=1.0)),
        Rule("Polly", 4, Decorrelated(2.0, 30.0)),
        Rule("gRPC", 4, Doubling(0.1, 1.0, spread=0.2), bucket=Tokens(100.0, 0.2)),
        Rule("hedge p95", copies=(late,), aside=aside),
        Rule("hedge p95 + 3", 4, Doubling(0.1), (late,), aside=aside),
    ]
