"""Judge a mutant in a process that imports the library with the mistake in it.

So it is with what is made at import, such as a threshold, and with who has survived the quicker way in what runs then.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import coverage
import pytest
from tests.mutation.children import each_forked
from tests.mutation.court import ENOUGH, LIBRARY, OPTIONS, Record, repeatable
from tests.mutation.mutants import Mutant

MOST_FILES = 12  # of tests that are collected for one mutant
IMPORT = 6.0  # seconds
AGAIN = 3.0  # seconds of tests for who has survived the quicker way


class Few:
    """A plugin of pytest that runs the tests of those *names*, in their order."""

    def __init__(self, names: list[str]) -> None:
        self.places = {name: place for place, name in enumerate(names)}
        self.failed = ""

    def pytest_collection(self) -> None:
        """Draw the same examples each time."""
        repeatable()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the others."""
        items[:] = sorted((item for item in items if item.nodeid in self.places), key=lambda i: self.places[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember who failed."""
        if report.failed:
            self.failed = report.nodeid


class Mistaken(importlib.machinery.SourceFileLoader):
    """Import one file with the mistake in it."""

    def __init__(self, mutant: Mutant) -> None:
        path = mutant.file.relative_to(LIBRARY.parent).with_suffix("")
        super().__init__(".".join(path.parts).removesuffix(".__init__"), str(mutant.file))
        self.mutant = mutant

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return where the file is, and that it is for us to load."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> Any:
        """Return its code."""
        return compile(self.mutant.tree, self.path, "exec", dont_inherit=True)


def lines_at_import() -> dict[str, set[int]]:
    """Return the lines of the policies that run when the library is imported."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "lines"
        for _, said in each_forked([place], trace_import, lambda _: 60.0, 1):
            if said != "done":
                raise RuntimeError("the library cannot be imported")
        return {file: set(lines) for file, lines in json.loads(place.read_text()).items()}


def trace_import(place: Path) -> str:
    """Import the policies, and write down which lines that runs."""
    tracer = coverage.Coverage(data_file=None, include=[f"{LIBRARY}/policies/*"])
    tracer.start()
    importlib.import_module("unbreakable")
    for file in (LIBRARY / "policies").glob("[!_]*.py"):
        importlib.import_module(f"unbreakable.policies.{file.stem}")
    tracer.stop()
    data = tracer.get_data()
    place.write_text(json.dumps({file: data.lines(file) for file in data.measured_files()}))
    return "done"


def judge(mutants: dict[int, Mutant], record: Record, jobs: int) -> dict[int, str]:
    """Return what the tests say of each of *mutants*."""
    chosen = {number: tests_of(mutant, record) for number, mutant in mutants.items()}
    verdicts = {}
    for number, said in each_forked(
        mutants,
        lambda number: meet(mutants[number], chosen[number]),
        lambda number: IMPORT + record.limit(chosen[number]),
        jobs,
    ):
        verdicts[number] = said or "killed by its death"
        if said == "survived":
            print(mutants[number], file=sys.stderr, flush=True)
    return verdicts


def meet(mutant: Mutant, names: list[str]) -> str:
    """Make the mistake, import, and play the tests of those *names*."""
    mutant.swap()
    sys.meta_path.insert(0, Mistaken(mutant))
    few = Few(names)
    files = sorted({name.partition("::")[0] for name in names})
    code = pytest.main([*OPTIONS, *files], plugins=[few])
    if code == pytest.ExitCode.OK:
        return "survived"
    return f"killed by {few.failed or 'the import'}" if code != pytest.ExitCode.NO_TESTS_COLLECTED else "no test"


def tests_of(mutant: Mutant, record: Record) -> list[str]:
    """Return the tests that play the line; for one that is played at import, those that play a use of its name."""
    if mutant.owner is not None and (players := record.of_mutant(mutant)):
        return within_files(record.in_order(players, AGAIN))
    users = set()
    for file in LIBRARY.rglob("*.py"):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if any(re.search(rf"\b{name}\b", line) for name in mutant.names):
                users |= record.of_lines(file, [number])
    everybody = record.of_file(mutant.file)
    named = {name for name in everybody if mutant.file.stem in Path(name.partition("::")[0]).stem}
    few = ENOUGH / 3
    order = [*record.in_order(named, few), *record.in_order(users, few), *record.in_order(everybody, few)]
    return within_files(list(dict.fromkeys(order)), record.in_order(named, few))


def within_files(names: list[str], first: Sequence[str] = ()) -> list[str]:
    """Return those of *names* that are in the files of the *first*, and in others which have the most of them."""
    counts = Counter(name.partition("::")[0] for name in names)
    files = {name.partition("::")[0] for name in first} | {file for file, _ in counts.most_common(MOST_FILES)}
    return [name for name in names if name.partition("::")[0] in files]
