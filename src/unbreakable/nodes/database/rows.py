"""What a statement answered: rows that never change, read by name or by place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, overload


class Row:
    """Hold one row: ``row.name``, ``row["name"]``, ``row[0]``, ``name, age = row`` and ``dict(row)`` read it.

    A row equals another, or a tuple, with the same values.  A name that two columns share reads neither.
    """

    __slots__ = ("_places", "_values")
    _places: dict[str, int]
    _values: tuple[Any, ...]

    def __init__(self, places: dict[str, int], values: tuple[Any, ...]) -> None:
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        """Return the value of the column of that name."""
        try:
            return self._values[self._places[name]]
        except KeyError:
            raise AttributeError(self._no_column(name)) from None

    def __getitem__(self, key: int | slice | str) -> Any:
        """Return the value at a place, or of a column."""
        if not isinstance(key, str):
            return self._values[key]
        try:
            return self._values[self._places[key]]
        except KeyError:
            raise KeyError(self._no_column(key)) from None

    def _no_column(self, name: str) -> str:
        return f"no column, or more than one, is called {name!r}; called otherwise: {', '.join(self._places) or 'none'}"

    def keys(self) -> tuple[str, ...]:
        """Return the names that read a column, in their order."""
        return tuple(self._places)

    def to_dict(self) -> dict[str, Any]:
        """Return the values by name; ValueError when two columns share one, since a dictionary cannot hold both."""
        if len(self._places) < len(self._values):
            raise ValueError("two columns have the same name: give each its own with AS")
        return dict(zip(self._places, self._values, strict=True))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Row):
            return self._values == other._values
        return self._values == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a row is what the database answered: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a row is what the database answered: {name} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return Row, (self._places, self._values)

    def __repr__(self) -> str:
        if len(self._places) < len(self._values):
            return f"Row{self._values!r}"
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"


class Rows(Sequence[Row]):
    """Hold all rows that a statement returned, in their order.

    ``columns`` are their names.  ``rowcount`` is how many rows were returned, or else changed.
    """

    __slots__ = ("_places", "_values", "columns", "rowcount")

    def __init__(self, columns: Sequence[str] = (), values: Sequence[tuple[Any, ...]] = (), rowcount: int = 0) -> None:
        self.columns, self.rowcount = tuple(columns), rowcount
        self._values = tuple(values)
        self._places = {name: place for place, name in enumerate(self.columns) if self.columns.count(name) == 1}

    def one(self) -> Row:
        """Return the one row that there is; LookupError when there are none or more."""
        if len(self._values) != 1:
            raise LookupError(f"expected exactly one row, found {len(self._values)}")
        return self[0]

    def first(self) -> Row | None:
        """Return the first row, None when there is none."""
        return self[0] if self._values else None

    def scalar(self) -> Any:
        """Return the first value of the first row, None when there is none."""
        return self._values[0][0] if self._values else None

    def to_dict(self) -> dict[str, Any]:
        """Return columns, rows as lists of values, and rowcount; as JSON-ready as the values are."""
        rows = [list(values) for values in self._values]
        return {"columns": list(self.columns), "rows": rows, "rowcount": self.rowcount}

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Rows: ...
    def __getitem__(self, place: int | slice) -> Row | Rows:
        """Return the row at *place*, or the rows of a slice."""
        if isinstance(place, slice):
            values = self._values[place]
            return Rows(self.columns, values, len(values))
        return Row(self._places, self._values[place])

    def __iter__(self) -> Iterator[Row]:
        return (Row(self._places, values) for values in self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.columns, self._values, self.rowcount))

    def __repr__(self) -> str:
        return f"<Rows: {len(self)} of ({', '.join(self.columns)}), rowcount {self.rowcount}>"
