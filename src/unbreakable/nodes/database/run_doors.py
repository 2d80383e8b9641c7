"""What a keyed run returns is what its function returns, which type checkers are told here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, cast

from unbreakable.nodes.database.transaction import SyncTransaction, Transaction
from unbreakable.nodes.doors import AsyncOperation, SyncOperation
from unbreakable.outcome import Outcome

T = TypeVar("T")


class RunDoor(Protocol):
    """Be ``run`` as type checkers see it."""

    async def __call__(self, fn: Callable[[Transaction], Awaitable[T]], key: str | None = None) -> T:
        """Return what *fn* returned."""

    async def outcome(self, fn: Callable[[Transaction], Awaitable[T]], key: str | None = None) -> Outcome[T]:
        """Return how it ended."""


class RunSyncDoor(Protocol):
    """Be ``run_sync`` as type checkers see it."""

    def __call__(self, fn: Callable[[SyncTransaction], T], key: str | None = None) -> T:
        """Return what *fn* returned."""

    def outcome(self, fn: Callable[[SyncTransaction], T], key: str | None = None) -> Outcome[T]:
        """Return how it ended."""


def run_door(method: Callable[..., Any]) -> RunDoor:
    """Turn a method into ``await node.run(…)``, with ``.outcome(…)``, protected by the node."""
    return cast("RunDoor", AsyncOperation(method))


def run_sync_door(method: Callable[..., Any]) -> RunSyncDoor:
    """Turn a plain method into ``node.run_sync(…)``, with ``.outcome(…)``, protected by the node."""
    return cast("RunSyncDoor", SyncOperation(method))
