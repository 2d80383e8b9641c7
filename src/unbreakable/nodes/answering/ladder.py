"""The ladder of an answer: the first rung that holds is what is answered, and each that fell says why.

A rung is an async function of what was asked and found; it returns an Answer, or in words why it has none.  A model
would be one more rung, above the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unbreakable.nodes.answering.question import Question
from unbreakable.nodes.answering.response import CLOSEST, EXTRACT, Kind, Rung, Source
from unbreakable.nodes.answering.support import OBJECTED, Match, rivals

MOST_NAMED = 3  # passages that are quoted on a topic, or named when none is the answer
MOST_SHOWN = 80  # characters of a sentence that stands for a passage without a title


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with what the knowledge has on it: matches, best first, of so many passages."""

    question: Question
    matches: Sequence[Match]
    passages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a rung answers; ``quality`` says in 0..1 how well the sources support it."""

    kind: Kind
    text: str
    sources: tuple[Source, ...] = ()
    quality: float = 0.0


Step: TypeAlias = Callable[[Asked], Awaitable[Answer | str]]


async def climb_down(ladder: Sequence[tuple[str, Step]], asked: Asked) -> tuple[Answer, tuple[Rung, ...]]:
    """Return the answer of the first rung that holds, and which rungs were tried; the last one always holds."""
    tried: list[Rung] = []
    for name, step in ladder:
        answer = await step(asked)
        if isinstance(answer, Answer):
            return answer, (*tried, Rung(name=name))
        tried.append(Rung(name=name, fell=answer))
    raise LookupError("no rung of the ladder answered")


async def extract(asked: Asked) -> Answer | str:
    """Answer with the sentences of one passage, if they support it and nothing speaks against them.

    A topic, as in "show me pyramids", may have several passages; a question with several answers has none.
    """
    if not asked.matches:
        return "no passage has a word of the question"
    best, *others = asked.matches[0], *rivals(asked.question, asked.matches)
    name = _name(best)
    if asked.question.cut:
        return "the question is too long to be read whole"
    if best.objection is not None:
        return f"{name}: {best.objection}"
    if best.quality < EXTRACT:
        return f"{name} supports an answer to {best.quality:.2f}, which is less than {EXTRACT}"
    if others and asked.question.asks:
        return f"{name} and {_name(others[0])} support different answers"
    sources = tuple(map(_source, (best, *others[: MOST_NAMED - 1])))
    return Answer(
        kind="extract", text="\n".join(source.quote for source in sources), sources=sources, quality=best.quality
    )


async def closest(asked: Asked) -> Answer | str:
    """Name the passages that come nearest."""
    near = [match for match in asked.matches if match.quality >= CLOSEST][:MOST_NAMED]
    if not near:
        return "no passage comes near"
    names = "; ".join(dict.fromkeys(map(_name, near)))
    best = near[0].quality
    return Answer(
        kind="closest",
        text=f"I have no passage that answers this. Nearest: {names}.",
        sources=tuple(map(_source, near)),
        quality=best if best < EXTRACT else best * OBJECTED,  # the doubt is not in the words of one passage
    )


async def abstain(asked: Asked) -> Answer | str:
    """Say that there is nothing."""
    why = "I know nothing yet" if not asked.passages else "I have nothing on this"
    why = why if asked.question.stems else "I see no word in the question that I could look for"
    return Answer(kind="abstain", text=f"{why}.")


LADDER: tuple[tuple[str, Step], ...] = (("extract", extract), ("closest", closest), ("abstain", abstain))


def _source(match: Match) -> Source:
    passage = match.passage
    return Source(passage=passage.id, title=passage.title, quote=match.quote, source=passage.source)


def _name(match: Match) -> str:
    """Return what a passage is called: its title, or how its sentence begins."""
    if match.passage.title:
        return match.passage.title
    return f"“{match.quote if len(match.quote) <= MOST_SHOWN else match.quote[: MOST_SHOWN - 1] + '…'}”"
