"""Strategies are weighed in a learned model of their target before anything is executed."""

from unbreakable.simulation.chooser import Rules, Simulating
from unbreakable.simulation.engine import QuantumSimulationEngine
from unbreakable.simulation.ledger import Calibration, Ledger
from unbreakable.simulation.score import ScoreWeights
from unbreakable.simulation.speedup import Speedup, Stopwatch, speedup
from unbreakable.simulation.status import QuantumStats

__all__ = [
    "Calibration",
    "Ledger",
    "QuantumSimulationEngine",
    "QuantumStats",
    "Rules",
    "ScoreWeights",
    "Simulating",
    "Speedup",
    "Stopwatch",
    "speedup",
]
