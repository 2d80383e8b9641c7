"""Several programs open the same new knowledge base at the same moment."""

from __future__ import annotations

import contextlib
import gc
import itertools

import pytest
from tests.lines import AtLine

from unbreakable.errors import StateLocked
from unbreakable.nodes.answering import shelf
from unbreakable.nodes.answering.knowledge import KnowledgeBase

TEXTS = ["The tower is 7 metres tall."]


@pytest.mark.filterwarnings("ignore:.* is an empty file")  # which it is, for a moment
def test_another_may_make_the_file_at_any_line_of_ours(tmp_path, monkeypatch):
    """What is read of it is of one moment, so that it is not taken for another program's."""
    monkeypatch.setattr(shelf, "PATIENCE", 0.01)
    monkeypatch.setattr(shelf, "BUSY", 0.0)
    gc.collect()
    gc.freeze()  # so that each of many collections looks only at what came since
    for at in itertools.count(1):
        place = tmp_path / f"{at}.db"

        def make(place=place):
            with contextlib.suppress(StateLocked):  # we are in the way
                KnowledgeBase(TEXTS, path=place).close()
            gc.collect()  # as the end of another process would, close what its error still knows

        with AtLine({shelf.__file__}, make, at) as lines, KnowledgeBase(TEXTS, path=place) as base:
            assert 1 == len(base), at
        if lines.lines < at:
            break

    assert at > 20
