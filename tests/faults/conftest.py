"""What tests of worker processes share: operations that their processes can find."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def operations():
    """Return the module of operations, which worker processes find, too."""
    here = str(Path(__file__).parent)
    sys.path.insert(0, here)
    try:
        yield importlib.import_module("loop_operations")
    finally:
        sys.path.remove(here)
