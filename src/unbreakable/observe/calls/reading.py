"""A trace of calls is read back, in the order in which they began."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from unbreakable.errors import StateBroken, StateError
from unbreakable.observe.calls.file import check_header, old_of
from unbreakable.observe.calls.lines import CUT, FLAGS

LOOKS = 5  # at a file that is moved while it is read
MOST_SECONDS = 1e10  # the year 2286: a replay that waited for longer would have no clock left to tell moments by
FEW_BROKEN, MOST_BROKEN = 3, 0.1  # lines, and share of them: crashes tear few


class Ended(NamedTuple):
    """How an attempt failed: the kind of its failure, a number for its signature, and what was known of it."""

    kind: str
    sort: int
    unsent: bool
    in_doubt: bool
    exhausted: bool
    covered: bool
    retry_after: float | None


class Tried(NamedTuple):
    """One attempt, or copy: begun so many seconds after its call; *failure* is None for a success or one given up."""

    attempt: int
    copy: int
    began: float
    seconds: float
    was_cut: bool
    failure: Ended | None


class Call(NamedTuple):
    """One call: when it began, in seconds since 1970, what it had until its deadline, how it ended, its attempts.

    Under which settings it was made, and to which target of its node, is told by numbers that the trace gives.
    """

    process: str
    settings: dict[str, Any]
    target: int
    began: float
    seconds: float
    status: str
    took: float
    attempts: tuple[Tried, ...]

    @property
    def node(self) -> str:
        """Return the name of the node that it was made through."""
        return str(self.settings["node"])


class Trace(NamedTuple):
    """All *calls* of a trace; so many are *lost*, and so many lines *broken*."""

    calls: list[Call]
    lost: int
    broken: int

    def nodes(self) -> dict[str, int]:
        """Return how many calls each node has, the busiest first."""
        counts: dict[str, int] = {}
        for call in self.calls:
            counts[call.node] = counts.get(call.node, 0) + 1
        return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """Return what is in the trace at *path*, and in the older half beside it.

    Raises StateError: there is no such file, it is no trace, a newer version wrote it, or it is damaged.
    """
    reader = _Reader()
    for part, lines in _parts(Path(path)):
        check_header(part, lines[0] if lines else b"")
        reader.begin()
        for line in lines[1:]:
            reader.take(line)
    if reader.broken > FEW_BROKEN + MOST_BROKEN * reader.lines:
        raise StateBroken(f"{path} is damaged: {reader.broken:,} of its {reader.lines:,} lines cannot be read")
    reader.calls.sort(key=lambda call: call.began)
    return Trace(reader.calls, reader.lost, reader.broken)


def _parts(path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """Return the older half, if there is one, and the newer one, with their lines."""
    old = old_of(path)
    try:
        for _ in range(LOOKS):
            with path.open("rb") as file:
                before = old.read_bytes() if old.exists() else None
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    break  # it was not moved meanwhile
        else:
            raise StateError(f"{path} is written faster than it can be read; copy it, with {old.name}, and read that")
        newest = path.read_bytes()
    except FileNotFoundError:
        raise StateError(f"{path}: there is no such file; ub.record_trace() makes one") from None
    except OSError as error:
        raise StateError(f"{path}: cannot be read ({error.strerror})") from error
    if before is not None:
        yield old, before.splitlines()
    yield path, newest.splitlines()


class _Reader:
    """Take in the lines of a trace, one by one."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.lost = self.broken = self.lines = 0
        self._settings: dict[tuple[str, int], dict[str, Any]] = {}
        self._failures: dict[tuple[str, int], Ended] = {}
        self._sorts: dict[tuple[str, int], int] = {}
        self._targets: dict[tuple[str, int], int] = {}
        self._process = ""

    def begin(self) -> None:
        """Begin with a file."""
        self._process = ""

    def take(self, line: bytes) -> None:
        """Take in a line; one that a crash has torn is counted."""
        if not line:
            return
        self.lines += 1
        try:
            what, *rest = json.loads(line)
            self._read(what, rest)
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
            self.broken += 1

    def _read(self, what: str, rest: list[Any]) -> None:
        if what == "c":
            self.calls.append(self._call(*rest))
        elif what == "p":
            self._process = str(rest[0])
        elif what == "s":
            self._settings[self._process, rest[0]] = _checked(rest[1])
        elif what == "f":
            number, kind, sort, flags = rest
            told = {name: name[0] in flags for name in FLAGS}
            sort = self._sorts.setdefault((self._process, sort), len(self._sorts))
            self._failures[self._process, number] = Ended(str(kind), sort, **told, retry_after=None)
        elif what == "l":
            self.lost += int(rest[0])
        else:
            raise ValueError(what)

    def _call(self, settings: int, target: int, began: float, seconds: Any, status: str, attempts: Any) -> Call:
        if not isinstance(attempts, list):
            attempts = [attempts, [1, 0, 0.0, attempts, None]]
        return Call(
            process=self._process,
            settings=self._settings[self._process, settings],
            target=self._targets.setdefault((self._process, target), len(self._targets)),
            began=_seconds(began),
            seconds=float(seconds),
            status=str(status),
            took=_seconds(attempts[0]),
            attempts=tuple(self._tried(*each) for each in attempts[1:]),
        )

    def _tried(
        self, attempt: int, copy: int, began: float, seconds: float, code: int | None, wish: float | None = None
    ) -> Tried:
        failure = (
            None if code is None or code == CUT else self._failures[self._process, code]._replace(retry_after=wish)
        )
        return Tried(int(attempt), int(copy), _seconds(began), _seconds(seconds), code == CUT, failure)


def _seconds(value: float) -> float:
    """Return *value*, a number of seconds; raise ValueError for what is none, or more than any clock has told."""
    seconds = float(value)
    if not 0.0 <= seconds < MOST_SECONDS:
        raise ValueError(value)
    return seconds


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Return *settings* if they say whose they are."""
    if not isinstance(settings["node"], str):
        raise TypeError
    return settings
