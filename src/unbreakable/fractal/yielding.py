"""What Python's own code tells of a ``with`` block: what is in it, and whether who has begun it is still there.

A ``yield`` in one would hand the floor to code that the block's time limits then cut: see PEP 789, "Preventing
task-cancellation bugs by limiting yield in async generators".
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable
from types import CodeType
from typing import Any

AFTER_YIELD, LOCATION = 1, 0b11  # what RESUME tells of where code goes on; an await is none of it
HANDLER = ["PUSH_EXC_INFO", "WITH_EXCEPT_START"]  # how the end of a block that fails begins


@functools.lru_cache(maxsize=1024)
def is_yielding(code: CodeType, at: int) -> bool:
    """Return whether the ``async with`` block that *code* enters at the offset *at* has a yield of its own in it."""
    handlers = Handlers(code)
    block = handlers.block(at)
    return block is not None and any(block in handlers.around(offset) for offset in handlers.yields)


def is_in_block(code: CodeType, at: int, offset: int) -> bool:
    """Return whether *offset* is in the block that *code* enters at the offset *at*, or that is not known."""
    handlers = Handlers(code)
    block = handlers.block(at)
    return block is None or block in handlers.around(offset)


class Handlers:
    """The exception handlers of *code*, and the places where it goes on after a yield."""

    def __init__(self, code: CodeType) -> None:
        bytecode = dis.Bytecode(code)
        entries: Iterable[Any] = getattr(
            bytecode, "exception_entries", ()
        )  # no promise of Python's: without, none is found
        self.code = list(bytecode)
        self.table = sorted((entry.start, entry.end, entry.target) for entry in entries)
        went_on = [each for each in self.code if each.opname == "RESUME"]
        self.yields = [each.offset for each in went_on if (each.arg or 0) & LOCATION == AFTER_YIELD]

    def block(self, at: int) -> int | None:
        """Return the handler of the block that is entered at the offset *at*; None if there is none to be found.

        Code knows blocks by where their exceptions go: in the block is what goes to the handler of the block, if need
        be by way of handlers further in.
        """
        around = self.around(at)
        blocks = [target for start, _, target in self.table if start > at and target not in around]
        return next((target for target in blocks if self.operations(target) == HANDLER), None)

    def around(self, offset: int) -> list[int]:
        """Return the handlers to which an exception at *offset* goes, the innermost first."""
        found: list[int] = []
        while (target := self._of(offset)) is not None and target not in found:
            found.append(target)
            offset = target
        return found

    def operations(self, offset: int) -> list[str]:
        """Return the names of the first two operations from *offset* on."""
        return [each.opname for each in self.code if each.offset >= offset][:2]

    def _of(self, offset: int) -> int | None:
        return next((target for start, end, target in self.table if start <= offset < end), None)
