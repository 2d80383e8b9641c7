"""Where a program that is run keeps its state, told once it runs."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Any

from unbreakable.cli.saying import say
from unbreakable.loops.loop import first_start
from unbreakable.runtime import BLOCKING
from unbreakable.system import QuantumSystem, give_default_state, watch_systems


class Place:
    """Give *state* to the first system that names none, and tell once where the systems that were made keep their own.

    *asked* says that somebody named the place, who then hears that it is not used.
    """

    def __init__(self, state: Path, *, asked: bool, as_json: bool = False) -> None:
        self.systems: weakref.WeakSet[QuantumSystem] = weakref.WeakSet()
        self._state, self._asked, self._as_json = state, asked, as_json
        self._is_told, self._lock = False, threading.Lock()
        give_default_state(state)
        watch_systems(self.systems.add)

    def tell_when_it_runs(self, name: str, seconds: float) -> None:
        """Tell that *name* runs when the first loop starts, or in any case after so many *seconds*."""

        def wait() -> None:
            BLOCKING.world.sleep(seconds)
            self.tell(name)

        first_start.listeners.append(lambda: self.tell(name))
        if first_start.has_happened:
            self.tell(name)
        BLOCKING.world.spawn(wait, "unbreakable teller")

    def tell(self, name: str) -> None:
        """Tell that *name* runs."""
        with self._lock:
            if self._is_told:
                return
            self._is_told = True
        states = [system.state for system in list(self.systems) if system.state is not None]
        where = f"its state in {' and '.join(map(str, states))}" if states else "which keeps no state"
        say(f"running {name}, {where}{self._unused(states)}; Ctrl-C ends it", as_json=self._as_json)

    def _unused(self, states: list[Any]) -> str:
        if not self._asked or self._state.resolve() in [Path(state).resolve() for state in states]:
            return ""
        return f"{', as the program says' if states else ''}: --state {self._state} is not used"
