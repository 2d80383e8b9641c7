"""Where a loop stands reads back as what it was, also from a version that wrote less."""

from __future__ import annotations

import json

import pytest

from unbreakable.loops.checkpoint import OPTIONAL, Checkpoint, checkpoint_from
from unbreakable.loops.ledger import Fate, Stretch

KEPT = Checkpoint(
    wall=1e9,
    epoch="e",
    ticks=[1.0, 0.0],
    first=0,
    origin=1e9,
    seen=5,
    number=3,
    waiting=[[3, 4]],
    at_work=4,
    most=9,
    left=4,
    paused=False,
    is_over=False,
    iteration=5,
    counts={"run": 3},
    recent=[["e", 0, 2, "run", ""]],
    state=2,
)


def test_what_was_written_reads_back():
    """With the fates and stretches that are made of it."""
    found = checkpoint_from(KEPT.text)

    assert found == KEPT
    assert ({Fate.RUN: 3}, [Stretch("e", 0, 2, Fate.RUN, "")]) == (found.fates, found.stretches)


def test_a_version_that_wrote_less_is_read():
    """An update of the library begins no loop anew."""
    less = {name: value for name, value in json.loads(KEPT.text).items() if name not in OPTIONAL}

    assert 4 == checkpoint_from(json.dumps(less)).left


@pytest.mark.parametrize("change", [{"wall": None}, {"strange": 1}, {"counts": {"lost": 1}}])
def test_anything_else_is_refused(change):
    """A field that is missing, or strange, or a fate that nobody knows."""
    record = {**json.loads(KEPT.text), **change}
    if record["wall"] is None:
        del record["wall"]
    with pytest.raises(ValueError, match=r"loop's record|not a valid Fate"):
        checkpoint_from(json.dumps(record))
