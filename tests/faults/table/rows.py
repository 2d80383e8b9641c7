"""Which faults are injected, at which levels, and how soon the next iteration has to begin.

The levels: "inline" and "thread" share the process of the program (L1), "process" is an isolated operation, and "run"
is the whole program under ``unbreakable run`` (L2).  A level that a row leaves out cannot survive it: the fault takes
the process with it, or blocks what runs the loop, and nobody is there to notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.faults.table.faulty import DEADLINE, INTERVAL

Bound: TypeAlias = Literal["tick", "hang", "death", "memory", "none"]

EVERYWHERE = ("inline", "inline async", "thread", "process", "run")
AWAITING = ("inline async", "thread async", "process async", "run async")


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one fault; *outside* is what somebody else does to the program, in place of the operation itself."""

    fault: str
    bound: Bound
    levels: tuple[str, ...]
    outside: str = ""
    why_not: str = ""  #: why levels are left out
    lasts: float = 0.6  #: seconds after which an iteration must still begin
    spoils_state: bool = False  #: so that the file does not say how it went on
    moves_clock: bool = False


TABLE = (
    Row("exception", "tick", EVERYWHERE),
    Row("base exception", "tick", EVERYWHERE),
    Row("SystemExit", "tick", EVERYWHERE),
    Row("KeyboardInterrupt", "tick", EVERYWHERE),
    Row("CancelledError of its own", "tick", EVERYWHERE),
    Row("cancelled from outside", "tick", AWAITING),
    Row("StopIteration", "tick", EVERYWHERE),
    Row("GeneratorExit", "tick", EVERYWHERE),
    Row("RecursionError", "tick", EVERYWHERE),
    Row("MemoryError", "tick", EVERYWHERE),
    Row("hang in await", "hang", AWAITING),
    Row("swallowed cancellation", "hang", AWAITING),
    Row("blocking call", "hang", ("thread", "process", "run", "run async"), why_not="it blocks what runs the loop"),
    Row("GIL held", "hang", ("process", "run"), why_not="no other thread of the process runs"),
    Row("SIGSTOP", "hang", ("process", "run"), why_not="the whole process stands still"),
    Row("os._exit", "death", ("process", "run"), why_not="the program ends"),
    Row("segfault", "death", ("process", "run"), why_not="the program ends"),
    Row("abort", "death", ("process", "run"), why_not="the program ends"),
    Row("SIGKILL", "death", ("process", "run"), why_not="the program ends"),
    Row("SIGKILL of the supervisor", "death", ("run",), "kill supervisor", why_not="there is none", lasts=3.0),
    Row("SIGKILL of both", "death", ("run",), "kill both", why_not="there is none"),
    Row("out of memory", "memory", ("run",), "memory limit", why_not="the program ends"),
    Row("no descriptors", "tick", EVERYWHERE),
    Row("closed stdout", "tick", EVERYWHERE),
    Row("failing logger", "tick", EVERYWHERE),
    Row("full disk", "tick", EVERYWHERE, "fill disk", spoils_state=True),
    Row("read-only disk", "tick", EVERYWHERE, "EROFS", spoils_state=True),
    Row("disk errors (EIO)", "tick", EVERYWHERE, "EIO", spoils_state=True),
    Row("damaged state", "death", ("run",), "damage"),
    Row("wall clock set", "tick", EVERYWHERE, "set clock", moves_clock=True),
)


def bound_of(row: Row, baseline: float) -> float:
    """Return within how many seconds the next iteration has to begin.

    *baseline* is how long it takes to notice a death by pidfd and have a forked process begin: nobody can be faster.
    """
    match row.bound:
        case "tick":
            return INTERVAL + 0.010
        case "hang":
            return 1.1 * DEADLINE + 0.050
        case "death":
            return 3 * baseline
        case "memory":
            return 0.250
        case _:
            return float("inf")
