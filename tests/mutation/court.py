"""The tests that judge: which lines each of them plays, how long it takes, and what it says of a mutant.

One pytest collects them all and then, instead of running them, forks a process for each mutant.  A mistake in a
function is made there in the code object of the function, wherever it was imported to.  What is made while a file is
imported needs an import: tests/mutation/anew.py.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import time
import types
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import coverage
import pytest
from hypothesis import settings
from tests.mutation.children import HANGS, each_forked
from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "src" / "unbreakable"
JUDGES = ["tests/house/test_examples.py", "tests/contracts", "tests/unit/policies", "tests/unit/fractal"]
JUDGES += ["tests/unit/nodes", "tests/stories", "tests/torture"]
OPTIONS = ["-x", "-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:xdist", "-m", "not real"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is here already
SLOWEST = 2.0  # seconds that a test may take which judges
ENOUGH = 6.0  # seconds of tests that one mutant meets, those first that play little else
ANEW = "anew"


class Record:
    """What is known of the tests: the lines that each plays, and the seconds that it takes."""

    def __init__(self, *, is_stale: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self.players: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.is_stale = is_stale
        self.breadth: Counter[str] = Counter()  #: how many lines each of them plays
        self.kills: Counter[str] = Counter()

    def add(self, told: dict[str, Any]) -> None:
        """Add what was recorded of one file of tests."""
        self.seconds.update(told["seconds"])
        names = {name: name for name in told["seconds"]}  # each once: a process that is large is slow to fork
        for file, lines in told["lines"].items():
            for line, tests in lines.items():
                fit = {names[test] for test in tests if test in names}
                self.players[file][int(line)].update(fit)
                self.breadth.update(fit)

    def leave_out(self, tests: list[str]) -> None:
        """Forget *tests*."""
        for lines in self.players.values():
            for players in lines.values():
                players.difference_update(tests)

    def of_lines(self, file: Path, lines: Any) -> set[str]:
        """Return the tests that play one of *lines*."""
        played = self.players.get(str(file), {})
        return set().union(*(played.get(line, ()) for line in lines))

    def of_mutant(self, mutant: Mutant) -> set[str]:
        """Return the tests that play its line; if the lines may have moved, those of its function, and of its name."""
        found = self.of_lines(mutant.file, mutant.lines)
        if self.is_stale:
            found |= self.of_lines(mutant.file, mutant.around)
            found |= {name for name in self.of_file(mutant.file) if f"test_{mutant.file.stem}" in name}
        return found

    def of_file(self, file: Path) -> set[str]:
        """Return the tests that play anything in *file*."""
        return self.of_lines(file, list(self.players.get(str(file), ())))

    def in_order(self, tests: set[str], enough: float = ENOUGH) -> list[str]:
        """Return *tests*, those first that have found most, then those that play least: as far as there is time."""
        chosen, left = [], enough
        for test in sorted(tests, key=lambda name: (-self.kills[name], self.breadth[name])):
            left -= self.seconds[test]
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen

    def limit(self, tests: list[str]) -> float:
        """Return the seconds of processor time after which who plays *tests* must be in an endless loop."""
        return 3.0 + 3.0 * sum(self.seconds[test] for test in tests)


class Court:
    """A plugin of pytest that judges *mutants* with the tests that it has collected."""

    def __init__(self, mutants: list[Mutant], options: Any, cache: Path) -> None:
        self.mutants, self.cache, self.enough = mutants, cache, options.enough
        self.jobs, self.stale = options.jobs, options.stale
        self.record, self.verdicts = Record(is_stale=options.stale), {}
        self.failed: list[str] = []
        self.tests: dict[str, pytest.Item] = {}

    def pytest_collection(self) -> None:
        """Draw the same examples for each mutant, and do not look for a smaller one that fails."""
        repeatable()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember which tests failed."""
        if report.failed:
            self.failed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge instead of running the tests."""
        self.tests = {item.nodeid: item for item in session.items}
        self._learn_of_tests()
        gc.unfreeze()
        self.functions = defaultdict(list)
        for each in gc.get_objects():
            if isinstance(each, types.FunctionType):
                code = each.__code__
                self.functions[code.co_filename, code.co_qualname, code.co_firstlineno].append(each)
        gc.collect()
        gc.freeze()
        self._check_themselves()
        self._judge()
        return True

    # ── what the tests do ────────────────────────────────────────────────────────────────

    def _learn_of_tests(self) -> None:
        """Play each file of tests twice, once traced; what has not changed since is known."""
        files: dict[Path, list[str]] = defaultdict(list)
        for name, item in self.tests.items():
            files[item.path].append(name)
        base = digest(*LIBRARY.rglob("*.py"), *(ROOT / "tests").glob("*.py"), *(ROOT / "tests").rglob("conftest.py"))
        places = {file: self.cache / f"{digest(file)}-{base}.json" for file in files}
        if self.stale:
            places = {file: next(self.cache.glob(f"{digest(file)}-*.json"), place) for file, place in places.items()}
        unknown = [file for file in files if not places[file].exists()]
        if unknown:
            print(f"recording what the tests of {len(unknown)} files play ...", file=sys.stderr, flush=True)
        work = lambda file: self._play_traced(files[file], places[file])
        for file, said in each_forked(unknown, work, lambda _: 300.0, self.jobs):
            if said != "done":
                print(f"not fit to judge, it died or hung: {file}", file=sys.stderr, flush=True)
        for place in places.values():
            if place.exists():
                self.record.add(json.loads(place.read_text()))

    def _play_traced(self, names: list[str], place: Path) -> str:
        tracer = coverage.Coverage(data_file=None, include=[f"{LIBRARY}/*"], concurrency=["thread"])
        tracer.start()
        self._play(names, each=tracer.switch_context)
        tracer.stop()
        with warnings.catch_warnings(action="ignore"):  # that there is none: tests with a tracer of their own
            data = tracer.get_data()
        lines = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
        seconds: dict[str, float] = {}
        self.failed.clear()
        self._play(names[::-1], seconds=seconds)  # in another order: none may lean on one before it
        fit = {name: took for name, took in seconds.items() if took < SLOWEST and name not in self.failed}
        told = {"seconds": fit, "lines": lines}
        self.cache.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(told))
        return "done"

    def _play(self, names: list[str], each: Any = None, seconds: dict[str, float] | None = None) -> None:
        """Run the tests of those *names*, until one fails if nothing is to be known of all of them."""
        items = [self.tests[name] for name in names]
        for item, following in zip(items, [*items[1:], None], strict=True):
            if each is not None:
                each(item.nodeid)
            began = time.process_time()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if seconds is not None:
                seconds[item.nodeid] = time.process_time() - began
            elif self.failed and each is None:
                return

    # ── what they say of a mutant ────────────────────────────────────────────────────────

    def _check_themselves(self) -> None:
        """Leave out the tests that fail without a mistake when they are played as judges are."""
        files = sorted({mutant.file for mutant in self.mutants})
        names = {file: self.record.in_order(self.record.of_file(file)) for file in files}
        work = lambda file: self._play(names[file], seconds={}) or " ".join(self.failed)
        for file, failed in each_forked(files, work, lambda file: self.record.limit(names[file]), self.jobs):
            if failed:
                print(f"not fit to judge {file.name}: {failed}", file=sys.stderr, flush=True)
            self.record.leave_out(names[file] if failed == HANGS else failed.split())

    def _judge(self) -> None:
        chosen: dict[int, list[str]] = {}

        def tests_of(number: int) -> list[str]:
            if number not in chosen:
                mutant = self.mutants[number]
                chosen[number] = self.record.in_order(self.record.of_mutant(mutant), self.enough)
            return chosen[number]

        numbers = [number for number, mutant in enumerate(self.mutants) if mutant.owner is not None]
        last = None
        for number, said in each_forked(
            numbers,
            lambda number: self._meet(self.mutants[number], tests_of(number)),
            lambda number: self.record.limit(tests_of(number)),
            self.jobs,
        ):
            if self.mutants[number].file != last:
                last = self.mutants[number].file
                print(f"judging {last.name} ...", file=sys.stderr, flush=True)
            self.record.kills.update([said.partition("killed by ")[2]] if said.startswith("killed by ") else [])
            self.verdicts[number] = said or "killed by its death"
            if said == "survived":
                print(self.mutants[number], file=sys.stderr, flush=True)

    def _meet(self, mutant: Mutant, names: list[str]) -> str:
        """Make the mistake, here and now, and play the tests of those *names*."""
        mutant.swap()
        code = code_of(compile(mutant.tree, str(mutant.file), "exec", dont_inherit=True), mutant)
        functions = self.functions[str(mutant.file), mutant.owner, mutant.around.start]
        if (
            not names
            or not functions
            or code is None
            or any(f.__code__.co_freevars != code.co_freevars for f in functions)
        ):
            return ANEW
        for function in functions:
            function.__code__ = code
        self.failed.clear()
        self._play(names)
        return f"killed by {self.failed[0]}" if self.failed else "survived"


def code_of(module: types.CodeType, mutant: Mutant) -> types.CodeType | None:
    """Return the code of the function in *module* that the mistake is in."""
    for each in module.co_consts:
        if isinstance(each, types.CodeType):
            if (each.co_qualname, each.co_firstlineno) == (mutant.owner, mutant.around.start):
                return each
            if (found := code_of(each, mutant)) is not None:
                return found
    return None


def repeatable() -> None:
    """Let hypothesis draw the same examples each time, and be content with any that fails."""
    settings.register_profile("mutation", settings(), derandomize=True, database=None, phases=["explicit", "generate"])
    settings.load_profile("mutation")


def digest(*files: Path) -> str:
    """Return what changes with the contents of *files*."""
    found = hashlib.sha256(f"{sys.version} {SLOWEST}".encode())
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()[:20]
