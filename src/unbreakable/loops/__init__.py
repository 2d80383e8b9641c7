"""Periodic tasks that go on, whatever their operations do."""

import typing

from unbreakable import lazily

if typing.TYPE_CHECKING:  # loaded when first asked for, by __getattr__ below: a supervisor needs none
    from unbreakable.loops.engine import QuantumLoopEngine
    from unbreakable.loops.ledger import Fate, Ledger
    from unbreakable.loops.loop import QuantumLoop
    from unbreakable.loops.loop_group import LoopGroup
    from unbreakable.loops.schedule import Tick
    from unbreakable.loops.status import (
        EngineStatus,
        GroupStatus,
        Healing,
        KnownFailure,
        LoopState,
        LoopStatus,
        Performance,
        RestartStatus,
        Tries,
    )

__all__ = [
    "EngineStatus",
    "Fate",
    "GroupStatus",
    "Healing",
    "KnownFailure",
    "Ledger",
    "LoopGroup",
    "LoopState",
    "LoopStatus",
    "Performance",
    "QuantumLoop",
    "QuantumLoopEngine",
    "RestartStatus",
    "Tick",
    "Tries",
]

__getattr__ = lazily.load(
    __name__,
    {
        "EngineStatus": "unbreakable.loops.status",
        "Fate": "unbreakable.loops.ledger",
        "GroupStatus": "unbreakable.loops.status",
        "Healing": "unbreakable.loops.status",
        "KnownFailure": "unbreakable.loops.status",
        "Ledger": "unbreakable.loops.ledger",
        "LoopGroup": "unbreakable.loops.loop_group",
        "LoopState": "unbreakable.loops.status",
        "LoopStatus": "unbreakable.loops.status",
        "Performance": "unbreakable.loops.status",
        "QuantumLoop": "unbreakable.loops.loop",
        "QuantumLoopEngine": "unbreakable.loops.engine",
        "RestartStatus": "unbreakable.loops.status",
        "Tick": "unbreakable.loops.schedule",
        "Tries": "unbreakable.loops.status",
    },
    first="unbreakable.loops.engine",
)
__dir__ = lazily.listing(__all__)
