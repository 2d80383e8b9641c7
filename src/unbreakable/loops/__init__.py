"""Periodic tasks that go on, whatever their operations do."""

from unbreakable.loops.engine import QuantumLoopEngine
from unbreakable.loops.guard import StrayExit
from unbreakable.loops.loop import QuantumLoop
from unbreakable.loops.schedule import Tick
from unbreakable.loops.status import EngineStatus, LoopState, LoopStatus, Performance

__all__ = [
    "EngineStatus",
    "LoopState",
    "LoopStatus",
    "Performance",
    "QuantumLoop",
    "QuantumLoopEngine",
    "StrayExit",
    "Tick",
]
