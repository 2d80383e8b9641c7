"""Names of a package that are loaded when somebody first asks for them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from unbreakable import importing as _  # noqa: F401 - a fork waits for who loads something


def load(package: str, homes: Mapping[str, str], first: str | None = None) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of *package* whose names live in other modules; *homes* maps each name to its module.

    An empty module name means that the name is itself a module of the package.  *first* is a module that is loaded
    before any of them: threads that began at different ends of what imports each other would meet halfway, each with
    a module that the other one waits for, and Python lets one of them fail then.
    """

    def ask(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if first is not None:
            importlib.import_module(first)
        module = importlib.import_module(home or f"{package}.{name}")
        value = getattr(module, name) if home else module
        setattr(sys.modules[package], name, value)  # asked once
        return value

    return ask


def listing(names: Iterable[str]) -> Callable[[], list[str]]:
    """Return the ``__dir__`` of a package that shows its public *names*, loaded or not."""
    return lambda: sorted(names)
