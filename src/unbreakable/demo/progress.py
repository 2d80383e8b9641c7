"""How far the run is, on the terminal while it goes."""

from __future__ import annotations

import time
from typing import TextIO

from unbreakable.demo.bookings import Ended

_WIDTH = 30
_LIVE_SECONDS = 0.1
_QUIET_SECONDS = 5.0


class Progress:
    """A bar that redraws itself on a terminal; a line every few seconds anywhere else."""

    def __init__(self, title: str, total: int, stream: TextIO) -> None:
        self._title = title
        self._total = total
        self._stream = stream
        self._live = stream.isatty()
        self._ended = self._failed = self._heals = 0
        self._began = self._shown = time.monotonic()

    def add(self, ended: Ended) -> None:
        """Count one booking that has come to its end."""
        self._ended += 1
        self._failed += not ended.done
        self._heals += len(ended.verdict.heals)
        now = time.monotonic()
        if now - self._shown >= (_LIVE_SECONDS if self._live else _QUIET_SECONDS):
            self._shown = now
            self._show()

    def close(self) -> None:
        """Show the last state for good."""
        self._show()
        if self._live:
            self._stream.write("\n")
            self._stream.flush()

    def line(self) -> str:
        """Return the state as one line."""
        filled = _WIDTH * self._ended // max(self._total, 1)
        bar = "#" * filled + "." * (_WIDTH - filled)
        seconds = time.monotonic() - self._began
        counts = f"{self._ended:,}/{self._total:,}  failed {self._failed}  healed {self._heals}  {seconds:.0f} s"
        return f"{self._title:<11} [{bar}] {counts}"

    def _show(self) -> None:
        self._stream.write(f"\r{self.line()}\x1b[K" if self._live else f"{self.line()}\n")
        self._stream.flush()
