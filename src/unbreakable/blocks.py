"""The block form: a FractalNode around a piece of code that is not a function."""

from __future__ import annotations

import sys
from collections import OrderedDict
from types import FunctionType
from typing import TYPE_CHECKING, Any, Unpack

from unbreakable.fractal import FractalNode
from unbreakable.fractal.attempts import Attempts
from unbreakable.fractal.own import BlockNode, Own
from unbreakable.fractal.settings import check_names
from unbreakable.record import Preset
from unbreakable.runtime import new_lock

if TYPE_CHECKING:  # only type checkers read the table of keywords
    from unbreakable.fractal.options import Common

MOST_PLACES = 1_000

_places: OrderedDict[Any, FractalNode] = OrderedDict()
_places_lock = new_lock()


def attempts(name: str, **options: Unpack[Common]) -> Attempts:
    """Guard a block of code that is not a function.

    Write ``async for attempt in ub.attempts("name"): async with attempt: …``, or the same without async.

    >>> tries = []
    >>> for attempt in attempts("flaky block"):
    ...     with attempt:
    ...         tries.append(attempt.number)
    ...         if len(tries) < 2:
    ...             raise ConnectionError("again")
    >>> tries
    [1, 2]

    Every place in your code that calls this has a node of its own for each set of settings that it calls this with; it
    remembers and learns from call to call.  Functions (``validate``, ``key``, ``remedies``) are those of the call at
    hand and may use its variables: ``validate`` and ``key`` take nothing here.  A ``deadline`` is a setting: one that
    is worked out for each call makes a node for each, which knows nothing, so use few.  The last failure is raised.
    Whoever leaves the loop between two blocks ends the call: an attempt is for the loop that gave it.
    No item is handed on from within the block: an async one with a ``yield`` in it is refused with a RuntimeError when
    it begins, since its limits would cut whoever has the item; see docs/generators.md.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - the place decides which node it is
    given: dict[str, Any] = {**options}
    if given.get("hedge") is None:  # learned, and learned is that a block cannot run twice at once
        given["hedge"] = False
    check_names(name, options, attempts)
    own = Own(name, given)
    place = (name, frame.f_code, frame.f_lasti, own.sort, *_plain(given))
    with _places_lock:
        node = _places.get(place) or _places.setdefault(place, BlockNode(name, **given, **own.settings()))
        _places.move_to_end(place)
        dropped = [_places.popitem(last=False)[1] for _ in range(len(_places) - MOST_PLACES)]
    for each in dropped:
        each.aclose_sync()
    return Attempts(node, own)


def _plain(options: Any) -> list[tuple[str, Any]]:
    """Return the options that nodes are told apart by; what cannot be compared is refused by whoever checks it."""
    plain: list[tuple[str, Any]] = []
    for name, value in sorted(options.items()):
        try:
            hash(value)
        except TypeError:
            plain.append((name, type(value)))
        else:
            plain.append((name, "a function" if callable(value) and not isinstance(value, Preset) else _told(value)))
    return plain


def _told(value: Any) -> Any:
    """Return what tells *value* from others: a function in a policy is made anew with each call, of the same code."""
    if isinstance(value, Preset):
        return (type(value), *(_told(getattr(value, name)) for name in value.fields))
    if not isinstance(value, FunctionType):
        return value
    try:
        held = tuple(cell.cell_contents for cell in value.__closure__ or ())
        code = (value.__code__, value.__module__, value.__defaults__, held)
        hash(code)
    except (TypeError, ValueError):  # it holds what cannot be compared, or what is not there yet
        return value
    return code
