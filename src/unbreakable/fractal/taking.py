"""What a function that is given to a node takes, the instance of a method and the failure or nothing, and gives."""

from __future__ import annotations

import dis
import inspect
import itertools
from collections.abc import Callable
from types import CodeType
from typing import Any

from unbreakable.fractal.operation import POSITIONAL, signature_of
from unbreakable.outcome import Failure
from unbreakable.policies.check import refuse
from unbreakable.record import Record

INSTANCE = frozenset({"self", "cls"})
FAILURE = frozenset({"failure", "error", "exception", "exc", "err", "fail", "f", "e", ""})


class Takes(Record):
    """Say whether a function takes the instance, and whether it takes the failure, in this order."""

    instance: bool
    failure: bool


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters of *function*, None where it does not say."""
    try:
        return list(signature_of(function).parameters.values())
    except (TypeError, ValueError):
        return None


def required(parameters: list[inspect.Parameter]) -> int:
    """Return how many of the *parameters* have to be given by place."""
    return sum(each.kind in POSITIONAL and each.default is each.empty for each in parameters)


def what_it_takes(what: str, function: Any) -> Takes | None:
    """Return what *function*, a remedy or a fallback, takes; None where it does not say.

    What it requires decides.  Of a parameter that may be left out only the name or the type says that it is meant for
    the failure.  Raises ConfigurationError when it takes something else.

    >>> what_it_takes("it", lambda failure=None: 1), what_it_takes("it", lambda scope="all": 1)
    (Takes(instance=False, failure=True), Takes(instance=False, failure=False))
    """
    if not callable(function):
        raise refuse(what, "a function that takes the failure", function)
    parameters = parameters_of(function)
    if parameters is None:
        return None
    by_place = [each for each in parameters if each.kind in POSITIONAL]
    most = required(parameters)
    instance = most == 2 or (bool(by_place) and by_place[0].name in INSTANCE)
    rest = by_place[instance:]
    if required(rest) > 1 or any(each.kind is each.KEYWORD_ONLY and each.default is each.empty for each in parameters):
        raise refuse(what, "a function that takes the failure and nothing else", function)
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    return Takes(instance=instance, failure=bool(required(rest)) or takes_any or any(map(is_for_failure, rest[:1])))


def is_for_failure(parameter: inspect.Parameter) -> bool:
    """Return whether the *parameter*, which may be left out, is meant for the failure, as its name or type says."""
    return parameter.name.strip("_").lower() in FAILURE or "Failure" in str(parameter.annotation)


def caller_of(function: Any, takes: Takes | None) -> Callable[..., Any]:
    """Return *function* as one that is called with what it *takes* of the instance, and with the failure."""
    if takes is None:
        return Untold(function) if inspect.isbuiltin(function) or isinstance(function, type) else function
    if takes.failure:
        return function  # type: ignore[no-any-return]
    return (lambda instance, _: function(instance)) if takes.instance else (lambda _: function())


class Untold:
    """Call a function that is built in and does not say what it takes: with nothing, unless it wants something."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, failure: Failure) -> Any:
        """Call it."""
        try:
            return self.function()
        except TypeError as error:
            inside = error.__traceback__.tb_next if error.__traceback__ is not None else None
            if inside is not None or "argument" not in str(error):
                raise
        return self.function(failure)


def returns_nothing(function: Any) -> bool:
    """Return whether *function* is one in whose code all that is returned is None.

    >>> returns_nothing(lambda failure: None), returns_nothing(lambda failure: failure.http_status == 401)
    (True, False)
    """
    code = getattr(function, "__code__", None)
    steps = list(dis.get_instructions(code)) if isinstance(code, CodeType) else []
    ends = [(before, step) for before, step in itertools.pairwise(steps) if step.opname.startswith("RETURN_")]
    return bool(ends) and all(_gives_none(before, step) for before, step in ends)


def _gives_none(before: dis.Instruction, step: dis.Instruction) -> bool:
    if step.opname == "RETURN_CONST":
        return step.argval is None
    is_none = before.opname == "LOAD_CONST" and before.argval is None
    return step.opname == "RETURN_VALUE" and is_none and not step.is_jump_target
