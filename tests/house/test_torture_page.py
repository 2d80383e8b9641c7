"""The page that tells who keeps what the torture matrix promises: its rows are the matrix's."""

from __future__ import annotations

from pathlib import Path

from tests.torture.matrix.behaviour import matrix

PAGE = Path(__file__).parents[2] / "docs/torture.md"
CELLS = {"yes", "**no**", "–"}


def table():
    """Return the cells of each line of the page's tables that tells of a promise, by the promise."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip(): row[1:] for row in rows if set(row[1:]) <= CELLS}


def test_the_page_tells_of_every_promise_and_of_no_other():
    """Whoever adds, drops or rewords a story of the matrix runs ``./dev bench torture`` again."""
    assert [row.promise for row in matrix()] == list(table())


def test_every_promise_is_measured_against_every_peer():
    """Each row has a cell for us, who keep it, and for each of the eleven peers."""
    assert {12} == {len(cells) for cells in table().values()}
    assert {"yes"} == {cells[0] for cells in table().values()}
