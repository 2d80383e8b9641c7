"""How a database is doing, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unbreakable.fractal.status import NodeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus(NodeStatus):
    """Say how a node and its database are doing.

    ``database`` is the file, or ":memory:"; ``journal`` is how SQLite keeps its journal ("wal" where it can), None
    before the first write.  ``connections`` counts what is open in this process: writing, reading, idle (of both), and
    the calls that wait for one.  ``runs`` counts those of this node: executed, replayed (a stored result was returned)
    and in_doubt (nobody can tell whether the commit took place).
    """

    database: str
    durability: str
    journal: str | None
    connections: Mapping[str, int]
    runs: Mapping[str, int]
