"""The idea: an operation that is tried, healed and learned from."""

from unbreakable.fractal.doors import AsyncProtected, SyncProtected
from unbreakable.fractal.judging import Verify
from unbreakable.fractal.memory import LocalMemory
from unbreakable.fractal.node import FractalNode
from unbreakable.fractal.ports import Chooser, Memory
from unbreakable.fractal.remedies import Remedy, on_kinds

__all__ = [
    "AsyncProtected",
    "Chooser",
    "FractalNode",
    "LocalMemory",
    "Memory",
    "Remedy",
    "SyncProtected",
    "Verify",
    "on_kinds",
]
