"""How many of very many cases are played: each fact of a product and some lines of a family each day, all in the lab.

`./dev lab` sets UNBREAKABLE_DENSE, which of all tests only this file reads; they have the disk then, too.
"""

from __future__ import annotations

import itertools
import os

DENSE = bool(os.environ.get("UNBREAKABLE_DENSE"))


def crossed(*facts):
    """Return cases in which each value of each of *facts* is met, in turn with the others'; when dense, all of them."""
    if DENSE:
        return list(itertools.product(*facts))
    facts = [list(values) for values in facts]
    return [tuple(values[turn % len(values)] for values in facts) for turn in range(max(map(len, facts)))]


def lines(share, shares, stride=1, sparse=1):
    """Return the first line and the stride of one test of a family of *shares* that together meet every line.

    When not dense, they meet one of *sparse* lines: what is wrong at a line is wrong at many.
    """
    if DENSE:
        return 0, stride
    return stride * sparse * (share % shares), stride * sparse * shares


def most(dense, sparse):
    """Return how often a thing is done that is a matter of chance."""
    return dense if DENSE else sparse
