"""Questions are answered from knowledge, with the source, or not at all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, Unpack

from unbreakable.errors import (
    ConfigurationError,
    DeadlineExceeded,
    Rejected,
    StateBroken,
    StateError,
    StateInUse,
    StateLocked,
)
from unbreakable.fractal import FractalNode
from unbreakable.fractal.options import Options
from unbreakable.fractal.ports import join
from unbreakable.fractal.settings import check_names
from unbreakable.fractal.status import NodeStatus
from unbreakable.nodes.answering.judging import Judgements, verdict
from unbreakable.nodes.answering.knowledge import KnowledgeBase, Readable
from unbreakable.nodes.answering.ladder import LADDER, Asked, climb_down
from unbreakable.nodes.answering.question import read_question
from unbreakable.nodes.answering.rating import Rating
from unbreakable.nodes.answering.response import AgentResponse, Rung
from unbreakable.nodes.doors import AsyncOperation, SyncOperation
from unbreakable.outcome import Failure, in_one_line
from unbreakable.plain import in_brief
from unbreakable.policies import Context, Retry, check, current
from unbreakable.policies.check import refuse
from unbreakable.runtime import Runtime, new_lock, run_blocking

Knowledge: TypeAlias = "KnowledgeBase | Readable"

SCORE = 850.0  # of an agent whose dna says nothing
MARK = 12  # characters of the ids of its responses that stand for the agent
EXCUSES: tuple[tuple[type[Exception], str], ...] = (  # in words that may be shown to anybody; the first that fits
    (DeadlineExceeded, "the time was up"),
    (Rejected, "there is too much to do"),
    (StateBroken, "the knowledge is damaged"),
    (StateLocked, "the knowledge is in use elsewhere"),
    (StateError, "the knowledge cannot be read"),
    (TypeError, "the question cannot be read"),
    (Exception, "something went wrong"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus(NodeStatus):
    """Say how an agent is doing: what a ``NodeStatus`` says of its calls, and what it answered.

    ``kinds`` is how many responses of each kind it gave in this process, ``queries`` how many in all.  ``passages`` is
    how many it knows, None when the knowledge cannot be used.
    """

    queries: int
    kinds: Mapping[str, int]
    rating: Rating
    passages: int | None


class AgentNode(FractalNode):
    """Answer questions from *knowledge*, word for word and with the source, or say that nothing is known.

    >>> agent = AgentNode(knowledge={"Egypt": {"pyramids": "The pyramids of Giza are 4,500 years old."}})
    >>> response = agent.process_query_sync("Show me pyramids", {"country": "Egypt"})
    >>> response.kind, response.answer, response.sources[0].title
    ('extract', 'The pyramids of Giza are 4,500 years old.', 'Egypt: pyramids')
    >>> agent.process_query_sync("Who was Tutankhamun's mother?").kind
    'abstain'

    *knowledge* is a ``KnowledgeBase``, or what one is made of: a dict, a list, the path of a file or folder.  An answer
    needs a passage that has the words of the question, does not say the opposite, and tells the sort of thing that is
    asked for: when, where, why, who, how much.  Words and their order decide, not their meaning, so a sentence may pass
    that is about something else.  There is no model that makes up sentences, and *model* takes nothing but None.
    English is read best: other languages are found word by word.

    *dna* is ``{"score": 0..1000}``, how good the agent is thought to be before anybody has judged it; ``intelligence``
    starts there and moves with ``feedback`` alone.  What was judged is kept with the knowledge.

    The keywords are those of ``ub.protect``.  Unless told otherwise there is no circuit and no second copy, since the
    knowledge is in this machine; only a locked file is asked again; what fails is answered by a "degraded" response.

    Raises ConfigurationError when a setting or the knowledge is wrong.
    """

    speaks_of_itself = True

    def __init__(
        self,
        dna: Mapping[str, Any] | None = None,
        knowledge: Knowledge | None = None,
        model: None = None,
        *,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_names(name or "agent", options, AgentNode)
        if model is not None:
            raise refuse("model", "None: answers are taken from the knowledge, models are not built yet", model)
        self._score = _checked_score(dna)
        self._owns_knowledge = not isinstance(knowledge, KnowledgeBase)
        system = options.pop("system", None)
        options.setdefault("effects", "none")
        options.setdefault("breaker", False)
        options.setdefault("hedge", False)
        options.setdefault("retry", Retry(on=StateLocked))
        options.setdefault("fallback", self._degraded)
        super().__init__("agent" if name is None else name, self._operation, **options)
        self.knowledge = knowledge if isinstance(knowledge, KnowledgeBase) else KnowledgeBase(knowledge)
        self.judgements = Judgements(self.knowledge, self.name, self._score)
        self.ladder = LADDER
        known_as = f"{self.knowledge.mark} {self.name}".encode("utf-8", "surrogatepass")
        self._mark = hashlib.sha256(known_as).hexdigest()[:MARK]
        self._kinds, self._lock = Counter[str](), new_lock()
        join(self, system)

    # ── answering ────────────────────────────────────────────────────────────────────────────────────────────────

    @AsyncOperation
    async def process_query(self, query: str, context: Mapping[str, Any] | None = None) -> AgentResponse:
        """Answer *query* as well as the knowledge allows; the ``AgentResponse`` says how well that is.

        A value of *context* that is a key or heading above passages, such as "Egypt" in ``{"country": "Egypt"}``,
        limits the answer to those; one whose key is a context field of entries rules out those with other values;
        other keys do no harm.  Of a question the first 4,000 characters and 32 words are read; a longer one gets no
        extract.

        Never raises an Exception, whatever the query is: what fails is told by a response of the kind "degraded".
        Only a ``validate``, ``key`` or ``fallback`` of yours can make it raise.  The search runs where it is called,
        on an event loop as well: for some milliseconds with 10,000 passages, for up to thirty with 100,000.
        """
        return await self._answer(query, context)

    @SyncOperation
    def process_query_sync(self, query: str, context: Mapping[str, Any] | None = None) -> AgentResponse:
        """Answer *query* from sync code; otherwise as ``process_query``."""
        return run_blocking(self._answer(query, context))

    def _operation(self, ctx: Context) -> Any:
        """Be what ``execute`` runs: the context's input is the query, or a dict with "query" and "context"."""
        given = ctx.input
        asked = (given.get("query"), given.get("context")) if isinstance(given, Mapping) else (given, None)
        script = self._answer(*asked)
        return script if ctx.runtime.preemptive else run_blocking(script)

    async def _answer(self, query: Any, context: Any) -> AgentResponse:
        if not isinstance(query, str):
            raise TypeError(f"a query must be text, not {type(query).__name__}")
        if not (context is None or isinstance(context, Mapping)):
            raise TypeError(f"a context must be a dict or None, not {type(context).__name__}")
        call = current()
        assert call is not None  # noqa: S101 - every attempt is part of a call
        question, evidence = read_question(query), self.judgements.evidence()
        found = self.knowledge.find(question, context or {}, evidence=evidence, late=lambda: call.remaining() <= 0)
        asked = Asked(question=question, matches=found.matches, passages=found.passages)
        answer, rungs = await climb_down(self.ladder, asked)
        return self._told(
            AgentResponse(
                id=self._new_id(),
                kind=answer.kind,
                answer=answer.text,
                confidence=evidence.confidence(answer.quality),
                confidence_source="prior" if evidence.confidences is None else "judged",
                sources=answer.sources,
                quality=answer.quality,
                rungs=rungs,
                stems=question.stems,
            )
        )

    def _degraded(self, failure: Failure) -> AgentResponse:
        """Answer when the knowledge could not be asked, without a word on the subject."""
        error = failure.error
        why = next(words for kind, words in EXCUSES if isinstance(error, kind))
        rung = Rung(name="knowledge", fell=in_one_line(error))
        text = f"I cannot look anything up right now: {why}."
        return self._told(AgentResponse(id=self._new_id(), kind="degraded", answer=text, rungs=(rung,)))

    def _told(self, response: AgentResponse) -> AgentResponse:
        with self._lock:
            self._kinds[response.kind] += 1
        return response

    def _new_id(self) -> str:
        return f"{self._mark}-{self.next_id()}"

    # ── being judged ─────────────────────────────────────────────────────────────────────────────────────────────

    async def feedback(self, response: AgentResponse, good: bool | float, *, passage: int | None = None) -> Rating:
        """Judge *response*: True, False or a score from 0 to 1; return the rating after that, once it is stored.

        *passage* teaches: it is the number of the passage that answers the question, whatever the response was, such as
        ``response.sources[1].passage`` or ``knowledge.search(…)[0].passage.id``.  The words of the question then count
        in part as words of that passage, the more often the more.  An extract of one passage that was judged bad is not
        given again for a question of the same words, unless others judge it good.

        Judging the same response again takes the place of the earlier verdict (among the last 10,000).  A response may
        be of another process, but must be of an agent with this name and this knowledge.  Raises ConfigurationError for
        anything else, a StateError when the verdict cannot be stored, which then does not count.  Waits, blocking, at
        most a second for another process that is writing to the same file.
        """
        return self.feedback_sync(response, good, passage=passage)

    def feedback_sync(self, response: AgentResponse, good: bool | float, *, passage: int | None = None) -> Rating:
        """Judge *response*; otherwise as ``feedback``."""
        if not isinstance(response, AgentResponse):
            raise refuse("feedback: response", "an AgentResponse", response)
        if not response.id.startswith(f"{self._mark}-"):
            raise refuse("feedback: response", f"one of {self.name!r} with this knowledge", response.id)
        if passage is not None:
            check.whole("feedback: passage", passage, least=1)
        self.come_back()
        self.judgements.keep(response, verdict(good), passage)
        if (around := current()) is not None:
            around.deeds.add(acted=True)  # judging it again takes the place of this
        return self.intelligence

    @property
    def intelligence(self) -> Rating:
        """Return how good the agent is, by what was judged; never raises, but falls back to what it last knew."""
        try:
            return self.judgements.evidence().rating
        except StateError:
            return self.judgements.last_evidence.rating

    # ── looking and leaving ──────────────────────────────────────────────────────────────────────────────────────

    def get_status(self) -> AgentStatus:
        """Return how the agent is doing right now."""
        status = super().get_status()
        passages: int | None
        try:
            passages = len(self.knowledge)
        except StateError as error:  # a handler of signals that interrupted a search is told what was known last
            passages = self.knowledge.last_count if isinstance(error, StateInUse) else None
        with self._lock:
            kinds = dict(self._kinds)
        return AgentStatus(
            **{field.name: getattr(status, field.name) for field in fields(status)},
            queries=sum(kinds.values()),
            kinds=kinds,
            rating=self.intelligence,
            passages=passages,
        )

    async def _let_go(self, runtime: Runtime) -> None:
        """Close the knowledge, unless it was given as a KnowledgeBase, which is its owner's to close."""
        if self._owns_knowledge:
            self.knowledge.close()


def _checked_score(dna: Any) -> float:
    if dna is None:
        return SCORE
    if not isinstance(dna, Mapping):
        raise refuse("dna", 'a dict such as {"score": 850}', dna)
    for key in dna:
        if key != "score":
            import difflib

            hint = " (did you mean score?)" if difflib.get_close_matches(str(key), ["score"]) else ""
            raise ConfigurationError(f"dna[{in_brief(key)}] is not known{hint}; expected score")
    score = dna.get("score", SCORE)
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1000:
        raise refuse("dna['score']", "a number from 0 to 1000", score)
    return float(score)
