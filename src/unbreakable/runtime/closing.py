"""What has to be closed is a block of either colour, and is closed at its end."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import Any, Self


class Closing:
    """Close at the end of ``async with`` by ``aclose``, at the end of ``with`` by ``aclose_sync``."""

    __slots__ = ()

    @abstractmethod
    async def aclose(self) -> Any:
        """Close."""

    @abstractmethod
    def aclose_sync(self) -> Any:
        """Close, from plain code."""

    def _entered(self) -> None:
        """Do what is to be done at the start of the block."""

    async def __aenter__(self) -> Self:
        """Return what is closed at the end of the block."""
        self._entered()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __enter__(self) -> Self:
        """Return what is closed at the end of the block."""
        self._entered()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close."""
        self.aclose_sync()
