"""What children do and learn shows in their parent."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


def test_latency_signatures_and_remedies_roll_up():
    """Calls through a child, or a grandchild, are in the parent's figures, each once."""
    parent = ub.FractalNode("parent")
    child = parent.create_child("child")
    grandchild = child.create_child("grandchild")
    failing = iter([OSError("down"), OSError("down"), None] * 2)

    def ask() -> None:
        error = next(failing, None)
        if error is not None:
            raise error

    with virtual_time() as clock:
        for node in (child, grandchild):
            node.execute_sync(lambda: clock.advance(0.5))
            node.execute_sync(ask)

    status = parent.get_status()
    assert 4 == status.success_count
    assert 0.5 == pytest.approx(status.latency.p99, rel=0.05)
    assert 1 == status.signatures == len(status.remedies)
    assert 4 == pytest.approx(sum(score["tried"] for score in next(iter(status.remedies.values())).values()), abs=0.2)
    assert None is ub.FractalNode("other").get_status().latency.p50
