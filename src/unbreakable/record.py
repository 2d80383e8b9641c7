"""A frozen record whose class costs next to nothing to make.

``dataclass`` writes and compiles code for each class: 0.4 ms that every ``import unbreakable`` would pay for every
kind of event.  These records are made of their annotations alone.  Who asks ``dataclasses`` about one sees a frozen
dataclass all the same, of which it is made a twin then.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, ClassVar, NoReturn, dataclass_transform

from unbreakable.plain import in_words, nearest, plain


class OfTwin:
    """Look something up in the dataclass that a record would be, made when first asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, record: object, owner: type[Record]) -> Any:
        """Return what *owner*'s twin has under the name."""
        kinds = {name: kind for each in reversed(owner.__mro__) for name, kind in inspect.get_annotations(each).items()}
        fields = [(name, kinds[name], owner.field_of(name)) for name in owner.fields]
        twin = dataclasses.make_dataclass(owner.__name__, fields, frozen=True, kw_only=True)
        for name in ("__dataclass_fields__", "__dataclass_params__"):
            setattr(owner, name, getattr(twin, name))  # asked once for each class
        return inspect.signature(twin) if self.name == "__signature__" else getattr(twin, self.name)


FIELDS, PARAMS, SIGNATURE = OfTwin("__dataclass_fields__"), OfTwin("__dataclass_params__"), OfTwin("__signature__")


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
        super().__init_subclass__()  # of Generic, where it is one
        cls.__dataclass_fields__, cls.__dataclass_params__ = FIELDS, PARAMS
        own = tuple(name for name, kind in inspect.get_annotations(cls).items() if "ClassVar" not in str(kind))
        cls.fields = (*cls.fields, *own)

    @classmethod
    def field_of(cls, name: str) -> Any:  # noqa: ARG003 - for those that have defaults
        """Return the field of that *name*, as ``dataclasses`` has it."""
        return dataclasses.field()

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
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        """Hash by kind and value."""
        return hash((type(self), self._values()))

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.fields)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-ready dictionary."""
        return {name: plain(getattr(self, name)) for name in self.fields}

    def __repr__(self) -> str:
        """Return the record as it is made."""
        return f"{type(self).__name__}({', '.join(f'{name}={in_words(getattr(self, name))}' for name in self.fields)})"


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,))
class Preset(Record):
    """Be a record whose fields may have defaults, and may be given by position if they, or the class, say so.

    A default is also what the class has under the name.  What is given is checked by ``__post_init__``, as in a
    dataclass; ``kw_only=False`` stands for the same word of every field.

    >>> class Limit(Preset):
    ...     most: int = dataclasses.field(default=8, kw_only=False)
    ...     wait: float = 0.0
    >>> Limit(3), Limit(wait=0.5)
    (Limit(most=3, wait=0.0), Limit(most=8, wait=0.5))
    >>> Limit(least=1)
    Traceback (most recent call last):
    TypeError: Limit() got an unexpected keyword argument 'least'; there are most, wait
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {}
    hidden: ClassVar[frozenset[str]] = frozenset()  #: fields that ``repr`` leaves out

    def __init_subclass__(cls, *, kw_only: bool = True) -> None:
        """Read the defaults."""
        super().__init_subclass__()
        cls.__signature__ = SIGNATURE  # type: ignore[attr-defined]
        cls.defaults = dict(cls.defaults)
        for name in cls.fields:
            given = vars(cls).get(name, dataclasses.MISSING)
            if isinstance(given, dataclasses.Field):
                delattr(cls, name)
                if given.default is not dataclasses.MISSING:
                    setattr(cls, name, given.default)
                if given.kw_only is False:
                    cls.__match_args__ = (*cls.__match_args__, name)  # type: ignore[misc]
                if not given.repr:
                    cls.hidden |= {name}
                given = given.default
            if given is not dataclasses.MISSING:
                cls.defaults[name] = given
        if not kw_only:
            cls.__match_args__ = cls.fields  # type: ignore[misc]

    @classmethod
    def field_of(cls, name: str) -> Any:
        """Return the field of that *name*, as ``dataclasses`` has it."""
        default = cls.defaults.get(name, dataclasses.MISSING)
        return dataclasses.field(default=default, repr=name not in cls.hidden, kw_only=name not in cls.__match_args__)

    def __init__(self, *values: Any, **fields: Any) -> None:
        if values:
            self._place(values, fields)
        own = self.__dict__
        own.update(self.defaults)
        own.update(fields)
        if len(own) != len(self.fields):
            self._refuse(own)
        self.__post_init__()

    def _place(self, values: tuple[Any, ...], fields: dict[str, Any]) -> None:
        """Add to *fields* what was given by position."""
        kind, places = type(self).__name__, self.__match_args__
        if len(values) > len(places):
            named = f"name the others, of {', '.join(self.fields)}" if places else "name them"
            raise TypeError(f"{kind}() takes {len(places)} positional arguments but {len(values)} were given: {named}")
        for name, value in zip(places, values, strict=False):
            if name in fields:
                raise TypeError(f"{kind}() got multiple values for argument {name!r}")
            fields[name] = value

    def _refuse(self, given: dict[str, Any]) -> NoReturn:
        kind, missing = type(self).__name__, [name for name in self.fields if name not in given]
        for name in given:
            if name not in self.fields:
                raise TypeError(f"{kind}() got an unexpected keyword argument {name!r}{nearest(name, self.fields)}")
        raise TypeError(f"{kind}() missing required arguments: {', '.join(map(repr, missing))}")

    def __post_init__(self) -> None:
        """Check what was given."""

    def __repr__(self) -> str:
        """Return the settings as they are made."""
        shown = (f"{name}={in_words(getattr(self, name))}" for name in self.fields if name not in self.hidden)
        return f"{type(self).__name__}({', '.join(shown)})"
