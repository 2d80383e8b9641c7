"""What people judged is kept with the knowledge, so that it survives what the knowledge survives."""

from __future__ import annotations

import math

from unbreakable.nodes.answering import tables
from unbreakable.nodes.answering.evidence import WINDOW, Evidence, Judgement, weigh_up
from unbreakable.nodes.answering.knowledge import KnowledgeBase
from unbreakable.nodes.answering.response import AgentResponse
from unbreakable.policies.check import refuse

MOST_JUDGEMENTS = 10_000  # that a knowledge base keeps: a response judged twice within them counts once


class Judgements:
    """The verdicts on the responses of the agent *name*, and what they amount to."""

    def __init__(self, knowledge: KnowledgeBase, name: str, prior_score: float) -> None:
        self.knowledge, self.name, self.prior_score = knowledge, name, prior_score
        self._known: tuple[int, Evidence] = (0, weigh_up((), prior_score))

    def evidence(self) -> Evidence:
        """Return what was judged so far, by other processes too; StateError when that cannot be read."""
        with self.knowledge.shelf.at_work() as connection:
            number = tables.fact(connection, "judged")
            if number != self._known[0]:
                rows = connection.execute(
                    "SELECT good, quality, passage, taught, stems FROM judgement WHERE agent = ?"
                    " ORDER BY number DESC LIMIT ?",
                    (self.name, WINDOW),
                ).fetchall()
                self._known = number, weigh_up(map(_judgement, rows), self.prior_score)
        return self._known[1]

    @property
    def last_evidence(self) -> Evidence:
        """Return what was read last, whatever has become of the knowledge since."""
        return self._known[1]

    def keep(self, response: AgentResponse, good: float, taught: int | None) -> None:
        """Keep the verdict on *response*, in place of an earlier one; return when it is stored.

        *taught* is the passage that answers the question; ConfigurationError when there is no such passage.
        """
        answered = response.kind == "extract" and len(response.sources) == 1
        passage = response.sources[0].passage if answered else None
        with self.knowledge.shelf.writing() as connection:
            if taught is not None and not tables.numbered(connection, [taught]):
                raise refuse(
                    "feedback: passage", "the number of a passage, such as response.sources[0].passage", taught
                )
            tables.count(connection, "judged", 1)
            number = tables.fact(connection, "judged")
            connection.execute(
                "INSERT INTO judgement (number, id, agent, good, quality, passage, taught, stems)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET good = excluded.good, taught = excluded.taught",
                (number, response.id, self.name, good, response.quality, passage, taught, " ".join(response.stems)),
            )
            connection.execute("DELETE FROM judgement WHERE number <= ?", (number - MOST_JUDGEMENTS,))


def _judgement(row: tuple[float, float, int | None, int | None, str]) -> Judgement:
    good, quality, passage, taught, stems = row
    return Judgement(good=good, quality=quality, passage=passage, taught=taught, stems=tuple(stems.split()))


def verdict(good: object) -> float:
    """Return the verdict *good* as a number; ConfigurationError when it is none."""
    if isinstance(good, bool):
        return float(good)
    if isinstance(good, (int, float)) and not math.isnan(good) and 0 <= good <= 1:
        return float(good)
    raise refuse("feedback: good", "True, False or a score from 0 to 1", good)
