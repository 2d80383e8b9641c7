"""Who keeps what the torture matrix promises: the same stories, against us and against the peers, in real time.

The peers are installed, at the versions that ``tests/torture/peers/requirements.txt`` names, into an environment of
their own in ``.cache``.  A row that fails is played three times, and counts as kept when it is kept once.  The table is
written to ``docs/torture.md``; the cells are what was measured, and nothing else.

    ./dev bench torture [PEER …]      play all of them, or only those named, whose columns are then printed alone
"""

from __future__ import annotations

import concurrent.futures
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests are not a package

from benchmarks._home import make_home, python_of  # noqa: E402
from tests.torture.matrix.behaviour import GROUPS, Behaviour, matrix  # noqa: E402

PYTHON = python_of("torture")
REQUIREMENTS = ROOT / "tests/torture/peers/requirements.txt"
PAGE = ROOT / "docs/torture.md"
PEERS = {
    "ours": "unbreakable",
    "tenacity": "tenacity",
    "stamina": "stamina",
    "pyresilience": "pyresilience",
    "nopanic": "nopanic",
    "interlock": "interlock-cb",
    "redress": "redress",
    "hyx": "hyx",
    "hedge": "hedge-python",
    "pybreaker": "pybreaker",
    "circuitbreaker": "circuitbreaker",
    "purgatory": "purgatory",
}
AT_ONCE = 2  # peers; more of them would be in each other's way
KEPT, BROKEN, NOT_OFFERED = "yes", "no", "-"


class Verdict(NamedTuple):
    """Hold how one row ended for one peer, and why if it is broken."""

    word: str
    why: str = ""


def versions() -> dict[str, str]:
    """Return which version of each peer was played."""
    listed = subprocess.run([PYTHON, "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    return {each["name"].lower(): each["version"] for each in json.loads(listed.stdout)}


def played(peer: str) -> dict[str, Verdict]:
    """Return the verdict on each row for *peer*."""
    command = [PYTHON, "-m", "tests.torture.matrix.play", peer]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{peer} could not be played:\n{run.stderr}")
    lines = map(json.loads, run.stdout.splitlines())
    found = {line["row"]: Verdict(line["verdict"], line["why"]) for line in lines}
    words = [verdict.word for verdict in found.values()]
    print(f"  {PEERS[peer]:15} kept {words.count(KEPT):3}   broken {words.count(BROKEN):3}", file=sys.stderr)
    return found


def cell(verdict: Verdict) -> str:
    """Return a verdict as the table shows it."""
    return {KEPT: "yes", BROKEN: "**no**", NOT_OFFERED: "–"}[verdict.word]


def line(cells: list[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |"


def table(rows: list[Behaviour], told: dict[str, dict[str, Verdict]]) -> list[str]:
    """Return the table of one group."""
    head = [line(["", *(PEERS[peer] for peer in told)]), line(["---", *("---" for _ in told)])]
    return [*head, *(line([row.promise, *(cell(told[peer][row.name]) for peer in told)]) for row in rows)]


def summary(rows: list[Behaviour], told: dict[str, dict[str, Verdict]]) -> list[str]:
    """Return how often each peer keeps and breaks a promise."""
    found = versions()
    head = [line(["", "version", "kept", "broken", "not offered"]), line(["---", "---", "---", "---", "---"])]
    for peer, verdicts in told.items():
        words = [verdicts[row.name].word for row in rows]
        counts = [str(words.count(word)) for word in (KEPT, BROKEN, NOT_OFFERED)]
        head.append(line([PEERS[peer], found[PEERS[peer]], *counts]))
    return head


PREFACE = """# The torture matrix

Each row is something that went wrong for users of some library, told as one story that any of them can be played
against; the stories are in `tests/torture/matrix`, how each library is used, by its own documentation, in
`tests/torture/peers`. `./dev test` plays all of them against this library, and sees each fail when a mutant of it that
is named beside the story takes its place (`./dev lab mutants` asks mypy about mutants, too).

This page is written by `./dev bench torture`, which plays them against the peers, too; nothing is entered by hand.
"yes": the promise is kept. "**no**": it is broken, three times of three. "–": the library has no such feature, or not
for code of that colour; that is no fault.
"""

LIMITS = """## Limits

The rows were chosen by us, from what users of these libraries and of others reported, so we pass all of them: what we
fail we mend. A library that does one thing well has many "–". The stories run in real time with pauses of tenths of a
second; a promise that is only broken once in a while may count as kept. Nothing here is about state that several
processes share, or about Python without its lock; how well limits, throttles and remedies learn is measured elsewhere.
"""


def page(rows: list[Behaviour], told: dict[str, dict[str, Verdict]]) -> str:
    """Return the page."""
    parts = [PREFACE, f"Measured on Python {platform.python_version()}.\n", *summary(rows, told), ""]
    for group in GROUPS:
        parts += [f"## {group.capitalize()}", "", *table([row for row in rows if row.group == group], told), ""]
    return "\n".join([*parts, LIMITS])


def reasons(told: dict[str, dict[str, Verdict]]) -> None:
    """Print why promises are broken."""
    for peer, verdicts in told.items():
        for name, verdict in verdicts.items():
            if verdict.word == BROKEN:
                print(f"{PEERS[peer]}: {name}: {verdict.why}")


def main(only: list[str]) -> None:
    """Play the matrix and write the page."""
    unknown = [peer for peer in only if peer not in PEERS]
    if unknown:
        raise SystemExit(f"there is no peer {unknown[0]!r}; there are: {', '.join(PEERS)}")
    rows, peers = matrix(), only or list(PEERS)
    make_home("torture", REQUIREMENTS)
    print(f"{len(rows)} promises", file=sys.stderr)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        told = dict(zip(peers, pool.map(played, peers), strict=True))
    reasons(told)
    if only:
        print("\n".join(summary(rows, told)))
        return
    PAGE.write_text(page(rows, told), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    if any(verdict.word == BROKEN for verdict in told["ours"].values()):
        raise SystemExit("we break promises of our own")


if __name__ == "__main__":
    main(sys.argv[1:])
