"""The matrix: what it promises is kept by us, and broken by a mutant of ours that each of its rows names."""

from __future__ import annotations

import importlib.util

import pytest
from tests.dense import DENSE
from tests.torture.matrix import mutation
from tests.torture.matrix.behaviour import matrix
from tests.torture.matrix.ours import play

ROWS = [pytest.param(row, id=row.name) for row in matrix()]


def needs_mypy(row):
    """Skip a row for which mypy is not here."""
    if mutation.asks_mypy(row) and importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy comes with ./dev check")


@pytest.mark.parametrize("row", ROWS)
def test_we_keep_what_the_matrix_promises(row):
    """What a row of the matrix promises is kept."""
    needs_mypy(row)

    play(row)


@pytest.mark.real
@pytest.mark.parametrize("row", ROWS)
def test_a_mutant_breaks_what_the_matrix_promises(row):
    """A row fails when its mutant is put in our place: it does look."""
    if mutation.asks_mypy(row):
        needs_mypy(row)
        if not DENSE:
            pytest.skip("the lab asks mypy about mutants, too: ./dev lab")

    ended = mutation.played(row)

    assert ended == (mutation.HANGS if row.mutant.hangs else mutation.FAILED), f"with {row.mutant.name!r} it {ended}"
