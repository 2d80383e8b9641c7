"""Modules that are found at the path of a file, whatever they are called and whatever else has their name."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType


class Files(MetaPathFinder):
    """Find the modules in *paths*, by name."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    def add(self, paths: Mapping[str, str]) -> None:
        """Let the modules named in *paths* be found from now on."""
        self.paths.update(paths)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load the module; None if it is none of ours."""
        file = self.paths.get(name)
        return None if file is None else spec_from_file_location(name, file, loader=SourceFileLoader(name, file))


FILES = Files()


def name_for(path: Path) -> str:
    """Return the name under which the file at *path* is to be loaded: its own, where an import would find it by that.

    Elsewhere, because it is no identifier or because a package has the same, it is a name that nothing else has.
    """
    name, file = path.stem, path.resolve()
    if name.isidentifier() and name not in sys.modules:
        spec = PathFinder.find_spec(name)
        if spec is not None and spec.origin is not None and Path(spec.origin).resolve() == file:
            return name
    return "unbreakable_run_" + "".join(each if each.isalnum() else "_" for each in name)
