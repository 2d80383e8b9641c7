"""Every fault of the table, injected for real at every level that survives it: how soon the next iteration begins.

    ./dev lab faults [TIMES] [FAULT …]      inject all of them, or only those named

Each cell is the median of three injections, or of so many, beside its bound.  What this machine does not allow is NOT
SHOWN, with the reason.  The peers meet the same faults once each, in environments of their own.  Whole, both tables are
written to ``docs/faults.md``; a bound that is missed, and a ledger that does not add up, are failures.
"""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.faults.table.beside import PATIENCE, SIDES, beside, make_homes
from tests.faults.table.faulty import DEADLINE, INTERVAL
from tests.faults.table.injecting import ROOT, baseline, injected
from tests.faults.table.outside import NotShown
from tests.faults.table.rows import TABLE, Row, bound_of

PAGE = ROOT / "docs/faults.md"
LEVELS = ("inline", "thread", "process", "run")
HEAD = f"""# Faults

What happens to a loop of {INTERVAL:g} s with a deadline of {DEADLINE:g} s when one iteration, or something around it,
goes wrong: the time from the fault to the begin of the next iteration, the median of {{times}} into real programs, by
`./dev lab faults` on {{machine}}. At every level the ledger added up, and the loop beside went on, unless a cell says
otherwise. "inline" and "thread" share the program's process (level 1); "process" is an isolated operation, and "run"
the whole program under `unbreakable run` (level 2). A dash is a fault that takes the process with it, or blocks what
runs the loop: the next level is there for it.

The bounds: after an exception, the next tick and 10 ms, {bound_of(TABLE[0], 0.0) * 1000:.0f} ms; after a hang 1.1
deadlines and 50 ms, {(1.1 * DEADLINE + 0.05) * 1000:.0f} ms; after a death three times what it takes here to notice one
by a pidfd and to have a forked process begin, {{death}} ms; after the kernel's kill for memory 250 ms. A cell in bold
misses its bound.

| fault | {" | ".join(LEVELS)} |
|--|{"--|" * len(LEVELS)}
"""
PEERS = f"""
## The same faults, and others

How soon the next iteration begins there, of one injection each, in the process of the program, as the documentation of
each has it. A loop by hand is `while True`, `try`, `except Exception`, `await asyncio.sleep(…)`; APScheduler 3 keeps
its jobs in a file where the disk is the fault. "Stops" is a program that is alive {PATIENCE:g} s later and whose loop
is not: it tells nobody. aiocron knows whole seconds only, and begins the next iteration beside one that hangs. A dash
is what it has nothing for that could fail. None of them has a ledger.

| fault | {" | ".join(SIDES.values())} |
|--|{"--|" * len(SIDES)}
"""


class Cell(NamedTuple):
    """Hold how one fault ended at one level; *took* is in seconds."""

    text: str
    is_good: bool


def measured(row: Row, level: str, bound: float, times: int) -> Cell:
    """Return how the loop goes on after the fault, injected so many *times*."""
    took = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            try:
                seen = injected(row, level, Path(folder).resolve())
            except NotShown as reason:
                return Cell(f"NOT SHOWN: {reason}", is_good=True)
        if seen.next is None:
            return Cell("**does not go on**", is_good=False)
        if seen.ledger:
            return Cell(f"**{seen.ledger}**", is_good=False)
        took.append(seen.next)
    middle = statistics.median(took)
    text = f"{middle * 1000:.0f} ms"
    return Cell(text if middle <= bound else f"**{text}**", is_good=middle <= bound)


def line_for(row: Row, death: float, times: int) -> tuple[str, bool]:
    """Return the table's line for *row*, and whether all of it is within bounds."""
    bound, cells = bound_of(row, death), []
    for level in LEVELS:
        played = [each for each in row.levels if each.split(" ")[0] == level]
        # The colour of an operation is told where both are played.
        found = [(each, measured(row, each, bound, times)) for each in played]
        both = len({cell.text for _, cell in found}) > 1
        told = [f"{cell.text}{' (async)' if both and each.endswith('async') else ''}" for each, cell in found]
        cells.append((", ".join(dict.fromkeys(told)) or "–", all(cell.is_good for _, cell in found)))
    notes = f" ({row.why_not})" if row.why_not else ""
    return f"| {row.fault}{notes} | {' | '.join(text for text, _ in cells)} |", all(good for _, good in cells)


def ours(rows: list[Row], times: int) -> tuple[str, bool]:
    """Print our table, and return it; and whether all of it is within bounds."""
    death = baseline()
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    told = "one injection" if times == 1 else f"{times} injections"
    page, is_good = HEAD.format(machine=machine, death=f"{3000 * death:.0f}", times=told), True
    print(page, end="", flush=True)
    for row in rows:
        line, good = line_for(row, death, times)
        print(line, flush=True)
        page, is_good = f"{page}{line}\n", is_good and good
    return page, is_good


def theirs(rows: list[Row]) -> str:
    """Print the table of the peers, and return it."""
    make_homes()
    page = PEERS
    print(page, end="", flush=True)
    for row in rows:
        cells = [beside(row, side) for side in SIDES]
        if set(cells) == {"–"}:
            continue
        line = f"| {row.fault} | {' | '.join(cells)} |"
        print(line, flush=True)
        page = f"{page}{line}\n"
    return page


def main() -> int:
    """Print the tables, and write them when they are whole."""
    times = int(next((word for word in sys.argv[1:] if word.isdecimal()), 3))
    wanted = {word for word in sys.argv[1:] if not word.isdecimal()}
    if unknown := wanted - {row.fault for row in TABLE}:
        sys.exit(f"no fault is named {', '.join(sorted(unknown))}; there are: {', '.join(row.fault for row in TABLE)}")
    rows = [row for row in TABLE if not wanted or row.fault in wanted]
    page, is_good = ours(rows, times)
    page += theirs(rows)
    if not wanted:
        PAGE.write_text(page, encoding="utf-8")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
