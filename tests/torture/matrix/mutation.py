"""Play a story against a broken copy of our library: in a forked child, where one file holds an edit."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import types
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src/unbreakable"
MOST_SECONDS = 60.0  # that a story takes: it fails then, and does not hang
FEW_SECONDS = 2.0  # the same where a mutant can do nothing but hang
MYPY_SECONDS = 300.0  # which reads the whole library anew
KEPT, FAILED, HANGS = "kept", "failed", "hangs"


def mutated(mutant) -> tuple[str, str]:
    """Return the path of the file that *mutant* breaks, within the library, and its text, broken."""
    having = [file for file, text in texts().items() if mutant.old in text]
    assert 1 == len(having), (
        f"the text that {mutant.name!r} changes is not in one file, but in {having}: {mutant.old!r}"
    )
    return having[0], texts()[having[0]].replace(mutant.old, mutant.new)


@functools.cache
def texts() -> dict[str, str]:
    """Return the text of each file of the library."""
    return {path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")}


def asks_mypy(row) -> bool:
    """Return whether the story of *row* asks mypy, which reads files and no modules."""
    return row.name.endswith(("_types", "_type"))


def patience(row) -> float:
    """Return how many seconds a child may take."""
    if asks_mypy(row):
        return MYPY_SECONDS
    return FEW_SECONDS if row.mutant.hangs else MOST_SECONDS


class Edited(importlib.machinery.SourceFileLoader):
    """Load a module from another text than what its file holds."""

    def __init__(self, name, path, text):
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname):
        """Compile the text."""
        return compile(self.text, self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    """Find one module in a text."""

    def __init__(self, file, text):
        self.name = "unbreakable." + file.removesuffix(".py").replace("/", ".")
        self.loader = Edited(self.name, str(SOURCE / file), text)

    def find_spec(self, fullname, path, target=None):
        """Return the edited module, if that is meant."""
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.loader.path, loader=self.loader)


def played(row) -> str:
    """Return how the story of *row* ends with its mutant in our place; children's lives are spent on it.

    First its functions are put into the modules that are loaded, which is quick; where that shows nothing, since it was
    too late (locks are made, defaults were read), the library is loaded anew.
    """
    file, text = mutated(row.mutant)
    ways = [_load_anew] if row.is_real else [_graft, _load_anew]
    for way in ways:
        ended = _of_a_child(functools.partial(_play, row, way, file, text), patience(row))
        if ended != KEPT:
            break
    return ended


def _of_a_child(work, seconds) -> str:
    child = os.fork()
    if not child:
        os.setsid()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends it
        signal.setitimer(signal.ITIMER_REAL, seconds)
        os._exit(work())
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a story has left at work
    return {0: KEPT, 1: FAILED}.get(os.waitstatus_to_exitcode(status), HANGS)


def _play(row, way, file, text) -> int:
    sys.stderr = sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    try:
        if asks_mypy(row):
            _copy_for_mypy(file, text)
        way(file, text)
        from tests.torture.matrix import behaviour, ours

        (again,) = [each for each in behaviour.matrix() if each.name == row.name]
        ours.play(again)
    except BaseException:
        return 1
    return 0


def _load_anew(file, text) -> None:
    ours = ("unbreakable", "tests.torture.matrix", "tests.torture.peers")
    for name in list(sys.modules):
        if name.startswith(ours):
            del sys.modules[name]
    sys.meta_path.insert(0, Finder(file, text))


def _graft(file, text) -> None:
    finder = Finder(file, text)
    module = importlib.import_module(finder.name)
    fresh = {name: getattr(module, name) for name in ("__name__", "__package__", "__file__")}
    exec(finder.loader.get_code(finder.name), fresh)  # noqa: S102
    for name, new in fresh.items():
        old = getattr(module, name, None)
        if type(new) in {int, float, str, tuple, frozenset}:
            setattr(module, name, new)
        else:
            _graft_onto(old, new)


def _graft_onto(old, new) -> None:
    """Have the functions in *old* do what those in *new* do."""
    if isinstance(old, types.FunctionType) and isinstance(new, types.FunctionType):
        if len(old.__code__.co_freevars) == len(new.__code__.co_freevars):
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    elif isinstance(old, type) and isinstance(new, type) and old.__module__ == new.__module__:
        for name, part in vars(new).items():
            _graft_onto(vars(old).get(name), part)
    else:
        for name in ("fget", "__func__", "__wrapped__"):
            if hasattr(old, name) and hasattr(new, name):
                _graft_onto(getattr(old, name), getattr(new, name))


def _copy_for_mypy(file, text) -> None:
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(SOURCE, folder / "unbreakable", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "unbreakable" / file).write_text(text, encoding="utf-8")
    os.environ["MYPYPATH"] = str(folder)
