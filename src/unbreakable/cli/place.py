"""What a program that is run has made: where it keeps its state, told once it runs, and what of it is left open."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path

from unbreakable.cli.saying import say
from unbreakable.cli.target import WHAT, Whole
from unbreakable.errors import ConfigurationError
from unbreakable.loops import LoopState, QuantumLoopEngine
from unbreakable.loops.engine import watch_engines
from unbreakable.loops.loop import first_start
from unbreakable.runtime import BLOCKING
from unbreakable.storage.shared import settled
from unbreakable.system import QuantumSystem, give_default_state, watch_systems

OVER = (LoopState.STOPPED, LoopState.FINISHED)


class Place:
    """Give *state* to the first system that names none, and know the systems and engines that were made.

    *asked* says that somebody named the place, who then hears that it is not used.
    """

    def __init__(self, state: Path, *, asked: bool, as_json: bool = False) -> None:
        self.systems: weakref.WeakSet[QuantumSystem] = weakref.WeakSet()
        self._engines: list[QuantumLoopEngine] = []  # held, since nobody else may hold what is not started yet
        self._made_any = False
        self._given, self._asked, self._as_json = state, asked, as_json
        self._state, self._here = settled(state), Path.cwd()  # before the program is loaded, which may go elsewhere
        self._is_told, self._is_over, self._lock = False, False, threading.Lock()
        give_default_state(self._state)
        watch_systems(self._note_system)
        watch_engines(self._note_engine)

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
            if self._is_told or self._is_over:
                return
            self._is_told = True
        owners = [*list(self.systems), *map(self._whole, list(self._engines))]
        states = list(dict.fromkeys(owner.state for owner in owners if owner.state is not None))
        where = f"its state in {' and '.join(map(self._said, states))}" if states else "which keeps no state"
        self.say(f"running {name}, {where}{self._unused(states)}; Ctrl-C ends it")

    def say(self, line: str) -> None:
        """Say one *line* about the program."""
        say(line, as_json=self._as_json)

    @property
    def has_run(self) -> bool:
        """Whether it was told that the program runs."""
        return self._is_told

    def tell_no_more(self) -> None:
        """Tell nobody from now on that the program runs: its function is over, however long the rest of it takes."""
        with self._lock:
            self._is_over = True

    def left_open(self, name: str) -> list[Whole]:
        """Return what can be run of what was made and is open; nothing if *name* was a program of its own, now ended.

        Raises ConfigurationError when nothing ever ran, and nothing was closed, so that the program cannot be done.
        """
        with self._lock:
            engines = [engine for engine in self._engines if _has_something(engine)]
            ended = self._is_told or (self._made_any and all(system.is_closed for system in list(self.systems)))
        if not (engines or ended):
            raise ConfigurationError(
                f"{name} has returned nothing, and has left nothing open to run: "
                f"it must return, or make and leave open, {WHAT.rpartition(',')[0]} with something to do"
            )
        return [self._whole(engine) for engine in engines]

    def still_open(self) -> list[Whole]:
        """Return what was made and nobody has closed, with or without anything to do."""
        with self._lock:
            engines = [engine for engine in self._engines if not engine.is_closed]
        systems = [system for system in list(self.systems) if not system.is_closed]
        return [*systems, *(engine for engine in engines if all(system.loops is not engine for system in systems))]

    def _whole(self, engine: QuantumLoopEngine) -> Whole:
        return next((system for system in list(self.systems) if system.loops is engine), engine)

    def _note_system(self, system: QuantumSystem) -> None:
        self._made_any = True
        self.systems.add(system)

    def _note_engine(self, engine: QuantumLoopEngine) -> None:
        with self._lock:
            self._made_any = True
            others = [other for other in self._engines if other is not engine and _has_something(other)]
            self._engines = [*others, engine]

    def _said(self, state: Path) -> str:
        """Return *state* as whoever called the command would write it."""
        if state == self._state:
            return str(self._given)
        return str(state.relative_to(self._here) if state.is_relative_to(self._here) else state)

    def _unused(self, states: list[Path]) -> str:
        if not self._asked or self._state in states:
            return ""
        return f"{', as the program says' if states else ''}: --state {self._given} is not used"


def _has_something(engine: QuantumLoopEngine) -> bool:
    return not engine.is_closed and any(loop.state not in OVER for loop in engine.get_loops())
