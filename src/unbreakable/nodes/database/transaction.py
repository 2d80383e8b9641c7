"""What happens in a transaction happens altogether or not at all; a checkpoint does that for a part of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from unbreakable.nodes.database.rows import Rows
from unbreakable.nodes.database.savepoint import Savepoint
from unbreakable.runtime import run_blocking

if TYPE_CHECKING:  # what is imported with SQLAlchemy, once a node is made
    from sqlalchemy import Executable

    from unbreakable.nodes.database.session import Session

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any] | None


class Transaction:
    """Carry out statements that take effect together, once the block, or the function, has ended well."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def execute(self, sql: str | Executable, params: Parameters = None) -> Rows:
        """Carry out one statement and return its rows; *params* are those of ``DatabaseNode.query``.

        Raises SQLAlchemy's exceptions; RuntimeError when the transaction is over; errors.DeadlineExceeded when its
        time is.
        """
        return await self._session.execute(sql, params)

    def checkpoint(self) -> Checkpoint:
        """Return a block that is undone, alone, when it raises: ``async with tx.checkpoint(): …``.

        What it raises passes on.  At most 32 may be open at once, inside each other.
        """
        return Checkpoint(Savepoint(self._session))


class SyncTransaction:
    """Carry out statements that take effect together, from sync code; otherwise as ``Transaction``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def execute(self, sql: str | Executable, params: Parameters = None) -> Rows:
        """Carry out one statement and return its rows; see ``Transaction.execute``."""
        return run_blocking(self._session.execute(sql, params))

    def checkpoint(self) -> SyncCheckpoint:
        """Return a block that is undone, alone, when it raises: ``with tx.checkpoint(): …``."""
        return SyncCheckpoint(Savepoint(self._session))


class Checkpoint:
    """Undo what was done in this block of a transaction when the block raises."""

    def __init__(self, savepoint: Savepoint) -> None:
        self._savepoint = savepoint

    async def __aenter__(self) -> Self:
        await self._savepoint.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if not isinstance(error, GeneratorExit):  # then nothing can be awaited, and the whole transaction is undone
            await self._savepoint.end(error)


class SyncCheckpoint:
    """Undo what was done in this block of a transaction when the block raises."""

    def __init__(self, savepoint: Savepoint) -> None:
        self._savepoint = savepoint

    def __enter__(self) -> Self:
        run_blocking(self._savepoint.begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        run_blocking(self._savepoint.end(error))


class TransactionBlock:
    """Commit what was done in this block when it ends, undo all of it when it raises."""

    def __init__(self, begin: Callable[[], Awaitable[Session]]) -> None:
        self._begin: Callable[[], Awaitable[Session]] | None = begin

    async def __aenter__(self) -> Transaction:
        self._session = await _once(self._begin, self)()
        return Transaction(self._session)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._session.end(error)


class SyncTransactionBlock:
    """Commit what was done in this block when it ends, undo all of it when it raises."""

    def __init__(self, begin: Callable[[], Session]) -> None:
        self._begin: Callable[[], Session] | None = begin

    def __enter__(self) -> SyncTransaction:
        self._session = _once(self._begin, self)()
        return SyncTransaction(self._session)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        run_blocking(self._session.end(error))


def _once(begin: Any, block: Any) -> Any:
    """Return *begin*, which *block* has no more."""
    if begin is None:
        raise RuntimeError("a transaction is entered once: ask the node for another one")
    block._begin = None  # noqa: SLF001 - our own
    return begin
