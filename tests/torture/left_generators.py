"""Programs whose generators are left by whoever consumed them, for the collector to close."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import unbreakable as ub

REPORT = """
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
"""


def ended(program: str, seconds: float, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Return how *program* ended, in an interpreter of its own; it has so many *seconds*."""
    around = {**os.environ, "PYTHONPATH": str(Path(ub.__file__).parents[1]), **environment}
    return subprocess.run(
        [sys.executable, "-c", program], env=around, capture_output=True, timeout=seconds, check=False
    )
