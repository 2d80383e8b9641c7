"""A frozen record whose class costs next to nothing to make.

``dataclass`` writes and compiles code for each class: 0.4 ms that every ``import unbreakable`` would pay for every
kind of event.  These records are made of their annotations alone.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, NoReturn, dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Hold the annotated fields, given by name; equal and hashed by value, never changed.

    >>> class Moved(Record):
    ...     metres: float
    >>> Moved(metres=3.0)
    Moved(metres=3.0)
    """

    fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Add the annotations of the class to its fields."""
        own = tuple(name for name, kind in inspect.get_annotations(cls).items() if "ClassVar" not in str(kind))
        cls.fields = (*cls.fields, *own)

    def __init__(self, **fields: Any) -> None:
        if fields.keys() != set(self.fields):
            wrong = sorted(fields.keys() ^ set(self.fields))
            raise TypeError(f"{type(self).__name__} takes exactly the fields {self.fields}; wrong or missing: {wrong}")
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a record is what happened."""
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: a record is what happened."""
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        """Compare by kind and value."""
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash by kind and value."""
        return hash((type(self), *(self.__dict__[name] for name in self.fields)))

    def __repr__(self) -> str:
        """Return the record as it is made."""
        return f"{type(self).__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in self.fields)})"
