"""What a first failure needs is loaded before it comes: the next tick would have to wait for it.

Not by a thread beside the program: a class that Python writes as text, as for a NamedTuple, has it forget that Ctrl-C
has ended the program, if that was at this very moment, and then the exit code is 1.
"""

from __future__ import annotations

from importlib import import_module

NEEDED = (
    "protected",
    "fractal.aftermath",
    "fractal.methods",
    "fractal.recounting",
)

KEEPING = ("loops.keeper", "storage.connection")  # what a loop needs that keeps its state in a file


def load_ahead(*more: str) -> None:
    """Load it, and *more*, unless that was done before."""
    for name in (*NEEDED, *more):
        import_module(f"unbreakable.{name}")
