"""What `unbreakable run` is to run is found in a file."""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from unbreakable.errors import ConfigurationError
from unbreakable.loops import QuantumLoopEngine
from unbreakable.loops.files import FILES, name_for
from unbreakable.runtime import parameters_said
from unbreakable.system import QuantumSystem
from unbreakable.workflow import QuantumWorkflow

Whole: TypeAlias = QuantumSystem | QuantumLoopEngine

WHOLES = ("system", "engine", "workflow")  # looked for in this order where no name is given
MAIN = "main"  # called where none of them has anything to run
WHAT = "a QuantumSystem, a QuantumLoopEngine, a workflow, or a function that makes one"


@dataclass(frozen=True, slots=True)
class Target:
    """Hold what *name* in *file* is: something to run, or a function that makes or does it."""

    file: str
    name: str
    found: Any

    def __str__(self) -> str:
        return f"{self.name} in {self.file}"

    def whole(self, made: Any) -> Whole:
        """Return what is to be run of what the function has returned; ConfigurationError if that is nothing."""
        whole = whole_of(made)
        if whole is None:
            raise ConfigurationError(f"{self}: the function must return {WHAT} or nothing, not {made!r}")
        return _with_something(f"what {self} has returned", whole)


def find(target: str) -> Target:
    """Return what FILE[:NAME] means; raise ConfigurationError when there is no such thing."""
    file, _, name = target.partition(":")
    path = Path(file)
    if not path.is_file():
        raise ConfigurationError(f"{file}: there is no such file; expected a Python file, then perhaps :NAME")
    module = _load(path)
    if name:
        if not hasattr(module, name):
            raise ConfigurationError(f"{file}: nothing in it has the name {name}; name {WHAT}")
        return Target(file, name, _checked(f"{file}: {name}", getattr(module, name)))
    for name in WHOLES:
        whole = whole_of(getattr(module, name, None))
        if whole is not None and left_to_run(whole):
            return Target(file, name, whole)
    found = getattr(module, MAIN, None)
    if _is_function(found):
        return Target(file, MAIN, _checked(f"{file}: {MAIN}", found))
    whole = _first_whole(module)
    if whole is not None:
        _with_something(f"{file}: {next(name for name in WHOLES if whole_of(getattr(module, name, None)))}", whole)
    names = ", ".join((*WHOLES, MAIN))
    raise ConfigurationError(f"{file}: found none of {names}; name {WHAT}, as in {file}:NAME")


def whole_of(found: object) -> Whole | None:
    """Return what has a run() of its own: a workflow belongs to its system; None when it is nothing of the kind."""
    if isinstance(found, QuantumWorkflow):
        system: QuantumSystem = found.system
        return system
    return found if isinstance(found, (QuantumSystem, QuantumLoopEngine)) else None


def engine_of(whole: Whole) -> QuantumLoopEngine:
    """Return what runs its loops."""
    return whole.loops if isinstance(whole, QuantumSystem) else whole


def left_to_run(whole: Whole) -> bool:
    """Return whether it has a loop, a workflow's included."""
    return bool(engine_of(whole).get_loops())


def _load(path: Path) -> ModuleType:
    """Import the file from where it is, under a name by which other processes find it, too."""
    sys.path.insert(0, str(path.resolve().parent))
    name = name_for(path)
    FILES.add({name: str(path.resolve())})
    return importlib.import_module(name)


def _first_whole(module: ModuleType) -> Whole | None:
    wholes = (whole_of(getattr(module, name, None)) for name in WHOLES)
    return next((whole for whole in wholes if whole is not None), None)


def _checked(name: str, found: Any) -> Any:
    """Return *found*; ConfigurationError if it cannot be run."""
    whole = whole_of(found)
    if whole is not None:
        return _with_something(name, whole)
    if not _is_function(found):
        raise ConfigurationError(f"{name} must be {WHAT}, not {found!r}")
    signature = parameters_said(found)
    try:
        signature.bind()
    except TypeError as error:
        raise ConfigurationError(f"{name}{signature} must be a function without arguments: {error}") from None
    return found


def _with_something(name: str, whole: Whole) -> Whole:
    if not left_to_run(whole):
        raise ConfigurationError(
            f"{name} has neither a loop nor a workflow, so there is nothing to run: "
            f"make them when the file is loaded, or in a function {MAIN}"
        )
    return whole


def _is_function(found: Any) -> bool:
    return inspect.isroutine(found) and not inspect.isbuiltin(found)
