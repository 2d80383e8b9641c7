"""The fields of a frozen dataclass, asked for as attributes or as items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Items(Mapping[str, T_co]):
    """Be the mapping of the dataclass's own fields; decorate with ``eq=False``, so that it equals such a dictionary.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, eq=False)
    ... class Runs(Items[int]):
    ...     good: int
    ...     bad: int
    >>> runs = Runs(3, 1)
    >>> runs.good, runs["bad"], runs == {"good": 3, "bad": 1}
    (3, 1, True)
    """

    __slots__ = ()
    __dataclass_fields__: dict[str, Any]

    def __getitem__(self, name: str) -> T_co:
        """Return the field of that *name*."""
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        value: T_co = getattr(self, name)
        return value

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        """Return how many fields there are."""
        return len(self.__dataclass_fields__)

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(tuple(self.values()))
