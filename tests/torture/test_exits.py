"""A program ends, whatever the collector closes at its very end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import unbreakable as ub

LEFT_GENERATORS = """
import gc
import unbreakable as ub

@ub.protect("rows", effects="none")
def rows():
    yield 1
    yield 2

class Report:
    def __init__(self):
        self.rows, self.itself = rows(), self
        next(self.rows)

gc.set_threshold(1_000_000)  # the first collection is the one at the end
for _ in range(200):
    Report()
print("done")
"""


@pytest.mark.real
def test_a_program_with_generators_that_were_left_ends():
    """So many generators are closed by the last collection that there is something to learn, and the program ends."""
    environment = {**os.environ, "PYTHONPATH": str(Path(ub.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", LEFT_GENERATORS], env=environment, capture_output=True, timeout=30, check=False
    )

    assert [0, b"done\n", b""] == [done.returncode, done.stdout.replace(b"\r", b""), done.stderr]
