"""A function behind a door of its colour, with a node of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unbreakable.fractal import AsyncProtected, FractalNode, SyncProtected
from unbreakable.fractal.operation import is_generator, qualified_name, takes_one
from unbreakable.fractal.remedies import read_remedies
from unbreakable.fractal.settings import check_hedge, check_names
from unbreakable.policies.check import refuse
from unbreakable.runtime import is_async


def protected(protect: Callable[..., Any], function: Any, name: str | None, options: Any) -> Any:
    """Return *function* behind a door of its colour, with a node of its own, as is asked of *protect*."""
    if not callable(function) and not isinstance(function, (classmethod, staticmethod)):
        raise TypeError(f"protect() protects functions, not {function!r}")
    if isinstance(function, FractalNode):
        raise TypeError(f"{function.name} is a node, which is protected already: execute it, or make it an operation")
    if isinstance(function, type):
        raise TypeError(f"protect() protects functions, not classes: protect the methods of {function.__name__}")
    own = qualified_name(function).replace("<locals>.", "")
    check_names(name or own, options, protect)
    if is_generator(function):
        from unbreakable.fractal.generators import guard

        return guard(function, name or own, options)
    from unbreakable.fractal.methods import fitted, outfit

    given, method = fitted(function, name or own, options)
    answer = given.get("fallback")
    if answer is not None and is_async(answer) and not is_async(function):
        raise refuse(f"{own}: the fallback of a plain function", "a plain function, too", answer)
    if answer is not None:
        takes_one(f"{own}: fallback", answer)
    check_hedge(name or own, given.get("effects", "unknown"), given.get("hedge"))
    remedies = read_remedies(name or own, given.pop("remedies", None))
    node = FractalNode(name or own, **given)
    outfit(node, function, method, remedies)  # what is declared is declared of this function
    door: Any = (AsyncProtected if is_async(function) else SyncProtected)(function, node)
    node.be_held_by(door)
    return door
