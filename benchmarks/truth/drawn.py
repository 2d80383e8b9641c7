"""Worlds that are drawn at random, as broadly as targets differ."""

from __future__ import annotations

import math
import random

import numpy as np
from benchmarks.truth.laws import Law, exponential, inherent_stragglers, lognormal, mixture, pareto, shifted, stragglers
from benchmarks.truth.worlds import Endpoint, World

NEVER = 1e4  # seconds that a request takes which hangs
LONGEST = 30.0  # deadline


class Draw:
    """Draw the parts of one world, and note what they are."""

    def __init__(self, seed: int, number: int) -> None:
        self.dice = random.Random(f"{seed} {number}")
        self.notes: list[str] = []

    def between(self, least: float, most: float) -> float:
        """Return a number whose logarithm is uniform."""
        return math.exp(self.dice.uniform(math.log(least), math.log(most)))

    def one(self, **shares: float) -> str:
        """Return one of the names, by their shares."""
        return self.dice.choices(list(shares), list(shares.values()))[0]

    def note(self, text: str) -> None:
        """Add to the title."""
        self.notes.append(text)

    def body(self, median: float) -> Law:
        """Return how long most answers take."""
        kind = self.one(lognormal=4, pareto=2, bimodal=3, tailed=2, exponential=1, steady=1)
        if kind == "lognormal":
            spread = self.dice.uniform(0.15, 1.5)
            self.note(f"lognormal cv {spread:.1f}")
            return lognormal(median * math.sqrt(1.0 + spread**2), spread * median * math.sqrt(1.0 + spread**2))
        if kind == "pareto":
            shape = self.dice.uniform(1.2, 3.5)
            self.note(f"Pareto {shape:.1f}")
            return pareto(median * 0.5 ** (1.0 / shape), shape, 2000.0 * median)
        if kind == "bimodal":
            share, factor = self.between(0.02, 0.4), self.between(3.0, 30.0)
            self.note(f"{share:.0%} x{factor:.0f}")
            return mixture(lognormal(median, 0.25 * median), lognormal(factor * median, 0.25 * factor * median), share)
        if kind == "tailed":
            share, shape = self.between(0.005, 0.1), self.dice.uniform(0.9, 2.5)
            self.note(f"{share:.1%} Pareto {shape:.1f}")
            return mixture(lognormal(median, 0.4 * median), pareto(2.0 * median, shape, 2000.0 * median), share)
        self.note(kind)
        return shifted(exponential(median), 0.3 * median) if kind == "exponential" else lognormal(median, 0.05 * median)

    def law(self, median: float) -> Law:
        """Return how long answers take, with those that take long for a reason."""
        body, kind = self.body(median), self.one(none=5, each=3, inherent=2, hangs=1)
        share, factor = self.between(0.005, 0.1), self.between(3.0, 30.0)
        if kind == "each":
            self.note(f"stragglers {share:.1%} x{factor:.0f}")
            return stragglers(body, share, factor)
        if kind == "inherent":
            self.note(f"inherent {share:.1%} x{factor:.0f}")
            return inherent_stragglers(body, share, factor)
        if kind == "hangs":
            self.note(f"hangs {share / 10.0:.2%}")
            return mixture(body, shifted(exponential(1.0), NEVER), share / 10.0)
        return body

    def endpoint(self, median: float) -> Endpoint:
        """Return an endpoint: how long it takes, how it fails, whether it has bad times."""
        self.note(f"{1e3 * median:.0f} ms")
        end = Endpoint(self.law(median), fault=self.one_fault(median))
        kind = self.one(none=3, each=4, bursts=3)
        if kind == "each":
            fails = self.between(0.001, 0.2)
            self.note(f"fails {fails:.1%}")
            end = end._replace(fails=fails, fails_bad=fails)
        elif kind == "bursts":
            end = self.times(end, self.between(0.1, 5.0))
            end = end._replace(
                fails=self.dice.choice([0.0, self.between(0.0005, 0.02)]), fails_bad=self.between(0.3, 1.0)
            )
            self.note(f"bursts {end.fails_bad:.0%}")
        if self.dice.random() < 0.25:
            end = end if end.bad else self.times(end, self.between(0.5, 10.0))
            end = end._replace(slower=self.between(2.0, 15.0))
            self.note(f"brownouts x{end.slower:.0f}")
        return end

    def times(self, end: Endpoint, bad: float) -> Endpoint:
        """Return *end* with bad times, of so many seconds on average, that are a 1/100 to 1/5 of all."""
        good = bad / self.between(0.01, 0.25)
        self.note(f"{bad:.1f} s of {good + bad:.0f} s bad")
        return end._replace(good=good, bad=bad)

    def one_fault(self, median: float) -> float:
        """Return how many seconds it takes until a fault shows."""
        return {"fast": 0.003, "like": median, "slow": 5.0 * median}[self.one(fast=3, like=2, slow=1)]


def drawn(seed: int, number: int) -> World:
    """Return the world of that number that *seed* draws."""
    draw = Draw(seed, number)
    median = draw.between(0.001, 0.3)
    ends = [draw.endpoint(median)]
    together = False
    if draw.dice.random() < 0.35:
        draw.note("| replica")
        ends.append(draw.endpoint(median * draw.between(0.2, 4.0)))
        together = draw.dice.random() < 0.3
        draw.note("together" if together and ends[0].bad else "")
    deadline = min(LONGEST, max(0.05, 10.0 * median, _slow(ends[0]) * draw.between(1.5, 10.0)))
    rate = round(draw.between(10.0, 500.0))
    return World(
        f"R{seed}.{number}",
        " ".join(filter(None, draw.notes)),
        tuple(ends),
        rate,
        round(deadline, 2),
        together=together,
    )


def _slow(end: Endpoint) -> float:
    """Return the 98th percentile of answers in good times."""
    dice = np.random.default_rng(1)
    return float(np.quantile(end.law(dice, dice.random(20_000)), 0.98))
