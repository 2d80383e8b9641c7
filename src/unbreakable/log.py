"""What nobody who calls can be told goes to the log of the program, and whatever becomes of it there harms nobody.

Python's own handlers keep what goes wrong in them to themselves; many that programs write do not, and fail just when
there is something to tell: on a full disk, without a network.  A call's result must not be lost by that, nor a thread
that others wait for.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any


def log(
    message: str,
    *args: object,
    level: int = logging.WARNING,
    exc_info: Any = None,
    logger: str = "unbreakable",
) -> None:
    """Log *message*; what a handler or a filter raises is left out."""
    with contextlib.suppress(Exception):
        logging.getLogger(logger).log(level, message, *args, exc_info=exc_info, stacklevel=2)
