"""Play a story against a broken copy of our library: in a forked child, where one module is read with an edit in it."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src/unbreakable"
MOST_SECONDS = 10.0  # that a story takes in virtual time, if it is not to have hung
REAL_SECONDS = 2.0  # the same in real time, where mutants may do nothing but hang
MYPY_SECONDS = 300.0  # which reads the whole library anew
KEPT, FAILED, HANGS = "kept", "failed", "hangs"


def mutated(mutant) -> str:
    """Return the text of the file that *mutant* breaks, broken."""
    text = (SOURCE / mutant.file).read_text(encoding="utf-8")
    assert 1 == text.count(mutant.old), f"{mutant.file} has {text.count(mutant.old)} times {mutant.old!r}, not once"
    return text.replace(mutant.old, mutant.new)


def asks_mypy(row) -> bool:
    """Return whether the story of *row* asks mypy, which reads files and no modules."""
    return row.name.endswith(("_types", "_type"))


def patience(row) -> float:
    """Return how many seconds a child may take."""
    if asks_mypy(row):
        return MYPY_SECONDS
    return REAL_SECONDS if row.is_real else MOST_SECONDS


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
    """Return how the story of *row* ends with its mutant in our place; a child's life is spent on it."""
    text = mutated(row.mutant)
    child = os.fork()
    if not child:
        os._exit(_in_the_child(row, text))
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a story has left at work
    return {0: KEPT, 1: FAILED}.get(os.waitstatus_to_exitcode(status), HANGS)


def _in_the_child(row, text) -> int:
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends it
    signal.setitimer(signal.ITIMER_REAL, patience(row))
    sys.stderr = sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    try:
        for name in list(sys.modules):
            if name.partition(".")[0] == "unbreakable" or name.startswith(
                ("tests.torture.matrix", "tests.torture.peers")
            ):
                del sys.modules[name]
        sys.meta_path.insert(0, Finder(row.mutant.file, text))
        if asks_mypy(row):
            _copy_for_mypy(row, text)
        from tests.torture.matrix import behaviour, ours

        (again,) = [each for each in behaviour.matrix() if each.name == row.name]
        ours.play(again)
    except BaseException:
        return 1
    return 0


def _copy_for_mypy(row, text) -> None:
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(SOURCE, folder / "unbreakable", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "unbreakable" / row.mutant.file).write_text(text, encoding="utf-8")
    os.environ["MYPYPATH"] = str(folder)
