"""Which thread this is."""

from __future__ import annotations

import threading


def this_thread() -> int:
    """Return the number of this thread, which another one may have when this one is over."""
    return threading.get_ident()


def runs_signal_handlers() -> bool:
    """Return whether this is the main thread, the only one in which Python runs the handlers of signals."""
    return threading.current_thread() is threading.main_thread()
