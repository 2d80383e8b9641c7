"""The public face as type checkers see it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.real
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy comes with ./dev check")
def test_the_public_face_keeps_its_types():
    """The public face, written as a user writes it, passes mypy at its strictest."""
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "tests/typing/api.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (run.returncode, run.stderr), run.stdout
