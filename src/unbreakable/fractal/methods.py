"""A method's functions: what is given to a protected method may take the instance that it is called for.

A door between class and instance binds the function, so that nobody inside would know for whom a call is made.  Where
anything that was given cares, the call is made as through the class, with the instance as its first argument.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any

from unbreakable.errors import ConfigurationError
from unbreakable.fractal.operation import function_of, is_async_generator
from unbreakable.fractal.remedies import Matcher, Remedy, admitted, enlist, made_remedy, matcher
from unbreakable.fractal.taking import INSTANCE, caller_of, parameters_of, required, what_it_takes
from unbreakable.fractal.turn import Turns
from unbreakable.outcome import Failure
from unbreakable.plain import nearest
from unbreakable.policies import Context, current
from unbreakable.policies.check import refuse
from unbreakable.runtime import is_async

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Method:
    """Know whether a protected function is a method, and whether what was given to it cares for whom it is called."""

    def __init__(self, function: Any, inner: FunctionType) -> None:
        self.is_one = isinstance(function, classmethod) or is_named_so(inner)
        self.cares = False
        self.most = takes_at_most(inner)  #: arguments by place, the instance not counted

    def splits(self, args: tuple[Any, ...]) -> bool:
        """Return whether the first of a call's arguments is the instance."""
        return self.is_one and bool(args) and not isinstance(args[0], Context)


class ForArguments:
    """Call ``key`` or ``validate`` with the arguments of a method's call, and with the instance if it takes that."""

    def __init__(self, function: Callable[..., Any], method: Method) -> None:
        self.function, self.method = function, method
        parameters = parameters_of(function) or []
        named = bool(parameters) and parameters[0].name in INSTANCE
        self.takes_instance = named or required(parameters) > method.most

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        if self.method.splits(args) and not self.takes_instance:
            args = args[1:]
        return self.function(*args, **kwargs)


class ForInstance:
    """Call a remedy or a fallback with the instance that the call at hand is made for, and with the failure.

    Where it is a method, that is the one of this name that the instance has: a subclass may have its own.
    """

    def __init__(self, function: Callable[..., Any], source: Any = None) -> None:
        self.function, self.is_async = function, is_async(function)
        self.source = function if source is None else source  #: the user's, of which *function* may be a form

    def __call__(self, failure: Failure) -> Any:
        """Call it."""
        instance = instance_of(current())
        own = own_method(instance, self.source)
        return self.function(instance, failure) if own is None else call_with(own, failure)


def own_method(instance: Any, function: Any) -> Any:
    """Return what *instance* has in the place of its class's method *function*; None where that is it."""
    name, mine = getattr(function, "__name__", ""), innermost(function)
    kind = instance if isinstance(instance, type) else type(instance)
    known = [innermost(vars(each)[name]) for each in kind.__mro__ if name in vars(each)]
    if known[:1] == [mine] or not any(each is mine for each in known):
        return None
    own = getattr(instance, name)
    return own if callable(own) else None


def innermost(function: Any) -> Any:
    """Return the function behind a method, and behind what was put around it, such as a protection."""
    inner = inspect.unwrap(function)
    if inspect.isbuiltin(inner) and not inspect.ismodule(inner.__self__):
        return getattr(type(inner.__self__), inner.__name__, inner)  # as that of each dictionary
    return inspect.unwrap(inner.__func__) if hasattr(inner, "__func__") else inner


def call_method(path: str, instance: Any, failure: Failure) -> Any:
    """Call the method that *instance* has by that *path*, whatever stands there."""
    owner, name = owner_of(instance, path)
    return call_with(getattr(owner, name), failure)


def owner_of(instance: Any, path: str) -> tuple[Any, str]:
    """Return whose method it is to which *path* leads from *instance*, and its name."""
    held, _, name = path.rpartition(".")
    return getattr(instance, held, None) if held else instance, name


def call_with(function: Any, failure: Failure) -> Any:
    """Call *function*, which takes the failure or nothing."""
    return caller_of(function, what_it_takes(function.__qualname__, function))(failure)


def instance_of(ctx: Context | None) -> Any:
    """Return the instance that the call is made for; TypeError when it is not a method's."""
    if ctx is None or ctx.node.of_method is None or not ctx.node.of_method.splits(ctx.given[0]):
        raise TypeError("it takes the instance of a method, and this is not the call of one")
    return ctx.given[0][0]


def method_of(function: Any) -> Method | None:
    """Return what is known of *function* as a method; None when it can be none."""
    try:
        inner = None if isinstance(function, staticmethod) else inspect.unwrap(function)
    except ValueError:  # a stub, which has whatever it is asked for
        return None
    if not isinstance(inner, FunctionType):
        return None
    around = inner.__qualname__.rpartition(".")[0]
    stands_in_a_class = bool(around) and not around.endswith("<locals>")
    return Method(function, inner) if stands_in_a_class or is_named_so(inner) else None


def is_named_so(function: FunctionType) -> bool:
    """Return whether the first parameter of *function* says that it is a method."""
    return function.__code__.co_varnames[: function.__code__.co_argcount][:1] == ("self",)


def takes_at_most(function: FunctionType) -> float:
    """Return how many arguments the method *function* takes by place, the instance not counted."""
    code = function.__code__
    return math.inf if code.co_flags & inspect.CO_VARARGS else code.co_argcount - 1


# ── what is given ───────────────────────────────────────────────────────────────────────────────────────────────────


def fitted(function: Any, own: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], Method | None]:
    """Return the *options* of the *function* of that name, made to be called for methods if it may be one."""
    given, method = dict(options), method_of(function)
    for name in ("key", "validate"):
        if callable(given.get(name)):
            check_arguments(f"{own}: {name}", given[name], function, instance=method is not None)
    if method is None:
        return given, None
    for name in ("key", "validate"):
        if callable(given.get(name)) and not is_async(given[name]):
            given[name], method.cares = ForArguments(given[name], method), True
    answer = given.get("fallback")
    if callable(answer) and takes_instance(f"{own}: fallback", answer):
        given["fallback"], method.cares = ForInstance(answer), True
    return given, method


def takes_instance(what: str, function: Any) -> bool:
    """Return whether *function*, which is given the failure, takes the instance, too."""
    takes = what_it_takes(what, function)
    return takes is not None and takes.instance


def outfit(node: Any, function: Any, method: Method | None, remedies: Iterable[Remedy]) -> None:
    """Make *node* that of one *function*, perhaps a *method*, with *remedies*: its options speak of that alone."""
    is_plain = not (is_async(function) or is_async_generator(function))
    for each in remedies:
        if each.needs is not None:
            check_argument(f"{node.name}: remedies: {each.name}", function, each.needs)
        if is_plain and is_async(each.source):
            raise refuse(f"{node.name}: a remedy of a plain function", "a plain function, too", each.source)
    node.speaks_of_itself, node.of_method = True, method
    enlist(node, *remedies)


def check_argument(what: str, function: Any, name: str) -> None:
    """Refuse the *name* of an argument that the protected *function* does not have."""
    parameters = parameters_of(function_of(function))
    if parameters is None or any(each.name == name or each.kind is each.VAR_KEYWORD for each in parameters):
        return
    offered = [each.name for each in parameters]
    others = nearest(name, offered) if offered else " and no other"
    raise ConfigurationError(f"{what}: the function has no argument {name!r}{others}")


def check_arguments(what: str, given: Any, function: Any, *, instance: bool) -> None:
    """Refuse *given*, a ``key`` or ``validate``, that can take no call of the protected *function*.

    It requires more arguments than that takes, or takes fewer than that requires, of which an *instance* may be one.
    """
    wanted, offered = parameters_of(given), parameters_of(function_of(function))
    if wanted is None or offered is None:
        return
    too_many = required(wanted) > len(offered) and not any(each.kind in VARIABLE for each in offered)
    too_few = len(wanted) < required(offered) - instance and not any(each.kind in VARIABLE for each in wanted)
    if too_many or (too_few and is_called_as_it_says(function)):
        raise refuse(what, "a function that takes the arguments of the one that is protected", given)


def is_called_as_it_says(function: Any) -> bool:
    """Return whether callers give *function* what its signature says: no partial, nothing that a decorator adds."""
    inner = function.__func__ if isinstance(function, (classmethod, staticmethod)) else function
    return isinstance(inner, FunctionType) and not hasattr(inner, "__wrapped__")


def for_each_instance(node: str, method: Method | None, remedy: Remedy) -> Remedy:
    """Return *remedy*, which takes the instance, as it serves the node of that name: each instance for itself."""
    if method is None:
        raise refuse(f"{node}: a remedy", "a function that takes the failure and nothing else", remedy.source)
    method.cares = True
    apply: Any = remedy.apply
    remedy = copy.copy(remedy)
    remedy.apply, remedy.turns = ForInstance(apply, remedy.source), Turns()
    return remedy


def register(door: Any, what: tuple[Matcher, ...], function: Any, label: str | None) -> None:
    """Add *function* to the remedies of the *door*'s node.

    A method of the instance that the door was bound to is registered for every instance, each with its own, and once:
    constructors do so, and nobody is kept alive by it.  So is one of an object that the instance holds, as soon as
    another instance holds another one.  Any other function is registered once as well.
    """
    node, mine = door.node, door.function
    remedy = made_remedy(node.name, matcher(what), function, label)
    is_bound = node.of_method is not None and inspect.ismethod(mine)  # not one that was bound before it was protected
    may_be_own = is_bound and not isinstance(function, FunctionType)
    name = attribute_of(mine.__self__, function) if may_be_own else ""
    path = name or (way_to(mine.__self__, function) if may_be_own else "")
    tests: list[Any] = [one for each in what for one in (each if isinstance(each, tuple) else (each,))]
    if path:
        tests = [attribute_of(mine.__self__, each) or each if inspect.ismethod(each) else each for each in tests]
    if not is_bound:
        enlist(node, remedy)
        return
    remedy.registered = (path, innermost(function) if path else function, label, *map(told_apart, tests))
    with node.targets.lock:  # constructors run in many threads
        is_own = name or is_held_apart(node, path, function) or (path and any(isinstance(each, str) for each in tests))
        if all(each.registered != remedy.registered for each in node.remedies):
            enlist(node, of_each(remedy, tests) if is_own else remedy)


def is_held_apart(node: Any, path: str, function: Any) -> bool:
    """Return whether by that *path* instances come to methods of several objects, not all to *function*.

    Those that were registered by it as one for all instances become one for each: perhaps of another class's object.
    """
    alike = [each for each in node.remedies if path and each.registered and each.registered[0] == path]
    for each in alike:
        if each.turns is None and each.source != function:
            own = admitted(node.name, node.of_method, of_each(copy.copy(each), []))
            node.remedies[:] = [own if other is each else other for other in node.remedies]
    return any(each.turns is not None or each.source != function for each in alike)


def of_each(remedy: Remedy, tests: list[Any]) -> Remedy:
    """Return *remedy*, which was registered by an instance, as one that each has for itself, by the same way."""
    path, remedy.source, *_ = remedy.registered or ()
    if any(isinstance(each, str) for each in tests):
        remedy.matches, remedy.matches_of = of_nobody, functools.partial(matcher_of, tests)
    remedy.takes_instance = True
    remedy.apply = functools.partial(call_method, path)  # with the instance, by ForInstance
    return remedy


def way_to(instance: Any, method: Any) -> str:
    """Return how *instance* comes to the *method* of what it holds, as ``auth.refresh``; "" if it does not."""
    owner = getattr(getattr(method, "function", method), "__self__", None)
    if owner is None:
        return ""
    slots = (name for each in type(instance).__mro__ for name in (getattr(each, "__slots__", ()) or ()))
    held = next((name for name in (*getattr(instance, "__dict__", ()), *slots) if is_held(instance, name, owner)), "")
    name = attribute_of(owner, method) if held else ""
    return f"{held}.{name}" if name else ""


def is_held(instance: Any, name: str, owner: object) -> bool:
    """Return whether *owner* is what *instance* has under that *name*."""
    return getattr(instance, name, None) is owner


def attribute_of(instance: Any, method: Any) -> str:
    """Return under which name *instance* has its *method*, which may be private, or be wrapped; "" if it has not."""
    name = getattr(method, "__name__", "")
    if getattr(instance, name, None) == method:
        return name
    known = ((name, it) for each in type(instance).__mro__ for name, it in vars(each).items())
    alike = (name for name, it in known if isinstance(it, (FunctionType, classmethod)) or isinstance(method, type(it)))
    return next((name for name in alike if getattr(instance, name, None) == method), "")


def told_apart(test: Any) -> Any:
    """Return what tells *test* from others: of a function what it is made of, since each instance makes it anew."""
    if isinstance(test, functools.partial):
        return (test.func, *test.keywords, *map(id, (*test.args, *test.keywords.values())))
    if isinstance(test, FunctionType):
        held = *(test.__closure__ or ()), *(test.__defaults__ or ()), *(test.__kwdefaults__ or {}).values()
        return (test.__code__, *map(id, held))
    return test


def of_nobody(failure: Failure) -> bool:
    """Return False: of whose call it is, no method can be asked."""
    return False


def matcher_of(tests: Iterable[Any], instance: Any) -> Callable[[Failure], bool]:
    """Return the predicate of *tests*, of which those are its methods for *instance* that are told by their names."""
    return matcher(tuple(getattr(instance, each) if isinstance(each, str) else each for each in tests))


def remedies_of(ctx: Context) -> Sequence[Remedy]:
    """Return the remedies of the call: those given with it, else its node's, as they serve the instance."""
    if ctx.remedies:
        return ctx.remedies
    every: list[Remedy] = ctx.node.remedies
    return every if ctx.node.of_method is None else [serving(ctx, each) for each in every if is_for(ctx, each)]


def is_for(ctx: Context, remedy: Remedy) -> bool:
    """Return whether *remedy* is the instance's own: in a subclass another method may stand in its place."""
    if remedy.registered is None or not ctx.node.of_method.splits(ctx.given[0]):
        return True
    path, function, *_ = remedy.registered
    if not path or remedy.turns is None:
        return True
    owner, name = owner_of(ctx.given[0][0], path)
    return innermost(getattr(owner, name, function if owner is ctx.given[0][0] else None)) is function


def serving(ctx: Context, remedy: Remedy) -> Remedy:
    """Return *remedy* as it serves the instance that the call is made for."""
    if remedy.turns is None or not ctx.node.of_method.splits(ctx.given[0]):
        return remedy
    owner = owner_of(ctx.given[0][0], remedy.registered[0])[0] if remedy.registered else ctx.given[0][0]
    served = remedy.serving(remedy.turns.of(owner), of_all=ctx.node.settings.key is not None)
    if served.matches_of is not None:
        served.matches = served.matches_of(ctx.given[0][0])
    return served


# ── doors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Bound:
    """What the door of a method is where what was given to it cares for the instance: a call through the class."""

    whole: Any  #: the door that takes the instance as its first argument
    instance: Any

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method, protected."""
        return self.whole(self.instance, *args, **kwargs)

    def outcome(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method, protected; return how it ended."""
        return self.whole.outcome(self.instance, *args, **kwargs)

    def _rebound(self, function: Any) -> Any:
        return bound(self.whole, function)


@functools.cache
def bound_sort(door: Any) -> Any:
    """Return the class of doors like *door* that are bound to an instance."""
    return type(door.__name__, (Bound, door), {"__doc__": door.__doc__})


def bound(door: Any, function: Any) -> Any:
    """Return *door* with the method *function*, which it was bound to."""
    sort: Any = type(door)
    made: Any = bound_sort(sort)(function, door.node)
    made.instance = function.__self__
    made.whole = door if function.__func__ is door.function else type(door)(function.__func__, door.node)
    return made
