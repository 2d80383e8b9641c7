"""The small mistakes that are made in a file, one at a time: where they are made, and how each is written."""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutation.operators import mistakes

UNSEEN = {"annotation", "returns", "decorator_list", "type_params", "format_spec", "ctx"}  # by whoever runs the code
SAID = {"__all__", "__slots__"}
BLOCKS = ("body", "orelse", "finalbody", "handlers", "decorator_list", "cases")
AROUND = 90  # characters of a line that are shown on both sides of a mistake
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Mutant:
    """One mistake: *node* in place of what stands in a field of *parent*."""

    file: Path
    tree: ast.Module
    place: tuple[ast.AST, str, int | None]
    node: ast.AST
    owner: str | None  #: the outermost function that it is in; None: it is made when the file is imported
    around: range  #: the lines of that function, decorators included
    lines: range  #: those of its statement
    was: str = ""
    now: str = ""

    def swap(self) -> None:
        """Make the mistake in the tree; or mend it again."""
        parent, field, index = self.place
        if index is None:
            before = getattr(parent, field)
            setattr(parent, field, self.node)
        else:
            before = getattr(parent, field)[index]
            getattr(parent, field)[index] = self.node
        self.node = before

    @property
    def names(self) -> list[str]:
        """Return what a statement of a module or of a class binds."""
        return re.findall(r"^(\w+)(?::[^=]*)? = ", self.was)

    def __str__(self) -> str:
        """Return what was changed in the line, with no more around it than shows where."""
        same = alike(self.was, self.now)
        tail = alike(self.was[same:][::-1], self.now[same:][::-1])
        was, now = self.was[same : len(self.was) - tail], self.now[same : len(self.now) - tail]
        before, after = self.was[:same], self.was[len(self.was) - tail :]
        before = before if len(before) < AROUND else "…" + before[-AROUND:]
        after = after if len(after) < AROUND else after[:AROUND] + "…"
        return f"{self.file.name}:{self.lines.start}\n- {before}{was}{after}\n+ {before}{now}{after}"

    @property
    def key(self) -> str:
        """Return what it is known by among the equivalent ones: no line, which changes with every edit."""
        return f"{self.file.name}: {self.was}  =>  {self.now}"


@dataclass
class Where:
    """Where a walk over a file has come to."""

    path: str = ""
    owner: str | None = None
    around: range = range(0)
    stmt: Any = None


def mutants_of(file: Path) -> list[Mutant]:
    """Return all mutants of *file*, in the order of its lines."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: list[Mutant] = []
    walk(tree, Where(), lambda place, node, here: found.append(mutant(file, tree, place, node, here)))
    return sorted(found, key=lambda each: each.lines.start)


def walk(node: ast.AST, here: Where, found: Any) -> None:
    """Find the mutants below *node*."""
    for field, value in ast.iter_fields(node):
        if field in UNSEEN:
            continue
        inside = here
        if field == "body" and here.owner is None and isinstance(node, FUNCTIONS):
            starts = min(each.lineno for each in (node, *node.decorator_list))
            inside = Where(here.path, here.path, range(starts, (node.end_lineno or 0) + 1), here.stmt)
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST) and not is_unseen(child, node):
                meet(child, (node, field, index if isinstance(value, list) else None), inside, found)


def meet(node: ast.AST, place: Any, here: Where, found: Any) -> None:
    """Find the mutants of *node* itself, then those below it."""
    stmt = node if isinstance(node, ast.stmt) else here.stmt
    path = ".".join(filter(None, (here.path, getattr(node, "name", None)))) if hasattr(node, "body") else here.path
    here = Where(path, here.owner, here.around, stmt)
    for mistake in mistakes(node, *place[:2], in_function=here.owner is not None):
        found(place, ast.fix_missing_locations(ast.copy_location(mistake, node)), here)
    walk(node, here, found)


def mutant(file: Path, tree: ast.Module, place: Any, node: ast.AST, here: Where) -> Mutant:
    """Write down one mutant, with how the statement around it reads before and after."""
    body = getattr(here.stmt, "body", None)
    end = max(here.stmt.lineno, body[0].lineno - 1) if body else here.stmt.end_lineno
    made = Mutant(file, tree, place, node, here.owner, here.around, range(here.stmt.lineno, end + 1))
    made.was = heading(here.stmt)
    is_whole = place[0] is not here.stmt and isinstance(node, ast.stmt)
    made.swap()
    made.now = heading(node if is_whole else here.stmt)
    made.swap()
    return made


def heading(stmt: ast.stmt) -> str:
    """Return how *stmt* reads, without the statements in it."""
    short = copy.copy(stmt)
    for block in BLOCKS:
        if isinstance(getattr(short, block, None), list):
            setattr(short, block, [])
    return ast.unparse(short)


def is_unseen(node: ast.AST, parent: ast.AST) -> bool:
    """Return whether *node* says nothing that running the code could show."""
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring, or the dots of a protocol
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name in SAID
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Constant():
            return isinstance(parent, ast.JoinedStr) or is_type(node, parent)
        case _:
            return False


def is_type(node: ast.AST, parent: ast.AST) -> bool:
    """Return whether *node* is the type that ``cast`` is told, which does nothing."""
    return isinstance(parent, ast.Call) and ast.unparse(parent.func) == "cast" and node is parent.args[0]


def alike(one: str, other: str) -> int:
    """Return with how many characters both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
