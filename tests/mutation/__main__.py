"""Say how many small mistakes in the policies our cheap tests would notice: ``./dev lab mutation [FILE...]``."""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
import traceback
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from tests.mutation import anew
from tests.mutation.children import HANGS
from tests.mutation.court import ANEW, ENOUGH, JUDGES, LIBRARY, OPTIONS, ROOT, Court
from tests.mutation.mutants import Mutant, mutants_of

CACHE = ROOT / ".cache" / "mutation"
EQUIVALENT = Path(__file__).parent / "equivalent.txt"
BAR = 96.0  # per cent
WARM = ("numpy", "httpx2", "h11", "sqlalchemy", "asyncio", "doctest", "unittest.mock", "pytest_asyncio.plugin")


def main() -> None:
    """Judge the mutants of the files that are named; exit 1 below the bar."""
    options = asked()
    files = options.files or sorted((LIBRARY / "policies").glob("*.py"))
    mutants = [mutant for file in files for mutant in mutants_of(file.resolve())]
    if options.only:
        mutants = [mutant for mutant in mutants if options.only in mutant.key]
    for name in WARM:
        __import__(name)
    record, verdicts = judged_in_place(mutants, options)
    at_import = anew.lines_at_import()
    again = {
        number: mutant
        for number, mutant in enumerate(mutants)
        if verdicts.get(number, ANEW) == ANEW
        or (verdicts[number] == "survived" and at_import.get(str(mutant.file), set()).intersection(mutant.lines))
    }
    print(f"{len(again)} of {len(mutants)} with an import of their own ...", file=sys.stderr, flush=True)
    verdicts.update(anew.judge(again, record, options.jobs))
    sys.exit(report(mutants, verdicts, options.bar))


def asked() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="./dev lab mutation", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: all of src/unbreakable/policies")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--only", default="", help="only the mutants in whose text this is")
    parser.add_argument("--enough", type=float, default=ENOUGH, help="seconds of tests that a mutant meets")
    parser.add_argument("--stale", action="store_true", help="trust what was recorded of the tests on other code")
    parser.add_argument("--bar", type=float, default=BAR, help="the score in per cent below which it fails")
    return parser.parse_args()


def judged_in_place(mutants: list[Mutant], options: argparse.Namespace) -> tuple[object, dict[int, str]]:
    """Return what is known of the tests, and their verdicts.

    They come from another process: in this one nothing of the library may have been imported.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "verdicts"
        child = os.fork()
        if not child:
            try:
                court = Court(mutants, options, CACHE)
                code = pytest.main([*OPTIONS, *JUDGES], plugins=[court])
                if code == 0:
                    court.record.players = {file: dict(lines) for file, lines in court.record.players.items()}
                    place.write_bytes(pickle.dumps((court.record, court.verdicts)))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        if not place.exists():
            sys.exit("mutation: the tests could not be collected.")
        return pickle.loads(place.read_bytes())  # noqa: S301 - we wrote it


def report(mutants: list[Mutant], verdicts: dict[int, str], bar: float) -> int:
    """Print the survivors and the scores; return 1 if one that counts is below the *bar*."""
    excused = read_equivalent()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for number, mutant in enumerate(mutants):
        said = verdicts[number]
        kind = "killed" if said.startswith("killed") else HANGS if said == HANGS else "survived"
        if kind == "survived" and mutant.key in excused:
            kind = "excused"
        counts[mutant.file.name][kind] += 1
        if kind == "survived":
            print(f"{mutant} in {mutant.owner or 'the module'}")
    total = sum(counts.values(), Counter())
    print(f"\n{'file':24}{'killed':>8}{'timeout':>9}{'survived':>10}{'equivalent':>12}{'score':>9}{'without':>10}")
    for name, count in [*counts.items(), ("all", total)]:
        print(
            f"{name:24}{count['killed']:8}{count[HANGS]:9}{count['survived']:10}{count['excused']:12}"
            f"{score(count):8.1f} %{score(count, excused=True):8.1f} %"
        )
    below = [name for name, count in counts.items() if score(count) < bar]
    print(
        f"score: all mutants, the equivalent ones too; without: them. Bar: {bar:g} %."
        + f" Below: {below}" * bool(below)
    )
    return int(score(total) < bar)


def score(count: Counter[str], *, excused: bool = False) -> float:
    """Return the per cent that were noticed."""
    found = count["killed"] + count[HANGS]
    return 100.0 * found / max(1, count.total() - excused * count["excused"])


def read_equivalent() -> set[str]:
    """Return the mutants that no test could notice; each has its reason above it, in a line that begins with #."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []
    return {line for line in lines if line and not line.startswith("#")}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
