"""How likely it is that a response of some quality would be judged good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

BINS = 10  # of quality
WEIGHT = 5.0  # judged responses that the prior of each bin is worth


def prior(quality: float, share: float) -> float:
    """Return what is thought before anybody judged: *share* of the best responses is good, of the worst none."""
    return share * quality**2


def curve(judged: Iterable[tuple[float, float]], share: float) -> tuple[float, ...]:
    """Return for each tenth of quality the share of good ones among the *judged* (quality, good), prior included.

    More quality never means less: neighbours that say so are pooled (isotonic regression; Ayer and others, 1955).

    >>> curve([], 0.8)[-1] == prior(0.95, 0.8)
    True
    """
    good = [WEIGHT * prior((number + 0.5) / BINS, share) for number in range(BINS)]
    count = [WEIGHT] * BINS
    for quality, verdict in judged:
        good[bin_of(quality)] += verdict
        count[bin_of(quality)] += 1
    return _rising(good, count)


def bin_of(quality: float) -> int:
    """Return the tenth that *quality* is in."""
    return min(BINS - 1, max(0, int(quality * BINS)))


def _rising(good: Sequence[float], count: Sequence[float]) -> tuple[float, ...]:
    blocks: list[tuple[float, float, int]] = []  # good, count, bins
    for block in zip(good, count, [1] * len(good), strict=True):
        blocks.append(block)
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] > blocks[-1][0] * blocks[-2][1]:
            last, before = blocks.pop(), blocks.pop()
            blocks.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    return tuple(value for total, weight, bins in blocks for value in [total / weight] * bins)
