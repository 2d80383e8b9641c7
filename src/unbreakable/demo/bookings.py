"""The customers: they come at their own times, whether or not the ones before them have been served."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate

from unbreakable.demo.dice import exponential, uniforms

ARRIVALS_PER_SECOND = 48.0
DEADLINE = 10.0
CITIES = ("CAI", "LXR", "ASW", "HRG", "SSH", "RMF", "ALY", "TCP")


class End(enum.Enum):
    """How a booking ended for the customer."""

    DONE = "done"
    COMPENSATED = "compensated"  # not booked, and everything that had been done for it was undone
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One customer's wish; `due` is when the customer arrives, in seconds from the start of the run."""

    id: str
    due: float
    city: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one try at a booking went; `heals` names what healed each request that had failed at first."""

    end: End
    why: str = ""
    heals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of one booking; `seconds` are counted from when it was due, waiting for us included."""

    id: str
    due: float
    seconds: float
    verdict: Verdict

    @property
    def done(self) -> bool:
        """Whether the customer got the booking."""
        return self.verdict.end is End.DONE


Book = Callable[[Booking], Awaitable[Verdict]]


def timetable(seed: int, count: int, slowdown: float = 1.0) -> tuple[Booking, ...]:
    """Return the bookings of one seed in the order of their arrival, *slowdown* times as far apart as usual."""
    draws = [tuple(uniforms(seed, "booking", number)) for number in range(count)]
    dues = accumulate(exponential(draw[0], slowdown / ARRIVALS_PER_SECOND) for draw in draws)
    return tuple(
        Booking(
            id=f"b-{number:05d}",
            due=due,
            city=CITIES[int(draw[1] * len(CITIES))],
            amount=100 + int(draw[2] * 900),
        )
        for number, (due, draw) in enumerate(zip(dues, draws, strict=True))
    )


async def serve(bookings: Iterable[Booking], book: Book, *, start: float, on_end: Callable[[Ended], None]) -> None:
    """Begin each booking when it is due, `start` being the loop's time at due 0, and tell how each of them ended."""
    loop = asyncio.get_running_loop()

    async def one(booking: Booking) -> None:
        verdict = await book(booking)
        seconds = loop.time() - start - booking.due
        on_end(Ended(id=booking.id, due=booking.due, seconds=seconds, verdict=verdict))

    async with asyncio.TaskGroup() as group:
        for booking in bookings:
            await asyncio.sleep(start + booking.due - loop.time())
            group.create_task(one(booking))
