"""A part of a transaction is kept or undone by itself, and parts may be inside parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what is imported with SQLAlchemy, once a node is made
    from sqlalchemy import Connection

    from unbreakable.nodes.database.session import Session

MOST_OPEN = 32  # in one transaction: SQLite looks at every open savepoint for each page that it changes


class Savepoint:
    """Remember where the transaction of *session* stands; used once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.name: str | None = None

    async def begin(self) -> None:
        """Begin the part."""
        session = self.session
        if self.name is not None:
            raise RuntimeError("a checkpoint is entered once: ask the transaction for another one")
        if len(session.points) >= MOST_OPEN:
            raise RuntimeError(f"{MOST_OPEN} checkpoints are open in this transaction, the most it may have")
        self.name = f"unbreakable_{next(session.numbers)}"
        await session.do(lambda connection: connection.exec_driver_sql(f"SAVEPOINT {self.name}"))
        session.points.append(self.name)

    async def end(self, error: BaseException | None) -> None:
        """Keep what was done since, or undo it when *error* ended it."""
        points = self.session.points
        if self.name in points:
            del points[points.index(self.name) :]
            await (self.session.do(self._release) if error is None else self.session.undo(self._undo))
        elif error is None:
            raise RuntimeError("this checkpoint ended together with the one around it")

    def _release(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"RELEASE {self.name}")

    def _undo(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"ROLLBACK TO {self.name}")
        self._release(connection)
