"""The idea: an operation that is tried, healed and learned from."""

import typing

from unbreakable import lazily

if typing.TYPE_CHECKING:  # loaded when first asked for, by __getattr__ below
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

__getattr__ = lazily.load(
    __name__,
    {
        "AsyncProtected": "unbreakable.fractal.doors",
        "Chooser": "unbreakable.fractal.ports",
        "FractalNode": "unbreakable.fractal.node",
        "LocalMemory": "unbreakable.fractal.memory",
        "Memory": "unbreakable.fractal.ports",
        "Remedy": "unbreakable.fractal.remedies",
        "SyncProtected": "unbreakable.fractal.doors",
        "Verify": "unbreakable.fractal.judging",
        "on_kinds": "unbreakable.fractal.remedies",
    },
)
__dir__ = lazily.listing(__all__)
