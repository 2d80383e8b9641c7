"""What a plan costs: weighing the seven strategies, some twenty candidates, on a thousand simulated requests each.

Plans are made in the background; the call itself reads one attribute.  ``--json`` prints the figures as one object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time

from unbreakable.policies import Plan
from unbreakable.simulation.evaluate import UNIVERSES, universes
from unbreakable.simulation.model import Model
from unbreakable.simulation.score import ScoreWeights
from unbreakable.simulation.weigh import weigh
from unbreakable.stats import Traffic

ROUNDS = 101
TARGETS = {  # share that fails, share that hangs, share that takes ten times as long
    "steady": (0.0, 0.0, 0.0),
    "long tail": (0.0, 0.0, 0.05),
    "fails and hangs": (0.05, 0.0125, 0.05),
}


def traffic_of(fails: float, hangs: float, tail: float, count: int = 5_000) -> Traffic:
    """Return what was seen of a target of that kind."""
    dice, traffic = random.Random(1), Traffic()
    for _ in range(count):
        u = dice.random()
        if u < fails:
            traffic.update(failed=[0.004])
        elif u < fails + hangs:
            traffic.update(cut=[1.0])
        else:
            traffic.update(ok=[dice.lognormvariate(-3.0, 0.4) * (10 if dice.random() < tail else 1)])
    return traffic


def measure(traffic: Traffic) -> dict[str, float]:
    """Return the milliseconds of a model and of weighing, as medians with quartiles."""
    before, parts = Plan(effects="idempotent"), {"model": [], "weighing": []}
    for _ in range(ROUNDS):
        began = time.perf_counter()
        model = Model(traffic)
        made = time.perf_counter()
        weigh(model, before, lambda _: True, weights=ScoreWeights(), u=0.5)
        parts["model"].append(1e3 * (made - began))
        parts["weighing"].append(1e3 * (time.perf_counter() - made))
    return {name: statistics.quantiles(times, n=4) for name, times in parts.items()}


def main() -> None:
    """Print one line for each kind of target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    universes()
    found = {name: measure(traffic_of(*kind)) for name, kind in TARGETS.items()}
    if as_json:
        print(json.dumps(found))
        return
    print(f"ms per plan, median (quartiles) of {ROUNDS}; {UNIVERSES:,} simulated requests for each candidate")
    for name, parts in found.items():
        told = "  ".join(f"{part} {mid:5.2f} ({low:.2f}–{high:.2f})" for part, (low, mid, high) in parts.items())
        print(f"  {name:<16} {told}")


if __name__ == "__main__":
    main()
