"""What the judged responses of an agent say: how good it is, how sure it may be, which passage answers what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unbreakable.nodes.answering.confidence import bin_of, curve, prior
from unbreakable.nodes.answering.rating import VERIFIED, Rating, rate
from unbreakable.nodes.answering.response import CLOSEST

WINDOW = 1_000  # judged responses that count, the last ones, so that an agent can change


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, 0 (bad) to 1 (good), on a response of some quality to a question of these stems.

    ``passage`` is the number of the one that was the answer, ``taught`` of the one that should be, as far as told.
    """

    good: float
    quality: float
    passage: int | None = None
    taught: int | None = None
    stems: tuple[str, ...] = ()

    def votes(self) -> dict[int, float]:
        """Return by passage, in -1..1, whether it answers the question."""
        votes = {} if self.passage is None else {self.passage: 2.0 * self.good - 1.0}
        return votes if self.taught is None else {**votes, self.taught: 1.0}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold what was derived from the last 1,000 judgements; nothing here is ever counted up by unjudged responses."""

    rating: Rating
    confidences: tuple[float, ...] | None  #: by tenth of quality; None as long as they would rest on too few
    votes: Mapping[str, Mapping[int, float]] = field(default_factory=dict)  #: stem -> passage -> good minus bad
    verdicts: Mapping[tuple[frozenset[str], int], float] = field(default_factory=dict)  #: the same for whole questions

    def confidence(self, quality: float) -> float:
        """Return how likely a response of that *quality* would be judged good."""
        if quality < CLOSEST:
            return 0.0
        if self.confidences is None:
            return prior(quality, self.rating.score / 1000.0)
        return self.confidences[bin_of(quality)]

    def lessons(self, stems: Iterable[str]) -> dict[int, dict[str, float]]:
        """Return by passage and stem, in 0..1, how sure it is that the passage has what is asked for with that word.

        n good verdicts more than bad ones make n / (n + 0.5).
        """
        found: dict[int, dict[str, float]] = {}
        for stem in stems:
            for passage, votes in self.votes.get(stem, {}).items():
                if votes > 0:
                    found.setdefault(passage, {})[stem] = votes / (votes + 0.5)
        return found

    def was_wrong(self, stems: Iterable[str], passage: int) -> bool:
        """Return whether *passage* was judged as answer to the same question, and found bad rather than good."""
        return self.verdicts.get((frozenset(stems), passage), 0.0) < 0


def weigh_up(judgements: Iterable[Judgement], prior_score: float) -> Evidence:
    """Return what *judgements* say of an agent that was given a *prior_score* of 0..1000."""
    votes: dict[str, dict[int, float]] = {}
    verdicts: dict[tuple[frozenset[str], int], float] = {}
    judged = list(judgements)
    for judgement in judged:
        for passage, vote in judgement.votes().items():
            question = (frozenset(judgement.stems), passage)
            verdicts[question] = verdicts.get(question, 0.0) + vote
            for stem in judgement.stems:
                by_passage = votes.setdefault(stem, {})
                by_passage[passage] = by_passage.get(passage, 0.0) + vote
    rating = rate(prior_score, sum(judgement.good for judgement in judged), len(judged))
    pairs = [(judgement.quality, judgement.good) for judgement in judged if judgement.quality >= CLOSEST]
    confidences = curve(pairs, prior_score / 1000.0) if len(pairs) >= VERIFIED else None
    return Evidence(rating, confidences, votes, verdicts)
