"""Periodic tasks that go on, whatever their operations do."""

from unbreakable.loops.engine import QuantumLoopEngine
from unbreakable.loops.ledger import Fate, Ledger
from unbreakable.loops.loop import QuantumLoop
from unbreakable.loops.schedule import Tick
from unbreakable.loops.status import EngineStatus, Healing, LoopState, LoopStatus, Performance, Tries

__all__ = [
    "EngineStatus",
    "Fate",
    "Healing",
    "Ledger",
    "LoopState",
    "LoopStatus",
    "Performance",
    "QuantumLoop",
    "QuantumLoopEngine",
    "Tick",
    "Tries",
]
