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
from pathlib import Path
from types import ModuleType

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
    """Load them, as far as they can be."""
    for name in names:
        with contextlib.suppress(Exception):  # that is for the program to meet
            import_module(name)


def _is_pythons(name: str, module: ModuleType) -> bool:
    top = name.partition(".")[0]
    if top not in sys.stdlib_module_names or top in DOING:
        return False
    origin = getattr(getattr(module, "__spec__", None), "origin", None) or ""
    if origin in ("built-in", "frozen"):
        return True
    path = Path(origin)
    return path.is_relative_to(HOME) and OTHERS.isdisjoint(path.parts)
