"""Work that nobody waits for: its failure is logged and stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable


def quietly(work: Callable[[], None]) -> None:
    """Run *work*; log what it raises, for there is nobody to raise it to."""
    try:
        work()
    except Exception:
        logging.getLogger("unbreakable").warning("work in the background failed", exc_info=True)
