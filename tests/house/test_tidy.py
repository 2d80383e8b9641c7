"""The style of the house, kept by a test: small files, small functions, a sentence on top of each."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
EVERYTHING = SOURCES + TESTS + sorted((ROOT / "benchmarks").rglob("*.py"))

MOST_LINES_PER_FILE = 400
MOST_LINES_PER_FUNCTION = 40  # the docstring is not counted
EMPTY_NAMES = {"Manager", "Handler", "Helper", "Helpers", "Util", "Utils", "Base", "Mixin"}
UNFINISHED = re.compile(r"\b(T[O]DO|FIX[M]E|XX[X]|NotImplemented[E]rror)\b|pragma: n[o] cover")

# rule -> place -> reason. This list may only shrink: an entry that is no longer needed fails its test.
EXCEPTIONS: dict[str, dict[str, str]] = {
    "class name": {
        "src/unbreakable/nodes/answering/knowledge.py::KnowledgeBase": "the field's own word for what it is",
    },
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


class Definition(NamedTuple):
    """What the rules ask of a function, or of a class, which has no length."""

    name: str
    length: int | None
    docstring: str


@functools.cache  # to read all files takes a second
def definitions(path: Path) -> list[Definition]:
    return [
        Definition(node.name, length(node) if isinstance(node, Function) else None, ast.get_docstring(node) or "")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (Function, ast.ClassDef))
    ]


def judge(rule: str, found: dict[str, object]) -> None:
    """Fail on what breaks *rule* without an exception, and on exceptions that nothing needs."""
    allowed = EXCEPTIONS.get(rule, {})

    assert {} == {where: what for where, what in found.items() if where not in allowed}
    assert [] == sorted(set(allowed) - set(found)), "exceptions that are no longer needed"


def length(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def is_sentence(text: str) -> bool:
    return bool(re.match(r"[A-Z0-9`*_\"']", text)) and text.endswith(".")


def test_files_are_short():
    """A file that outgrows its limit holds more than one idea."""
    sizes = {place(path): path.read_text(encoding="utf-8").count("\n") for path in EVERYTHING}

    judge("file size", {where: size for where, size in sizes.items() if size > MOST_LINES_PER_FILE})


def test_functions_are_short():
    """A function that outgrows its limit works on more than one level."""
    sizes = {
        f"{place(path)}::{each.name}": each.length
        for path in EVERYTHING
        for each in definitions(path)
        if each.length is not None
    }

    judge("function size", {where: size for where, size in sizes.items() if size > MOST_LINES_PER_FUNCTION})


def test_each_source_file_opens_with_its_idea():
    """The first line of a source file is one whole sentence that says what the file is about."""
    found = {}
    for path in SOURCES:
        first = (path.read_text(encoding="utf-8").splitlines() or [""])[0]
        if not first.startswith('"""') or not is_sentence(first.strip('"')):
            found[place(path)] = first

    judge("first line", found)


def test_class_names_say_what_the_class_is():
    """Words that would fit any class are in the name of none."""
    names = {
        f"{place(path)}::{each.name}": each.name
        for path in EVERYTHING
        for each in definitions(path)
        if each.length is None
    }

    judge("class name", {where: name for where, name in names.items() if EMPTY_NAMES & set(words(name))})


def words(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", name)


def test_nothing_is_left_unfinished():
    """No file holds a mark of work put off, or code that exists only to say that it does not."""
    found = {}
    for path in EVERYTHING:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if UNFINISHED.search(line):
                found[f"{place(path)}:{number}"] = line.strip()

    judge("unfinished", found)


def is_face(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__getattr__" | "__dir__" | "__version__")]):
            return True
        case ast.If(test=ast.Attribute(attr="TYPE_CHECKING"), body=body, orelse=[]):
            return all(isinstance(each, ast.ImportFrom) for each in body)
        case _:
            return False


def test_packages_open_on_a_face():
    """An __init__ file holds a docstring, imports, early or late, __all__ and a version, but no code."""
    faces = [path for path in SOURCES if path.name == "__init__.py"]
    found = {
        place(path): [
            statement.lineno for statement in ast.parse(path.read_text(encoding="utf-8")).body if not is_face(statement)
        ]
        for path in faces
    }

    judge("code in __init__", {where: lines for where, lines in found.items() if lines})


def test_each_test_is_a_sentence():
    """Every test says in one sentence what it promises."""
    found = {}
    for path in TESTS:
        for name, length, sentence in definitions(path):
            is_test = length is not None and name.startswith("test_")
            if is_test and (not is_sentence(sentence) or "\n\n" in sentence):
                found[f"{place(path)}::{name}"] = sentence

    judge("test sentence", found)


def test_the_sentence_rule_bites():
    """The rule for sentences takes a sentence, and nothing that merely resembles one."""
    assert is_sentence("An open breaker asks nobody.")
    assert not is_sentence("An open breaker asks nobody")
    assert not is_sentence("breaker.")
    assert not is_sentence("")


def test_the_name_rule_bites():
    """The rule for names splits a name into its words."""
    assert ["API", "Node"] == words("APINode")
    assert ["Session", "Manager"] == words("SessionManager")
    assert ["Database"] == words("Database")
