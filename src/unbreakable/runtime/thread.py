"""Which thread this is."""

from __future__ import annotations

import threading


def runs_signal_handlers() -> bool:
    """Return whether this is the main thread, the only one in which Python runs the handlers of signals."""
    return threading.current_thread() is threading.main_thread()
