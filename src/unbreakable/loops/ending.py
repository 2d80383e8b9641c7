"""Loops end together: asked, waited for, cancelled, waited for once more."""

from __future__ import annotations

from collections.abc import Iterable

from unbreakable.loops.life import Life
from unbreakable.runtime import BLOCKING, Runtime, run_blocking
from unbreakable.storage.turn import when_free

# An iteration that had to be cancelled is given so many seconds to clean up.
LAST_GRACE = 1.0


async def end(lives: Iterable[Life], runtime: Runtime, grace: float) -> bool:
    """End *lives*, all at the same time, and return whether all have ended.

    Iterations in progress have *grace* seconds, then they are cancelled and given LAST_GRACE to clean up.  The
    loop that this is called by, from its operation or a listener, cannot be waited for: it is only asked.
    """
    lives = list(lives)
    for life in lives:
        life.ask_to_stop()
    others = [life for life in lives if not life.waits_for(runtime)]
    left = await _still_going(others, runtime, grace)
    for life in left:
        life.cut()
    return not await _still_going(left, runtime, LAST_GRACE) and len(others) == len(lives)


def end_sync(lives: Iterable[Life], grace: float) -> bool:
    """Do the same as ``end`` in plain code.

    In a handler of signals that interrupted this thread as it held what iterations may need, *lives* are asked at once,
    and waited for when that is over.
    """
    lives = list(lives)
    for life in lives:
        life.ask_to_stop()
    when_free(lambda: run_blocking(end(lives, BLOCKING, grace)))
    return not any(life.carrier.is_alive for life in lives)


async def _still_going(lives: list[Life], runtime: Runtime, seconds: float) -> list[Life]:
    until = runtime.now() + seconds
    return [life for life in lives if not await life.carrier.wait(runtime, until - runtime.now())]
