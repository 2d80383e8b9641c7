"""Say what may mend a failure: remedies that many targets need, as ``remedies=[ub.remedies.reconnect(pool.reset)]``.

Each is for the sorts of failure that it makes sense for, or for those that *on* names, in the words of
``FractalNode.remedy``: exception types, or predicates over the ``ub.Failure``.  Which of them is tried first is learned
for each sort of failure, from what has helped.  Those that need your code are given a function, async or sync, that
takes the failure or nothing: what it requires decides, and a parameter that may be left out is given the failure only
where its name or type says so.  For a method it may take the instance first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeAlias

from unbreakable.errors import Kind
from unbreakable.fractal import Remedy, on_kinds
from unbreakable.fractal.operation import bound_to
from unbreakable.fractal.remedies import GIVE_UP, WAIT, Matcher, matcher
from unbreakable.fractal.taking import caller_of, parameters_of, what_it_takes
from unbreakable.outcome import Failure
from unbreakable.policies import Context, check, current
from unbreakable.policies.check import refuse

__all__ = [
    "clear_cache",
    "give_up",
    "longer_timeout",
    "other_endpoint",
    "reconnect",
    "refresh_credentials",
    "smaller_batch",
    "wait",
]

Mending: TypeAlias = "Callable[[], Any] | Callable[[Failure], Any]"

PASSING = (Kind.TRANSIENT, Kind.UNREACHABLE, Kind.THROTTLED, Kind.TIMEOUT, Kind.UNKNOWN, Kind.UNVERIFIED)


def wait(seconds: float, *, on: Matcher | None = None) -> Remedy:
    """Leave the target in peace for at least *seconds* before the next attempt, for what passes by itself."""
    check.seconds("remedies.wait: seconds", seconds, positive=True)
    return Remedy(f"{WAIT} {seconds:g} s", _on(on, *PASSING), None, pause=float(seconds))


def longer_timeout(factor: float = 2.0, *, on: Matcher | None = None) -> Remedy:
    """Give the next attempts of the call *factor* times as long; for attempts that a time limit has cut."""
    if not isinstance(factor, Real) or isinstance(factor, bool) or not 1.0 < factor <= 1_000.0:
        raise refuse("remedies.longer_timeout: factor", "a number above 1, at most 1,000", factor)
    matches = matcher((on,)) if on is not None else _was_cut
    return Remedy("longer_timeout", matches, None, stretch=float(factor), goes_on=True)


def reconnect(function: Mending, *, on: Matcher | None = None) -> Remedy:
    """Call *function*, which makes connections anew; for targets that cannot be reached or do not answer."""
    return _calling("reconnect", function, _on(on, Kind.UNREACHABLE, Kind.TIMEOUT, Kind.TRANSIENT))


def refresh_credentials(function: Mending, *, on: Matcher | None = None) -> Remedy:
    """Call *function*, which fetches new credentials; for those that were refused."""
    return _calling("refresh_credentials", function, _on(on, Kind.CREDENTIALS))


def other_endpoint(function: Mending, *, on: Matcher | None = None) -> Remedy:
    """Call *function*, which turns to another endpoint, or returns the argument that does: ``{"host": …}``."""
    return _calling("other_endpoint", function, _on(on, *PASSING), prevents=False)


def clear_cache(function: Mending, *, on: Matcher | None = None) -> Remedy:
    """Call *function*, which drops what was kept; for answers that are not what was asked for."""
    return _calling("clear_cache", function, _on(on, Kind.UNVERIFIED, Kind.INVALID, Kind.UNKNOWN))


def smaller_batch(argument: str, *, factor: float = 0.5, least: int = 1, on: Matcher | None = None) -> Remedy:
    """Call again with *factor* of the number that *argument* was, at least *least*; for requests that are too much.

    It goes on with the call until that is reached.  The operation has to take *argument* by name, a number of items:
    nothing is taken away from a list, which would be lost.
    """
    if not isinstance(argument, str) or not argument.isidentifier():
        raise refuse("remedies.smaller_batch: argument", "the name of an argument", argument)
    if not isinstance(factor, Real) or isinstance(factor, bool) or not 0.0 < factor < 1.0:
        raise refuse("remedies.smaller_batch: factor", "a number between 0 and 1", factor)
    check.whole("remedies.smaller_batch: least", least, least=1)

    def shrink(failure: Failure) -> dict[str, int]:
        size = argument_of(argument)
        if size is None:
            raise ValueError(f"the call has no argument {argument!r}")
        if type(size) is not int or size <= least:
            raise ValueError(f"{argument} is {size!r}, which cannot be made smaller than {least}")
        return {argument: max(least, int(size * factor))}

    matches = _on(on, Kind.INVALID, Kind.TIMEOUT, Kind.TRANSIENT, Kind.THROTTLED)
    return Remedy("smaller_batch", matches, shrink, goes_on=True, needs=argument)


def give_up(on: Matcher) -> Remedy:
    """Make no further attempt after failures that *on* names, once the remedies given before this one were tried."""
    return Remedy(GIVE_UP, matcher((on,)), None, final=True)


def argument_of(name: str) -> Any:
    """Return the argument of that *name* that the last attempt of the call at hand was made with; None for none."""
    ctx: Context | None = current()
    if ctx is None:
        return None
    if name in ctx.arguments:
        return ctx.arguments[name]
    args, kwargs = ctx.given
    function = ctx.function if ctx.function is not None else ctx.node.operation
    is_the_callers = not (args and isinstance(args[0], Context))  # a node's operation takes the context
    bound = bound_to(function, args, kwargs) if is_the_callers else None
    if bound is not None and name in bound.arguments:
        return bound.arguments[name]
    default = next(
        (each.default for each in parameters_of(function) or () if each.name == name), inspect.Parameter.empty
    )
    return kwargs.get(name, None if default is inspect.Parameter.empty else default)


def _on(on: Matcher | None, *kinds: Kind) -> Callable[[Failure], bool]:
    return on_kinds(*kinds) if on is None else matcher((on,))


def _was_cut(failure: Failure) -> bool:
    return failure.cut


def _calling(name: str, function: Any, matches: Callable[[Failure], bool], *, prevents: bool = True) -> Remedy:
    if not callable(function):
        raise refuse(f"remedies.{name}: function", "a function that takes the failure or nothing", function)
    takes = what_it_takes(f"remedies.{name}: function", function)
    is_for_one = takes is not None and takes.instance
    apply = caller_of(function, takes)
    return Remedy(name, matches, apply, prevents=prevents, source=function, takes_instance=is_for_one)
