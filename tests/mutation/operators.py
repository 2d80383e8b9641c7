"""What may be wrong with a piece of code: each operator yields what could stand in its place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

DELETED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Delete, ast.Break, ast.Continue)
PAIRS: list[tuple[type, type]] = [
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot), (ast.In, ast.NotIn)),
    *((ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.LShift, ast.RShift), (ast.BitAnd, ast.BitOr), (ast.And, ast.Or)),
]
SWAPPED: dict[type, type] = {**dict(PAIRS), **{b: a for a, b in PAIRS}}
SWAPPED.update({ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitXor: ast.BitAnd})
LIMITS = {"min": "max", "max": "min"}
DECIDED = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant)  # conditions that have mistakes of their own


def mistakes(node: ast.AST, parent: ast.AST, field: str, *, in_function: bool) -> Iterator[ast.AST]:
    """Yield what may stand in the place of *node*, which is in that *field* of *parent*."""
    yield from mistakes_within(node)
    if in_function and is_deletable(node):
        yield ast.Pass()
    is_asked = field == "test" or (isinstance(parent, ast.comprehension) and field == "ifs")
    if is_asked and not isinstance(node, DECIDED):
        yield ast.UnaryOp(ast.Not(), node)


def mistakes_within(node: ast.AST) -> Iterator[ast.AST]:
    """Yield *node* with one thing in it changed."""
    match node:
        case ast.Compare():
            yield from comparisons(node)
        case ast.BinOp() | ast.AugAssign() if type(node.op) in SWAPPED:
            yield with_(node, op=SWAPPED[type(node.op)]())
        case ast.BoolOp():
            yield with_(node, op=SWAPPED[type(node.op)]())
            yield from (without(node, "values", index) for index in range(len(node.values)))
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant() | ast.JoinedStr():
            yield from constants(node)
        case ast.Call():
            yield from calls(node)
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield with_(node, value=ast.Constant(None))


def is_deletable(node: ast.AST) -> bool:
    """Return whether *node* is a statement without which the function could still run."""
    return isinstance(node, DELETED) or (isinstance(node, ast.AnnAssign) and node.value is not None)


def comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    """Yield it with the border on the other side, or turned around."""
    for index, each in enumerate(node.ops):
        if type(each) in SWAPPED:
            yield with_(node, ops=[*node.ops[:index], SWAPPED[type(each)](), *node.ops[index + 1 :]])


def constants(node: ast.Constant | ast.JoinedStr) -> Iterator[ast.AST]:
    """Yield another value of its type; a text that is gone."""
    if isinstance(node, ast.JoinedStr):
        kept = [part for part in node.values if not isinstance(part, ast.Constant)]
        if len(kept) < len(node.values):
            yield with_(node, values=kept)
        return
    match node.value:
        case bool(value):
            yield ast.Constant(not value)
        case int(value) | float(value):
            yield ast.Constant(value + 1)
        case str(value):
            yield ast.Constant("" if value else "XX")
        case _:
            pass


def calls(node: ast.Call) -> Iterator[ast.AST]:
    """Yield it with one argument less, or None for it; a limit that is the other way round, or none."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name == "cast":
        return
    if name in LIMITS and len(node.args) > 1:
        yield with_(node, func=ast.Name(LIMITS[name], ast.Load()))
        yield from (without(node, "args", index) for index in range(len(node.args)))
    else:
        for index, each in enumerate(node.args):
            if not isinstance(each, (ast.Constant, ast.JoinedStr, ast.Starred)):
                yield with_(node, args=[*node.args[:index], ast.Constant(None), *node.args[index + 1 :]])
    for index in range(len(node.keywords)):
        yield with_(node, keywords=[*node.keywords[:index], *node.keywords[index + 1 :]])


def with_(node: ast.AST, **fields: object) -> ast.AST:
    """Return a copy of *node* with other *fields*."""
    made = copy.copy(node)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def without(node: ast.AST, field: str, index: int) -> ast.AST:
    """Return *node* without one of what is in *field*; what is left alone stands for itself."""
    kept = [each for at, each in enumerate(getattr(node, field)) if at != index]
    alone = kept[0] if len(kept) == 1 and not isinstance(kept[0], ast.Starred) else None
    return alone or with_(node, **{field: kept})
