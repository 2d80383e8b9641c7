"""Who is the best of the peers in each figure of each world, and whether ours is worse than that one, or better.

What is judged is success, p99 and extra load; p50 is shown.  Extra load buys something, and whoever buys nothing has
the least of it: so it is compared twice, with the least of all peers, and with the least of those that are no worse
than ours in success and p99, beyond the interval.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmarks._real_tail_figures import FIGURES, Figure, Gain, Side, gains
from benchmarks._real_tail_sides import OURS, PEERS

SHOWN = "p50"
LOAD = "extra load"
NEEDED = 2  # figures in which ours is to be better than the best of them

Gains = dict[str, dict[str, Gain]]


class Verdict(NamedTuple):
    """Compare ours with the best of some peers in one figure of one world; *peer* is None when there is none."""

    world: str
    figure: Figure
    peer: str | None
    gain: Gain | None
    among: str = "all"

    @property
    def is_worse(self) -> bool:
        """Return whether ours is worse than the best of them, beyond the interval."""
        return self.gain is not None and self.gain.is_worse

    @property
    def is_better(self) -> bool:
        """Return whether ours is better than the best of them, beyond the interval."""
        return self.gain is not None and self.gain.is_better


def best(sides: dict[str, Side], figure: Figure, peers: list[str]) -> str | None:
    """Return which of *peers* has the best figure."""
    return max(peers, key=lambda peer: figure.sign * figure.of(sides[peer]), default=None)


def as_good(found: Gains, peers: list[str]) -> list[str]:
    """Return those peers that ours does not beat in success or p99, beyond the interval."""
    return [peer for peer in peers if not (found[peer]["success"].is_better or found[peer]["p99"].is_better)]


def verdicts(world: str, sides: dict[str, Side]) -> list[Verdict]:
    """Return the verdicts on one world, that on the load twice."""
    found, peers = gains(sides, OURS), [peer for peer in PEERS if peer in sides]
    listed = [(figure, "all", peers) for figure in FIGURES]
    listed += [(figure, "as good", as_good(found, peers)) for figure in FIGURES if figure.name == LOAD]
    told = []
    for figure, among, these in listed:
        peer = best(sides, figure, these)
        told.append(Verdict(world, figure, peer, None if peer is None else found[peer][figure.name], among))
    return told


def judged(found: list[Verdict], *, fairly: bool) -> list[Verdict]:
    """Return what counts; *fairly* compares the load with those that do as well."""
    among = {LOAD: "as good" if fairly else "all"}
    return [each for each in found if each.figure.name != SHOWN and each.among == among.get(each.figure.name, "all")]
