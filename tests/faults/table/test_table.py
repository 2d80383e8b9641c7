"""A part of the table of faults, each one injected into a real program: the loop goes on, and every tick has a fate.

The whole table, with its bounds, is ``./dev lab faults``: on a machine that runs other tests beside, a bound of ten
milliseconds is luck.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.table.beside import beside
from tests.faults.table.injecting import injected
from tests.faults.table.outside import NotShown
from tests.faults.table.rows import TABLE

pytestmark = [pytest.mark.real, pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="it looks into /proc")]

ROWS = {row.fault: row for row in TABLE}
LATE = 10.0  # seconds that a machine with other work may take for what is a matter of milliseconds
PART = [
    ("SystemExit", "inline"),
    ("swallowed cancellation", "inline async"),
    ("blocking call", "thread"),
    ("GIL held", "process"),
    ("segfault", "run"),
    ("disk errors (EIO)", "process"),
    ("damaged state", "run"),
    ("SIGKILL of the supervisor", "run"),
    ("SIGKILL of both", "run"),
    ("wall clock set", "inline"),
]


@pytest.mark.parametrize(("fault", "level"), PART)
def test_the_loop_goes_on(tmp_path, fault, level):
    """Whatever was injected, an iteration begins after it, the loop beside went on, and the ledger adds up."""
    try:
        seen = injected(ROWS[fault], level, tmp_path.resolve())
    except NotShown as reason:
        pytest.skip(str(reason))

    assert "" == seen.ledger
    assert seen.next is not None
    assert seen.next < LATE
    assert seen.gap is not None
    assert seen.gap < LATE


@pytest.mark.parametrize(
    ("fault", "end"), [("exception", "ms"), ("SystemExit", "the program ends"), ("hang in await", "stops")]
)
def test_a_loop_by_hand_is_seen_to_go_on_or_not(monkeypatch, fault, end):
    """So the peers' cells say what has become of their loops."""
    monkeypatch.setattr("tests.faults.table.beside.PATIENCE", 1.5)

    assert beside(ROWS[fault], "bare").endswith(end)


def test_the_table_names_each_fault_once():
    """Every row has levels, or says why it has none."""
    assert len(TABLE) == len(ROWS)
    assert all(row.levels or row.why_not for row in TABLE)
