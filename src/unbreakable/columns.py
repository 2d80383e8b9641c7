"""Rows of text under each other, as a terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return *rows*, each of the same number of cells, with every column as wide as its widest cell.

    >>> print(in_columns([["name", "calls"], ["flights", "1,000"]]))
    name     calls
    flights  1,000
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
