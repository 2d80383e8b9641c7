"""Wait for something to end, however often we are cancelled meanwhile."""

from __future__ import annotations

import asyncio
import math
from typing import Any


async def wait_out(future: asyncio.Future[Any], seconds: float) -> asyncio.CancelledError | None:
    """Wait until *future* is done, at most *seconds*; return what cancelled us meanwhile, for the caller to raise.

    Two time limits, one around the other, cancel twice: the second one is no reason to leave earlier than the first.
    """
    loop, cancelled = asyncio.get_running_loop(), None
    until = loop.time() + seconds
    while not future.done() and loop.time() < until:
        try:
            await asyncio.wait({future}, timeout=None if until == math.inf else until - loop.time())
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
