"""What may be protected: functions of either colour that take the context or nothing."""

from __future__ import annotations

import contextlib
import functools
import inspect
import weakref
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeAlias, TypeVar

from unbreakable.errors import ConfigurationError
from unbreakable.policies import Context
from unbreakable.policies.check import refuse
from unbreakable.runtime import gives_async_generator, gives_generator, parameters_said

T = TypeVar("T")

Operation: TypeAlias = "Callable[[], T | Awaitable[T]] | Callable[[Context], T | Awaitable[T]]"
Work: TypeAlias = Callable[[Context], Callable[[], Any]]

AN_OPERATION = "a function that takes the context or nothing"
NO_GENERATOR = "a function that returns: calling a generator does nothing (ub.protect guards generators)"

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
ANY = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def remembered(look: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return *look*, which looks once at each function that can be remembered: an engine asks at each call.

    A bound method or a builtin cannot be; looking costs a few microseconds.
    """
    known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()

    @functools.wraps(look)
    def looked(function: Any) -> bool:
        try:
            return known[function]
        except (KeyError, TypeError):
            pass
        found = look(function)
        with contextlib.suppress(TypeError):
            known[function] = found
        return found

    return looked


class NoWork:
    """Stand for an operation that is none."""

    def __init__(self, found: object) -> None:
        self.found = found

    def why(self, name: str) -> ConfigurationError:
        """Return what is wrong with it."""
        if self.found is None:
            return ConfigurationError(f"{name}: operation is missing: the node has none of its own, and none was given")
        expected = NO_GENERATOR if callable(self.found) else "a function or a node"
        return refuse(f"{name}: operation", expected, self.found)


@remembered
def takes_context(operation: Callable[..., Any]) -> bool:
    """Return whether *operation* takes the context.

    It does when its first parameter is called ctx or context, or when a positional parameter has no default.

    >>> takes_context(lambda ctx: 1), takes_context(lambda: 1), takes_context(lambda city="CAI": 1)
    (True, False, False)
    """
    try:
        parameters = signature_of(operation).parameters.values()
    except (TypeError, ValueError):
        return False  # a builtin without a signature
    first = next(iter(parameters), None)
    if first is not None and first.name in ("ctx", "context"):
        return True
    return any(
        (parameter.kind in POSITIONAL and parameter.default is inspect.Parameter.empty)
        or parameter.kind is inspect.Parameter.VAR_POSITIONAL
        for parameter in parameters
    )


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *function*; ValueError when it does not say.

    Python 3.13 calls what it finds under ``__signature__``, and a stub makes up any attribute: it would be a request.
    """
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = inspect.unwrap(inner, stop=lambda each: hasattr(each, "__signature__"))
    said = getattr(inner, "__signature__", None)
    if said is not None and not isinstance(said, (inspect.Signature, str)) and not isinstance(inner, type):
        raise ValueError(f"a {type(inner).__name__} does not say what it takes")
    return parameters_said(function)


def work_with_context(operation: Callable[..., Any]) -> Work:
    """Return what makes an attempt of an operation that takes the context or nothing."""
    if takes_context(operation):
        return lambda ctx: functools.partial(operation, ctx, **ctx.arguments)
    return lambda ctx: functools.partial(operation, **ctx.arguments)


def work_with_arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Work:
    """Return what makes an attempt of a function that was called with arguments; remedies may have changed some."""

    def work(ctx: Context) -> Callable[[], Any]:
        bound = bound_to(function, args, kwargs) if ctx.arguments else None
        if bound is None:
            return functools.partial(function, *args, **{**kwargs, **ctx.arguments})
        by_name = {name: value for name, value in ctx.arguments.items() if not _change(function, bound, name, value)}
        return functools.partial(function, *bound.args, **{**bound.kwargs, **by_name})

    return work


def bound_to(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments | None:
    """Return which arguments a call of *function* is given; None where they do not fit, or it does not say.

    What a decorator that takes any by place does with them, only what it decorates can say: it may put in some of its
    own, and then they do not fit, as a rule.
    """
    try:
        said, taken = signature_of(function), parameters_said(function, follow_wrapped=False)
        takes_any = any(each.kind is each.VAR_POSITIONAL for each in taken.parameters.values())
        return (said if takes_any else taken).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None


def arguments_of(ctx: Context) -> Collection[str] | None:
    """Return the names of the call's arguments: those of its signature, and what else it was given.

    None stands for every word: where nobody can say, and for an operation that takes any, since what it is given comes
    from remedies alone.
    """
    function = ctx.function if ctx.function is not None else ctx.node.operation
    while function is not None and hasattr(function, "operation"):
        function = function.operation  # a node hands on what it is given
    try:
        parameters = signature_of(function).parameters.values()
    except (TypeError, ValueError):
        return None
    args, kwargs = ctx.given
    if args and isinstance(args[0], Context) and any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    named = [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if args and ctx.function is not None and bound_to(function, args, kwargs) is None:
        by_place = sum(each.kind in POSITIONAL and each.default is each.empty for each in parameters)
        del named[:by_place]  # a decorator has put in some: nobody can say which of these are whose
    return {*named, *kwargs}


def _change(function: Callable[..., Any], bound: inspect.BoundArguments, name: str, value: Any) -> bool:
    """Set argument *name* and return True; or leave it out, so that it and what follows it goes by name.

    It does where a decorator takes any: if that has put in some of its own, Python refuses the call, instead of what
    was meant for one parameter being passed as another.
    """
    said, taken = bound.signature.parameters, parameters_said(function, follow_wrapped=False).parameters
    if name in said and (
        not {each.kind for each in taken.values()} >= ANY
        or said[name].kind is inspect.Parameter.POSITIONAL_ONLY
        or any(said[each].kind is inspect.Parameter.VAR_POSITIONAL for each in bound.arguments)
    ):
        bound.arguments[name] = value
        return True
    bound.arguments.pop(name, None)
    return False


def check_operation(what: str, operation: Any) -> None:
    """Raise ConfigurationError unless *operation* can be called with the context, or with nothing, and returns."""
    if not callable(operation):
        raise refuse(what, AN_OPERATION, operation)
    if is_generator(operation):
        raise refuse(what, NO_GENERATOR, operation)
    if not _fits(operation):
        raise refuse(what, AN_OPERATION, operation)


@remembered
def _fits(operation: Callable[..., Any]) -> bool:
    """Return whether *operation* can be called with what it takes."""
    try:
        signature = signature_of(operation)
    except (ValueError, TypeError):
        return True  # some built-in functions do not say
    try:
        signature.bind(*((None,) if takes_context(operation) else ()))
    except TypeError:
        return False
    return True


def takes_one(what: str, function: Any) -> None:
    """Raise ConfigurationError unless *function* can be called with the failure alone."""
    if not callable(function):
        raise refuse(what, "a function that takes the failure", function)
    if not can_take_one(function):
        raise refuse(what, "a function that takes the failure and nothing else", function)


def can_take_one(function: Callable[..., Any]) -> bool:
    """Return whether *function* can be called with one argument, as far as it says."""
    try:
        signature_of(function).bind(None)
    except TypeError:
        return False
    except ValueError:
        return True  # a builtin, or a stub, does not say
    return True


def qualified_name(function: Any) -> str:
    """Return the name of *function* where it was defined, else its type's: a stub may make up any attribute."""
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


def is_generator(function: Any) -> bool:
    """Return whether calling *function* gives a generator of either colour."""
    found = function_of(function)
    return _gives(getattr(found, "__func__", found))  # of a bound method, which is made anew each time


@remembered
def _gives(function: Any) -> bool:
    return gives_generator(function) or gives_async_generator(function)


def is_async_generator(function: Any) -> bool:
    """Return whether calling *function* gives an async generator."""
    return gives_async_generator(function_of(function))


def function_of(function: Any) -> Any:
    """Return what is called when *function* is, be it in a partial, a classmethod, a staticmethod or protected."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, (classmethod, staticmethod)):
            function = function.__func__
        elif isinstance(getattr(type(function), "hands_on", None), bool):  # a protected generator
            function = function.function
        else:
            return function
