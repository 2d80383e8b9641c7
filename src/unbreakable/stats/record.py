"""Read a statistic back from its record, refusing what no statistic ever wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any


def whole(data: Mapping[str, Any], key: str) -> int:
    """Return the whole number ≥ 0 under *key*; ValueError if there is none."""
    number = integer(data, key)
    if number < 0:
        raise ValueError(f"{key}: expected a whole number ≥ 0, got {number!r}")
    return number


def real(data: Mapping[str, Any], key: str) -> float:
    """Return the finite number under *key*; ValueError if there is none."""
    found = data.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        raise ValueError(f"{key}: expected a finite number, got {found!r}")
    return float(found)


def integer(data: Mapping[str, Any], key: str) -> int:
    """Return the whole number of either sign under *key*; ValueError if there is none."""
    return _integer(data.get(key), key)


def table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the table of named values under *key*; ValueError if there is none."""
    found = data.get(key)
    if not isinstance(found, Mapping):
        raise ValueError(f"{key}: expected named values, got {found!r}")
    return found


def rows(data: Mapping[str, Any], key: str, columns: int) -> Iterator[list[int]]:
    """Yield the rows of *columns* whole numbers under *key*; ValueError at the first that is none."""
    table = data.get(key)
    if not isinstance(table, (list, tuple)):
        raise ValueError(f"{key}: expected a list of rows, got {table!r}")
    for row in table:
        if not isinstance(row, (list, tuple)) or len(row) != columns:
            raise ValueError(f"{key}: expected rows of {columns} whole numbers, got {row!r}")
        yield [_integer(cell, key) for cell in row]


def _integer(found: object, key: str) -> int:
    if isinstance(found, bool) or not isinstance(found, int):
        raise ValueError(f"{key}: expected a whole number, got {found!r}")
    return found
