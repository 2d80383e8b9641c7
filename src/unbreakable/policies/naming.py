"""What a call is named, so that its target can tell a repeat from a new call.

The outermost call has a name that no other call has.  A call inside another is named after that one, its own node and
function, and its arguments: the same again when the other is repeated, and in whatever order its calls are made.
Arguments count by value where the value is all there is to them (numbers, text, times, dataclasses, lists and
dictionaries of such); anything else counts as itself, remembered as long as the outer call may be repeated.  So a name
that cannot be derived is new, and never another call's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import inspect
import sys
from collections.abc import Iterable
from types import CodeType, FunctionType, MethodType
from typing import Any

from unbreakable.runtime import new_lock

MOST_VALUES = 2_000  # looked at in the arguments of one call: with more it has a name of its own
MOST_DEPTH = 40
MOST_KNOWN = 1_000  # objects that one call remembers
MOST_PARTS = 1_000  # different calls that one attempt numbers

_BY_TEXT = frozenset(
    {
        *(int, float, complex, bool, type(None), str, bytes),
        *("decimal.Decimal", "fractions.Fraction", "uuid.UUID"),
        *("datetime.date", "datetime.time", "datetime.datetime", "datetime.timedelta"),
        *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath"),
        *("pathlib._local.PosixPath", "pathlib._local.WindowsPath"),  # where Python 3.13 has them
        *("pathlib._local.PurePosixPath", "pathlib._local.PureWindowsPath"),
    }
)  # by type, or by its name where the module may never be imported; their ``repr`` says everything

_OPEN_ENDED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_lock = new_lock()


class Unnameable(Exception):
    """Say that there is too much to look at."""


class Title:
    """Hold the name of one call, once it was given or asked for; attempts and copies share it.

    *known* are the objects that names of calls inside are made of, each with a word for it.
    """

    __slots__ = ("key", "known")

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.known: dict[int, tuple[Any, str]] = {}


def title_of(ctx: Any) -> Title:
    """Return the title of the call that *ctx* is, or is an attempt of; that has its own hold on it, or none yet."""
    if ctx.title is None and ctx.whole is not None:
        return title_of(ctx.whole)
    return ctx.__dict__.setdefault("title", Title())  # type: ignore[no-any-return]


def name(ctx: Any) -> str:
    """Settle the idempotency key of the call that *ctx* is, or is an attempt of; return it."""
    title = title_of(ctx)
    if title.key is not None:
        return title.key
    outer, prefix, part = ctx.parent, "", None
    if outer is not None:
        prefix = f"{name(outer)}/"
        with contextlib.suppress(Exception):  # whatever a foreign object raises when it is looked at
            part = f"{ctx.node.name}-{_digest(ctx, title_of(outer).known)}"
    with _lock:
        if title.key is None:
            part = None if part is None else _numbered(outer, part)
            title.key = prefix + (part or f"{ctx.node.name}-{ctx.node.next_id()}")
        return title.key


def name_alike(block: Any, scope: Any) -> None:
    """Have the calls in *block* named as if they were made in *scope* itself, in which it stands."""
    name(scope)
    with _lock:
        block.title, block.parts = title_of(scope), _parts(scope)


def _parts(scope: Any) -> dict[str, int]:
    if scope.parts is None:
        scope.parts, scope.unsettled = {}, True
    return scope.parts  # type: ignore[no-any-return]


def _numbered(scope: Any, part: str) -> str | None:
    """Return *part*, with a number from the second on: calls that are alike are told apart by their order."""
    parts = _parts(scope)
    if part not in parts and len(parts) >= MOST_PARTS:
        return None
    number = parts[part] = parts.get(part, 0) + 1
    return part if number == 1 else f"{part}#{number}"


def _digest(ctx: Any, known: dict[int, tuple[Any, str]]) -> str:
    from hashlib import blake2b

    args, kwargs = ctx.given
    if args and type(args[0]) is type(ctx):
        args = (ctx.input,)  # an operation that takes the context
    look, function = Look(known, ctx.node), ctx.function
    if ctx.node.of_method is not None and ctx.node.of_method.splits(args) and isinstance(function, FunctionType):
        function, args = MethodType(function, args[0]), args[1:]
    look.at_function(function)
    look.at((*args, dict(kwargs)), 0)
    return blake2b("".join(look.words).encode(), digest_size=8).hexdigest()


class Look:
    """Put values into words: equal words for equal values, in every process, and never for different ones."""

    def __init__(self, known: dict[int, tuple[Any, str]], node: Any) -> None:
        self.known, self.node, self.words, self.left = known, node, list[str](), MOST_VALUES

    def say(self, word: str) -> None:
        """Add a word, with its length, so that no two rows of words read alike."""
        self.words.append(f"{len(word)}:{word}")

    def at(self, value: Any, depth: int, *, lasting: bool = False) -> None:
        """Put *value* into words; of a *lasting* thing, such as ``self``, only what cannot change counts by value."""
        self.left -= 1
        if self.left < 0 or depth > MOST_DEPTH:
            raise Unnameable
        kind = type(value)
        path = f"{kind.__module__}.{kind.__qualname__}"
        self.say(path)
        members = _members(value, lasting=lasting)
        if kind in _BY_TEXT or path in _BY_TEXT:
            self.say(repr(value))
        elif isinstance(value, enum.Enum):
            self.say(value.name)
        elif isinstance(value, (FunctionType, MethodType)):
            self.at_function(value, depth)
        elif members is not None:
            self._at_all(members, depth, lasting)
        elif isinstance(value, (dict, set, frozenset)) and not lasting:
            self._at_set(value.items() if isinstance(value, dict) else value, depth)
        else:
            self.say(_path_of(value) or self._itself(value))

    def at_function(self, function: Any, depth: int = 0) -> None:
        """Put into words which function it is: its path, and what it holds on to."""
        if isinstance(function, MethodType):
            self.at(function.__self__, depth + 1, lasting=True)
            function = function.__func__
        if not isinstance(function, FunctionType):
            self.at(function, depth + 1, lasting=True)
            return
        self.say(f"{function.__module__}.{function.__qualname__}")
        if "<" in (function.__qualname__ if depth else function.__name__):
            self.say(essence(function.__code__))  # several may have one name, and do different things
        held = tuple(cell.cell_contents for cell in function.__closure__ or ())
        self.at((held, function.__defaults__, tuple((function.__kwdefaults__ or {}).items())), depth + 1, lasting=True)

    def _at_all(self, values: list[Any], depth: int, lasting: bool) -> None:
        self.say(str(len(values)))
        for value in values:
            self.at(value, depth + 1, lasting=lasting)

    def _at_set(self, values: Iterable[Any], depth: int) -> None:
        before, members = self.words, []
        for value in values:
            self.words = []
            self.at(value, depth + 1)
            members.append("".join(self.words))
        self.words = before
        self.say(str(len(members)))
        for member in sorted(members):
            self.say(member)

    def _itself(self, value: Any) -> str:
        """Return a word for this very object, the same as long as the outer call remembers it."""
        if len(self.known) >= MOST_KNOWN and id(value) not in self.known:
            raise Unnameable
        kept = self.known.setdefault(id(value), (value, self.node.next_id()))  # kept, so that no other has its id
        return kept[1]


def _members(value: Any, *, lasting: bool) -> list[Any] | None:
    """Return what a *value* consists of, in an order that equal ones share; None if that is not all there is to it."""
    if isinstance(value, tuple) or (isinstance(value, list) and not lasting):
        return list(value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return None
    if lasting and not type(value).__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return None
    return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]


def _path_of(value: Any) -> str | None:
    """Return the path under which everybody finds a class or function, as pickle does."""
    module: Any = getattr(value, "__module__", None)
    path = getattr(value, "__qualname__", None)
    if not isinstance(path, str):
        return None
    found: Any = sys.modules.get(module)
    for step in path.split("."):
        found = getattr(found, step, None)
    return f"{module}.{path}" if found is value else None


def essence(code: object) -> str:
    """Return what *code* does as text that is the same in every process: no addresses, no places in files, no order."""
    if isinstance(code, CodeType):
        takes = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _OPEN_ENDED)
        return essence((*code.co_consts, code.co_code, code.co_names, code.co_varnames, code.co_freevars, takes))
    if isinstance(code, tuple):
        return f"({', '.join(map(essence, code))})"
    if isinstance(code, frozenset):
        return f"{{{', '.join(sorted(map(essence, code)))}}}"
    return repr(code)
