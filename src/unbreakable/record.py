"""A frozen record whose class costs next to nothing to make.

``dataclass`` writes and compiles code for each class: 0.4 ms that every ``import unbreakable`` would pay for every
kind of event.  These records are made of their annotations alone.  Who asks ``dataclasses`` about one sees a frozen
dataclass all the same, of which it is made a twin then.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, ClassVar, NoReturn, dataclass_transform

from unbreakable.plain import plain


class OfTwin:
    """Look something up in the dataclass that a record would be, made when first asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, record: object, owner: type[Record]) -> Any:
        """Return what *owner*'s twin has under the name."""
        kinds = {name: kind for each in reversed(owner.__mro__) for name, kind in inspect.get_annotations(each).items()}
        fields = [(name, kinds[name]) for name in owner.fields]
        twin = dataclasses.make_dataclass(owner.__name__, fields, frozen=True, kw_only=True)
        for name in ("__dataclass_fields__", "__dataclass_params__"):
            setattr(owner, name, getattr(twin, name))  # asked once for each class
        return getattr(twin, self.name)


FIELDS, PARAMS = OfTwin("__dataclass_fields__"), OfTwin("__dataclass_params__")


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Hold the annotated fields, given by name; equal and hashed by value, never changed.

    >>> class Moved(Record):
    ...     metres: float
    >>> Moved(metres=3.0)
    Moved(metres=3.0)
    >>> from dataclasses import replace
    >>> replace(Moved(metres=3.0), metres=4.0).to_dict()
    {'metres': 4.0}
    """

    fields: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__: ClassVar[Any]
    __dataclass_params__: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        """Add the annotations of the class to its fields."""
        cls.__dataclass_fields__, cls.__dataclass_params__ = FIELDS, PARAMS
        own = tuple(name for name, kind in inspect.get_annotations(cls).items() if "ClassVar" not in str(kind))
        cls.fields = (*cls.fields, *own)

    def __init__(self, **fields: Any) -> None:
        if fields.keys() != set(self.fields):
            wrong = sorted(fields.keys() ^ set(self.fields))
            raise TypeError(f"{type(self).__name__} takes exactly the fields {self.fields}; wrong or missing: {wrong}")
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a record is what happened."""
        raise dataclasses.FrozenInstanceError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: a record is what happened."""
        raise dataclasses.FrozenInstanceError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        """Compare by kind and value."""
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Hash by kind and value."""
        return hash((type(self), *(self.__dict__[name] for name in self.fields)))

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-ready dictionary."""
        return {name: plain(value) for name, value in self.__dict__.items()}

    def __repr__(self) -> str:
        """Return the record as it is made."""
        return f"{type(self).__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in self.fields)})"
