"""Knowledge that answers are taken from: passages, found by their words."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from unbreakable.errors import ConfigurationError, StateBroken, StateNotOurs, StateTooNew
from unbreakable.nodes.answering import tables
from unbreakable.nodes.answering.evidence import Evidence
from unbreakable.nodes.answering.files import existing, is_database, read_path
from unbreakable.nodes.answering.passage import Passage
from unbreakable.nodes.answering.question import Question, read_question
from unbreakable.nodes.answering.reading import Place, read_data
from unbreakable.nodes.answering.response import CLOSEST
from unbreakable.nodes.answering.shelf import Shelf
from unbreakable.nodes.answering.support import NOTHING, Match, best_match, sunk, weigh
from unbreakable.nodes.answering.words import plain
from unbreakable.policies import check
from unbreakable.policies.check import refuse

Readable: TypeAlias = "Mapping[str, Any] | list[Any] | tuple[Any, ...] | str | os.PathLike[str]"

LOOKED_AT = 16  # passages that are compared with the question, of those that fit its words best
CHUNK = 200  # passages that are added at a time: searches of other threads go on in between
MOST_CONTEXT = 32  # keys of a question's context, and values of a key, that are looked at
MOST_VALUE = 1_000  # characters of a context value
LARGEST = 1e18  # of a number in the context


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to: the matches, best first, and how many passages there are at all."""

    matches: tuple[Match, ...]
    passages: int

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"matches": [match.to_dict() for match in self.matches], "passages": self.passages}


class KnowledgeBase:
    """Hold passages and find those that support an answer.

    >>> knowledge = KnowledgeBase({"Egypt": {"pyramids": "The pyramids stand at Giza. Khufu built the first one."}})
    >>> len(knowledge), knowledge.search("Who built the pyramids?")[0].quote
    (1, 'Khufu built the first one.')

    *source* is a dict whose keys are titles, nested or not, and whose values are texts; a list of texts, or of dicts
    with a text under "text", "title" and "source", and context under any other key; the path of a .json, .md or .txt
    file, or of a folder of them.  Texts are cut into passages of at most 1,000 characters between sentences.

    *path* is the SQLite file that keeps the passages, and what was judged; without one they are kept in memory.  A file
    may be used by several processes.  At most *most_passages*, with *most_bytes* of text, are held.

    All methods may be called from any thread.  A handler of signals may close it at any moment; anything else that it
    asks of a knowledge base which its own thread was just using raises errors.StateInUse.  Raises ConfigurationError
    when the source is wrong, with the path of the wrong part; a file that is damaged or locked is told where it is
    used, by a StateError.
    """

    def __init__(
        self,
        source: Readable | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        most_passages: int = 100_000,
        most_bytes: int = 256 * 2**20,
    ) -> None:
        check.whole("most_passages", most_passages, least=1)
        check.whole("most_bytes", most_bytes, least=1)
        self.most_passages, self.most_bytes = most_passages, most_bytes
        self.last_count: int | None = None  #: how many passages there were when somebody looked last
        place = None if path is None else _place_of(path)
        if isinstance(source, (str, os.PathLike)):
            there = existing(source)
            if is_database(there):
                if place is not None:
                    raise refuse("path", "None when the source is a knowledge base itself", str(path))
                source, place = None, there
        self.shelf = open_shelf(place)
        self.mark = os.urandom(8).hex() if place is None else str(place.resolve())  #: tells it from others
        if source is not None:
            self.add(source)

    # ── filling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, source: Readable) -> int:
        """Add the passages of *source* that are not there yet; return how many they are.

        A wrong source adds nothing.  One that does not fit in any more raises ConfigurationError; what was added
        before stays, and adding the same again goes on from there.
        """
        read = list(itertools.islice(self._read(source), self.most_passages + 1))
        self._refuse_too_many(len(read), 0)
        added, drafts = 0, iter(read)
        while chunk := list(itertools.islice(drafts, CHUNK)):
            with self.shelf.writing() as connection:
                added += tables.put(connection, chunk)
                self._refuse_too_many(tables.fact(connection, "passages"), tables.fact(connection, "bytes"))
        return added

    def _read(self, source: Readable) -> Iterator[Passage]:
        if isinstance(source, (str, os.PathLike)):
            there = existing(source)
            if is_database(there):
                raise refuse(
                    "knowledge", "texts, which a database is not: name it as KnowledgeBase(path=…)", str(there)
                )
            return read_path(there, self.most_bytes)
        if isinstance(source, (Mapping, list, tuple)):
            return read_data(source, Place())
        raise refuse("knowledge", "a dict, a list or a path", source)

    def _refuse_too_many(self, passages: int, size: int) -> None:
        if passages > self.most_passages:
            raise ConfigurationError(f"knowledge must be at most {self.most_passages} passages (most_passages)")
        if size > self.most_bytes:
            raise ConfigurationError(f"knowledge must be at most {self.most_bytes} bytes of text (most_bytes)")

    def clear(self) -> None:
        """Remove every passage; what was judged stays."""
        with self.shelf.writing() as connection:
            tables.clear(connection)

    # ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, text: str, context: Mapping[str, Any] | None = None, most: int = 5) -> tuple[Match, ...]:
        """Return at most *most* matches (and 16) for the question *text*, the best first; nothing in it is special.

        A value of *context* that is a key or heading above passages, such as "Egypt" in ``{"country": "Egypt"}``,
        limits the search to those; one whose key is a context field of entries rules out those with other values.
        """
        if not isinstance(text, str):
            raise refuse("search: text", "a text", text)
        if not (context is None or isinstance(context, Mapping)):
            raise refuse("search: context", "a dict or None", context)
        check.whole("most", most, least=1)
        return self.find(read_question(text), context or {}).matches[:most]

    def find(
        self,
        question: Question,
        context: Mapping[str, Any],
        *,
        evidence: Evidence | None = None,
        late: Callable[[], bool] | None = None,
    ) -> Found:
        """Return what supports an answer to *question*, by its words and by the *evidence* of what was judged.

        A search that *late* calls late raises DeadlineExceeded.
        """
        lessons = {} if evidence is None else evidence.lessons(question.stems)
        with self.shelf.at_work(late) as connection, self._in_order():
            passages = self.last_count = tables.fact(connection, "passages")
            frequencies = tables.frequencies(connection, question.stems)
            limit = tables.limits(connection, _plain_context(context))
            found = tables.best_fits(connection, frequencies, limit, LOOKED_AT)
            known = {passage.id for passage in found}
            taught = sorted(lessons.keys() - known, key=lambda number: sum(lessons[number].values()), reverse=True)
            found += tables.numbered(connection, taught[:LOOKED_AT], limit)
        weights = weigh(question, frequencies, passages)
        matches = [best_match(question, weights, passage, lessons.get(passage.id, NOTHING)) for passage in found]
        if evidence is not None:
            matches = [sunk(m) if evidence.was_wrong(question.stems, m.passage.id) else m for m in matches]
        matches.sort(key=lambda match: (match.quality, match.edge, match.own, -match.passage.id), reverse=True)
        with self._in_order():
            for match in itertools.takewhile(lambda match: match.quality >= CLOSEST, matches):
                tables.vouch_for(match.passage)
        return Found(tuple(matches), passages)

    @contextlib.contextmanager
    def _in_order(self) -> Iterator[None]:
        """Tell of what SQLite cannot see: that a passage is not what was once put there."""
        try:
            yield
        except (ValueError, TypeError, AttributeError) as error:
            raise StateBroken(f"{self.shelf.name}: its content is damaged ({error})") from error

    def __len__(self) -> int:
        """Return how many passages there are."""
        with self.shelf.at_work() as connection, self._in_order():
            self.last_count = tables.fact(connection, "passages")
            return self.last_count

    # ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Close it for good: what is in memory is gone, a file can be opened again as another KnowledgeBase.

        A handler of signals that interrupted this thread in the middle of using it has it closed when that is over.
        """
        self.shelf.close()

    def __enter__(self) -> Self:
        """Return the knowledge base."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Return where it is."""
        return f"<KnowledgeBase, {self.shelf.name}>"


def open_shelf(path: Path | None) -> Shelf:
    """Return the database at *path*; ConfigurationError when it cannot be a knowledge base."""
    try:
        return Shelf(path, tables.MIGRATIONS)
    except (StateNotOurs, StateTooNew) as error:
        raise ConfigurationError(f"knowledge: {error}") from error


def _place_of(path: str | os.PathLike[str]) -> Path:
    named = os.fspath(path)
    if not isinstance(named, str) or not named or "\0" in named or "://" in named:
        raise refuse("path", "the path of a file", path)
    place = Path(named).expanduser().absolute()  # it means what it meant here, wherever the program goes
    if place.is_dir():
        raise refuse("path", "the path of a file, which a folder is not", named)
    return place


def _plain_context(context: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the context in plain words, without what is neither a text nor a number, nor a list of them."""
    found = {}
    for key, value in itertools.islice(context.items(), MOST_CONTEXT):
        values = value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
        told = {plain(str(each)[:MOST_VALUE]) for each in itertools.islice(values, MOST_CONTEXT) if _is_told(each)}
        if isinstance(key, str) and told - {""}:
            found[plain(key[:MOST_VALUE])] = sorted(told - {""})
    return found


def _is_told(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str) or (number and -LARGEST < value < LARGEST)  # type: ignore[operator]
