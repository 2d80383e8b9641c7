"""Arguments that can be read once: what an attempt has taken from a generator, the next one does not get.

A repeat would succeed with what is left, or with nothing, and a copy would share its items with the attempt beside it:
both lose work in silence.  Of other iterators, and of open files, nobody can tell from outside whether they were read.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterable, Mapping
from types import AsyncGeneratorType, CodeType, GeneratorType
from typing import Any
from weakref import WeakSet

from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.runtime import parameters_said

NOTHING: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
GENERATORS = (GeneratorType, AsyncGeneratorType)
left_behind: WeakSet[Any] = WeakSet()  #: generators that an attempt has in hand which was left behind in a thread


def may_run_beside(ctx: Any) -> bool:
    """Return whether a copy of the attempt may be started while it is at work: it does no harm, and takes no items."""
    return may_run_twice_at_once(ctx.plan.effects) and not generators_of(ctx)


def leave_behind(ctx: Any) -> None:
    """Note what the attempt *ctx*, whose time is up, may yet read from if a thread goes on with it."""
    if ctx.in_a_thread or not ctx.runtime.preemptive:
        left_behind.update(generators_of(ctx))


def used_up(ctx: Any) -> str | None:
    """Return the name of a generator among the next attempt's arguments from which one before it has read, or may."""
    return next((each.__name__ for each in generators_of(ctx) if each in left_behind or is_begun(each)), None)


def generators_of(ctx: Any) -> list[Any]:
    """Return the generators that the next attempt of a call is given; a remedy may have changed its arguments."""
    changed = ctx.arguments
    while ctx.given == NOTHING and ctx.whole is not None:
        ctx = ctx.whole
    args, kwargs = ctx.given if ctx.entry is None else ctx.entry[1:]  # on the quick path it has these yet
    context = ctx.input if type(ctx.input) is dict else {"context": ctx.input}
    found = generators_in(args, {**context, **kwargs, **changed})
    if not (found and changed):
        return found
    try:
        bound = parameters_said(ctx.function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # it does not say what it takes
        return found
    gone = {id(value) for name, value in bound.items() if name in changed} - set(map(id, changed.values()))
    return [each for each in found if id(each) not in gone]


def generators_in(args: Iterable[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return the generators among arguments."""
    return [each for each in (*args, *kwargs.values()) if type(each) in GENERATORS]


def is_begun(generator: Any) -> bool:
    """Return whether somebody has taken an item of *generator*, or closed it."""
    if isinstance(generator, GeneratorType):
        return inspect.getgeneratorstate(generator) != inspect.GEN_CREATED
    frame = generator.ag_frame  # inspect tells it from Python 3.12 on
    return frame is None or generator.ag_running or frame.f_lasti > _beginning(frame.f_code)


def _beginning(code: CodeType) -> int:
    """Return where the body of a generator begins; before that is what makes it."""
    return next(each.offset for each in dis.get_instructions(code) if each.opname == "RESUME")
