"""No file in the house that nothing leads to."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

# Modules that only users import; each is a door of its own.
DOORS = {"unbreakable.testing"}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def origin(node: ast.ImportFrom, importer: str) -> str:
    """Return the absolute name of the module that an import statement names."""
    if not node.level:
        return node.module or ""
    package = importer if MODULES[importer].name == "__init__.py" else importer.rpartition(".")[0]
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, node.module or ""]).rstrip(".")


def mentions(importer: str) -> Iterator[str]:
    """Yield each name that a module imports, or holds as text such as "unbreakable.demo.partner:main"."""
    for node in ast.walk(ast.parse(MODULES[importer].read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(names=names):
                start = origin(node, importer)
                yield start
                yield from (f"{start}.{name.name}" for name in names)
            case ast.Constant(value=str(text)):
                yield text.partition(":")[0]


def entry_points() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tables = [project.get("scripts", {}), *project.get("entry-points", {}).values()]
    return {target.partition(":")[0] for table in tables for target in table.values()}


def reachable(start: set[str]) -> set[str]:
    """Return the modules that are met on the way from *start*; who imports a.b.c has met a and a.b."""
    met: set[str] = set()
    ahead = list(start)
    while ahead:
        name = ahead.pop()
        if name in met or name not in MODULES:
            continue
        met.add(name)
        for mention in mentions(name):
            parts = mention.split(".")
            ahead += [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return met


def test_every_file_is_reached():
    """Something leads to each module: an entry point, a door for users, or a module that is reached itself."""
    met = reachable({"unbreakable", "unbreakable.__main__"} | entry_points() | DOORS)

    assert [] == sorted(set(MODULES) - met)
