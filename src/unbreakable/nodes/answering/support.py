"""How well a passage supports an answer: the share of the question's words that its best sentences have.

A word weighs ``log((n + 1) / (d + 0.5))`` where *d* of *n* passages have it (K. Spärck Jones, 1972): the more it tells,
the more it is missed, and a word that the knowledge does not have at all is missed most.  The words of the title and of
the context fields count as said by every sentence of the passage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from unbreakable.nodes.answering import sort
from unbreakable.nodes.answering.opposites import changes_places, contradicts
from unbreakable.nodes.answering.passage import Passage
from unbreakable.nodes.answering.question import Question
from unbreakable.nodes.answering.sentences import Sentence, read

MOST_SENTENCES = 3  # in a row that are an answer together
LEAST_WEIGHT = 0.1  # of a word that every passage has
OBJECTED = 0.5  # what is left of the support of sentences that have the words and are not the answer all the same
NOTHING: Mapping[str, float] = {}
GAP = 0.05  # a passage whose support comes so near the best one's supports an answer as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The sentences of a passage that support an answer best; ``quality`` says in 0..1 how well.

    ``objection`` says why they are not the answer although they have its words, None when nothing speaks against them.
    """

    passage: Passage
    quote: str
    quality: float
    objection: str | None = None
    numbers: frozenset[str] = frozenset()
    edge: tuple[float, ...] = ()  #: what it has before another passage of the same quality
    own: tuple[float, int] = (0.0, 0)  #: what these sentences have before others of the same passage

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready, without what only serves to put matches in order."""
        told = ("quote", "quality", "objection")
        return {"passage": self.passage.to_dict(), **{name: getattr(self, name) for name in told}}


def weigh(question: Question, frequencies: Mapping[str, int], passages: int) -> dict[str, float]:
    """Return how much each word of *question* tells."""
    return {
        word: max(LEAST_WEIGHT, math.log((passages + 1) / (frequencies.get(word, 0) + 0.5))) for word in question.stems
    }


def best_match(
    question: Question, weights: Mapping[str, float], passage: Passage, learned: Mapping[str, float] = NOTHING
) -> Match:
    """Return the sentences of *passage* that support an answer to *question* best.

    Those with a word of the question go before those without, which only a title makes an answer.  *learned* says by
    word, in 0..1, how sure it is that the passage has what is asked for with that word; nobody told which sentence that
    is, so that the whole passage is quoted then.
    """
    comparison = Comparison(question, weights, passage, learned)
    runs = list(_runs(read(passage.text)))
    telling = [run for run in runs if any(not sentence.stems.isdisjoint(weights) for sentence in run)]
    return max(map(comparison.match, telling or runs[:1]), key=lambda match: (match.quality, match.edge, match.own))


def _runs(sentences: Sequence[Sentence]) -> Iterator[Sequence[Sentence]]:
    """Yield every sentence, alone and with those after it that point back to it."""
    for start in range(len(sentences)):
        for end in range(start + 1, min(start + MOST_SENTENCES, len(sentences)) + 1):
            if end > start + 1 and not sentences[end - 1].points_back:
                break
            yield sentences[start:end]


class Comparison:
    """A question beside a passage, whose sentences are tried one run after the other."""

    def __init__(
        self, question: Question, weights: Mapping[str, float], passage: Passage, learned: Mapping[str, float]
    ) -> None:
        self.question, self.weights, self.passage, self.learned = question, weights, passage, learned
        self.around, self.total = passage.around, sum(weights.values())
        self.titled = self.share(self.around)

    def share(self, said: frozenset[str], learned: Mapping[str, float] = NOTHING) -> float:
        """Return how much of the question's weight *said* has, and *learned* makes up for."""
        found = (weight * (1.0 if word in said else learned.get(word, 0.0)) for word, weight in self.weights.items())
        return sum(found) / self.total

    def match(self, run: Sequence[Sentence]) -> Match:
        """Return how well the sentences of *run* support an answer."""
        own = frozenset[str]().union(*(sentence.stems for sentence in run))
        said = own | self.around
        objection = object_to(self.question, run, own, said)
        taught = any(word not in said for word in self.learned)
        return Match(
            passage=self.passage,
            quote=self.passage.text if taught else " ".join(sentence.text for sentence in run),
            quality=self.share(said, self.learned) * (OBJECTED if objection else 1.0),
            objection=objection,
            numbers=frozenset[str]().union(*(sentence.numbers for sentence in run)),
            edge=(self.in_order(run), len(self.question.aside & said), self.titled),
            own=(self.share(own), -len(run)),
        )

    def in_order(self, run: Sequence[Sentence]) -> float:
        """Return the share of the question's neighbours that are neighbours in a sentence, or together in the title."""
        pairs = self.question.pairs
        found = sum(self.around.issuperset(pair) or any(pair in each.pairs for each in run) for pair in pairs)
        return found / max(1, len(pairs))


def object_to(question: Question, run: Sequence[Sentence], own: frozenset[str], said: frozenset[str]) -> str | None:
    """Return what speaks against sentences that have the words of the question, None for nothing."""
    negated = any(sentence.negated for sentence in run)
    unnamed = [name for word, name in question.named.items() if word not in said]
    if unnamed:
        return f"it does not speak of {', '.join(unnamed)}"
    if contradicts(frozenset(question.stems), said):
        return "it says the opposite"
    if any(changes_places(question.places, sentence.places, own) for sentence in run):
        return "it says it the other way round"
    if question.negated and not (negated and len(run) == 1):
        return "it does not say what is not"
    if negated and question.asks and not (question.negated or question.whether):
        return "it says what is not"
    if question.how_much and not any(sentence.numbers for sentence in run):
        return "it has no number"
    if question.when and not any(sentence.tells_when for sentence in run):
        return "it does not say when"
    return _not_told(question, run)


def _not_told(question: Question, run: Sequence[Sentence]) -> str | None:
    """Return what sort of thing is asked for and not told, None for nothing."""
    if question.roles and any(sort.other_way_round(question.roles, sentence.words) for sentence in run):
        return "it says it the other way round"
    if not question.sort or any(sentence.is_value for sentence in run):
        return None
    asked = frozenset(question.stems)
    told = {
        "where": lambda sentence: sort.tells_where(sentence.words),
        "why": lambda sentence: sort.tells_why(frozenset(sentence.words)),
        "how": lambda sentence: not asked <= question.named.keys() or sort.tells_how(sentence.words),
        "who": lambda sentence: sort.tells_who(sentence.words, sentence.names, asked),
    }[question.sort]
    return None if any(map(told, run)) else f"it does not say {question.sort}"


def sunk(match: Match) -> Match:
    """Return *match* as one that was judged wrong for this very question."""
    worth = 1.0 if match.objection else OBJECTED
    return replace(match, quality=match.quality * worth, objection="it was judged wrong for this question")


def rivals(question: Question, matches: Sequence[Match]) -> list[Match]:
    """Return the matches that support another answer as well as the first one does; *matches* come best first.

    Passages of one title do not compete, unless they give different numbers.
    """
    best, found = matches[0], []
    for other in matches[1:]:
        if other.quality < best.quality - GAP:
            break
        same_topic = bool(best.passage.title) and other.passage.title == best.passage.title
        competes = not same_topic or (question.how_much and other.numbers != best.numbers)
        if competes and other.quote != best.quote and other.edge >= best.edge:
            found.append(other)
    return found
