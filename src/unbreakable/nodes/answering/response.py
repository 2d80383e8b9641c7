"""What an agent answers, how sure it is, and what the answer rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, TypeAlias

from unbreakable.errors import ConfigurationError

Kind: TypeAlias = Literal["answer", "extract", "closest", "abstain", "degraded"]

EXTRACT = 0.85  # quality from which a passage is taken for the answer; the tests measure what that costs and gains
CLOSEST = 0.2  # quality from which a passage is worth naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A passage that an answer rests on: its number and title, the sentences quoted, where the passage comes from."""

    passage: int
    title: str
    quote: str
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A step of the ladder that was tried, and why it fell; None for the one that answered."""

    name: str
    fell: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResponse:
    """Say what was found for a question, and how far it can be trusted.

    ========= ========================================================================================================
    extract   ``answer`` is what ``sources`` quote, word for word, a line each: for a question one passage, for a topic
              ("show me pyramids") up to three
    closest   nothing supports an answer well enough; ``sources`` are what comes nearest, and ``answer`` names them
    abstain   nothing comes near
    degraded  the knowledge could not be used; ``answer`` says why
    answer    words of a model, which no agent has yet
    ========= ========================================================================================================

    ``quality`` is how well the sources support an answer, ``confidence`` how likely it is that the response would be
    judged good, both in 0..1; ``confidence_source`` is "judged" once that rests on judged responses, else "prior".
    ``rungs`` are the steps that were tried, with the reason why each fell.  ``stems`` are the words of the question as
    they were looked for: with them, the response can be judged by any agent of the same name and knowledge.
    """

    id: str
    kind: Kind
    answer: str
    confidence: float = 0.0
    confidence_source: Literal["prior", "judged"] = "prior"
    sources: tuple[Source, ...] = ()
    quality: float = 0.0
    rungs: tuple[Rung, ...] = ()
    stems: tuple[str, ...] = field(default=(), repr=False)

    @property
    def degraded(self) -> bool:
        """Return whether the knowledge could not be used."""
        return self.kind == "degraded"

    @property
    def ok(self) -> bool:
        """Return whether the question was answered."""
        return self.kind in ("answer", "extract")

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {**asdict(self), "degraded": self.degraded}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the response that *data* was made of, so that it can be judged later; ConfigurationError if none."""
        try:
            told = {name: value for name, value in data.items() if name != "degraded"}
            sources = tuple(Source(**each) for each in told.pop("sources"))
            rungs = tuple(Rung(**each) for each in told.pop("rungs"))
            return cls(**told | {"stems": tuple(map(str, told["stems"]))}, sources=sources, rungs=rungs)
        except (AttributeError, KeyError, TypeError) as error:
            raise ConfigurationError(f"response must be what AgentResponse.to_dict returned ({error})") from None
