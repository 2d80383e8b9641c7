"""Who listens to a loop is told how its ticks and its iterations have ended; who does not pays nothing for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from unbreakable.loops.events import IterationEnded, TicksEnded

if TYPE_CHECKING:
    from unbreakable.loops.ledger import Fate
    from unbreakable.loops.schedule import Tick
    from unbreakable.loops.work import Work

MOST_UNHEARD = 2_000  # stretches of ticks, should nobody listen any more; at the end 1,000 that wait are dropped


def listen(work: Work) -> deque[tuple[str, int, int, Fate, str]]:
    """Return the ticks that nobody was told of yet; from now on there are such, if somebody listens."""
    book = work.book
    if book.unheard is not None:
        return book.unheard
    unheard: deque[tuple[str, int, int, Fate, str]] = deque(maxlen=MOST_UNHEARD)
    if work.node.listeners:
        book.unheard = unheard
    return unheard


def tell_ticks(work: Work, now: float) -> None:
    """Tell of the ticks that have ended since the latest time, in the order in which they did."""
    unheard, node = listen(work), work.node
    while unheard:
        epoch, first, past, fate, why = unheard.popleft()
        node.tell(TicksEnded(at=now, node=node.name, epoch=epoch, first=first, last=past - 1, fate=fate.value, why=why))


def tell_iteration(work: Work, number: int, tick: Tick | None, fate: Fate, why: str, began: float, now: float) -> None:
    """Tell that iteration *number* of the loop that does *work* has ended."""
    node, name = work.node, None if tick is None else tick.id
    node.tell(
        IterationEnded(at=now, node=node.name, number=number, tick=name, fate=fate.value, why=why, seconds=now - began)
    )
