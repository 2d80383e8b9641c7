"""A script hands the floor to code that it cannot call, such as a user's block, and goes on when that is over."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeAlias

from unbreakable.outcome import Result
from unbreakable.runtime import Stopped

Script: TypeAlias = Coroutine[Any, Any, Result[Any]]


class Handover:
    """What the script yields when it is the others' turn."""


FLOOR = Handover()


@types.coroutine
def hand_over() -> Generator[Handover, None, None]:
    """Hand the floor to whoever drives the script; what they throw is raised here."""
    try:
        yield FLOOR
    except StopIteration as end:
        raise Stopped(repr(end)) from end


def advance(script: Script, error: BaseException | None = None) -> Result[Any] | None:
    """Drive *script*, in which *error* is raised if given, until it hands over (None) or ends in a result."""
    try:
        script.send(None) if error is None else script.throw(error)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]
    return None


@types.coroutine
def advance_async(script: Script, error: BaseException | None = None) -> Generator[Any, Any, Result[Any] | None]:
    """Drive *script* as ``advance`` does, handing to the event loop what is the event loop's."""
    try:
        asked = script.send(None) if error is None else script.throw(error)
        while asked is not FLOOR:
            try:
                answer = yield asked
            except BaseException as interruption:
                asked = script.throw(interruption)
            else:
                asked = script.send(answer)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]
    return None
