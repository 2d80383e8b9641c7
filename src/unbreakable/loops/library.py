"""What a program needs of Python's own library is loaded by who stands by for its worker.

It may load nothing of the program, nor what others have written: what these do when they are loaded, and what has to be
set before, is the program's to say.  Python's own modules do nothing but be there.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

SAID = "UNBREAKABLE_AHEAD"  # where in the environment of who stands by the names are
PATCHING = {"gevent", "eventlet"}  # they put something else in place of what is loaded after them
DOING = {"__main__", "this", "antigravity", "idlelib", "turtledemo", "readline", "rlcompleter", "pdb"}  # something
OTHERS = {"site-packages", "dist-packages"}
HOME = Path(os.__file__).resolve().parent


def loaded(before: Collection[str]) -> list[str]:
    """Return which modules of Python's own library are loaded by now, but those that were *before*."""
    if not PATCHING.isdisjoint(sys.modules):
        return []
    return [name for name, module in list(sys.modules.items()) if name not in before and _is_pythons(name, module)]


def load(names: Iterable[str]) -> None:
    """Load them, as far as they can be, and are Python's: here another of the same name may come first."""
    for name in filter(_may_be_loaded, names):
        with contextlib.suppress(Exception):  # that is for the program to meet
            _load(name)


def _load(name: str) -> None:
    package = name.rpartition(".")[0]
    if package and package not in sys.modules:
        _load(package)
    if (not package or package in sys.modules) and _comes_from_python(find_spec(name)):
        import_module(name)


def _is_pythons(name: str, module: ModuleType) -> bool:
    if _may_be_loaded(name):
        with contextlib.suppress(Exception):  # a module may be anything that somebody has put there
            return _comes_from_python(module.__spec__)  # so that is looked at with care
    return False


def _comes_from_python(spec: Any) -> bool:
    return spec.origin in ("built-in", "frozen") or _is_at_home(Path(spec.origin))


def _may_be_loaded(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names and top not in DOING


def _is_at_home(path: Path) -> bool:
    return path.is_relative_to(HOME) and OTHERS.isdisjoint(path.parts)
