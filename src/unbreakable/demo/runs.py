"""The same customers served twice by the same partners: without protection, then with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, NoReturn, TextIO

import httpx2

from unbreakable.demo.bookings import Book, Booking, Ended, serve, timetable
from unbreakable.demo.crowd import slowdown
from unbreakable.demo.figures import Books, Figures, figures
from unbreakable.demo.fleet import BOOK_KEEPERS, PARTNER_OF, Fleet
from unbreakable.demo.progress import Progress
from unbreakable.demo.protected import Protected
from unbreakable.demo.report import Report, Resumed
from unbreakable.demo.script import Script, outages
from unbreakable.demo.state import INTERRUPTED, Settings, State
from unbreakable.demo.unprotected import Unprotected


async def compare(settings: Settings, state: State, stream: TextIO, *, resume: bool) -> Report:
    """Play both runs, or what is left of them, and report; `stream` gets the progress."""
    if not resume:
        state.begin(settings)
    busy = await slowdown()
    if busy > 1.0:
        stream.write(f"this machine is slow or busy: customers come {busy:.1f} times slower\n")
    unprotected = state.unprotected() or await _unprotected(settings, state, stream, busy)
    state.keep_unprotected(unprotected)
    half = await _protected(settings, state, stream, busy)
    state.finish(settings)
    return Report(
        settings=settings,
        unprotected=unprotected,
        protected=half.figures,
        resumed=half.resumed,
        remembered=half.remembered,
    )


async def _unprotected(settings: Settings, state: State, stream: TextIO, busy: float) -> Figures:
    state.forget_run("unprotected")
    bookings = timetable(settings.seed, settings.bookings, busy)
    ends: list[Ended] = []
    progress = Progress("unprotected", len(bookings), stream)

    def on_end(ended: Ended) -> None:
        ends.append(ended)
        progress.add(ended)

    async with _fleet(settings, state, "unprotected") as fleet:
        async with Unprotected(fleet.address) as customers:
            await _play(settings, fleet, bookings, customers.book, on_end)
        progress.close()
        return figures(ends, await _books(fleet), {}, bookings=len(bookings))


class Half(NamedTuple):
    """Hold how the protected run went, what it found of a killed one, and what it remembered of earlier demos."""

    figures: Figures
    resumed: Resumed | None
    remembered: Mapping[str, str]


async def _protected(settings: Settings, state: State, stream: TextIO, busy: float) -> Half:
    bookings = timetable(settings.seed, settings.bookings, busy)
    ends = state.remembered()
    progress = Progress("protected", len(bookings), stream)
    for ended in ends:
        progress.add(ended)

    def on_end(ended: Ended) -> None:
        state.remember(ended)
        ends.append(ended)
        progress.add(ended)

    async with _fleet(settings, state, "protected") as fleet:
        async with Protected(fleet.address, state.run_folder("protected"), state.knowledge) as customers:
            left, resumed = _left(bookings, ends, customers.begun())
            if resumed is not None:
                stream.write(f"{resumed.text()}\n")
            await _play(settings, fleet, left, customers.book, on_end)
            learned, remembered = customers.learned(), customers.remembered
        progress.close()
        run = figures(ends, await _books(fleet), learned, bookings=len(bookings))
        return Half(run, resumed, remembered)


def _left(
    bookings: Sequence[Booking], ends: Sequence[Ended], begun: frozenset[str]
) -> tuple[Sequence[Booking], Resumed | None]:
    """Return the bookings that have not come to their end, and what a killed run had left of them, if there was one."""
    ended = {one.id for one in ends}
    left = [booking for booking in bookings if booking.id not in ended]
    if not ended and not begun:
        return left, None
    in_flight = sum(booking.id in begun for booking in left)
    return left, Resumed(ended=len(ended), in_flight=in_flight, not_begun=len(left) - in_flight)


async def _play(
    settings: Settings, fleet: Fleet, bookings: Sequence[Booking], book: Book, on_end: Callable[[Ended], None]
) -> None:
    """Serve these bookings at their times, from the first one's on, while the partners have their outages."""
    if not bookings:
        return
    begins, length = bookings[0].due, bookings[-1].due
    start = asyncio.get_running_loop().time() - begins
    plan = [outage for outage in outages(length, kill_partner=settings.kill_partner) if outage.at >= begins]
    async with asyncio.TaskGroup() as group:
        group.create_task(fleet.keep_to(plan, start=start))
        group.create_task(serve(bookings, book, start=start, on_end=on_end))


@asynccontextmanager
async def _fleet(settings: Settings, state: State, run: str) -> AsyncIterator[Fleet]:
    """Have the partners of one run at work; on Ctrl-C stop as a kill would, which leaves a state to go on from."""
    fleet = Fleet(state.run_folder(run), Script(seed=settings.seed, fault_rate=settings.fault_rate))
    loop = asyncio.get_running_loop()
    stopping: set[asyncio.Task[NoReturn]] = set()
    loop.add_signal_handler(signal.SIGINT, lambda: stopping.add(loop.create_task(_stop(fleet))))
    try:
        async with fleet:
            yield fleet
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _stop(fleet: Fleet) -> NoReturn:
    """End this process and its partners at once: undoing what is in flight could take longer than people wait."""
    await fleet.end()
    sys.stderr.write("\nInterrupted; the partners are gone. The same command takes it up again.\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


async def _books(fleet: Fleet) -> Books:
    """Ask every partner, over its own undisturbed routes, what it has received and what stands in its books."""
    counts = await fleet.counts()
    async with httpx2.AsyncClient() as client:
        audits = {PARTNER_OF[name]: (await client.get(f"{fleet.address(name)}/audit")).json() for name in BOOK_KEEPERS}
    return Books(
        received=sum(count["requests"] for count in counts.values()),
        needed=sum(count["needed"] for count in counts.values()),
        double_charges=audits["payments"]["double_charges"],
        standing={partner: tuple(audit["standing"]) for partner, audit in audits.items()},
        final={partner: tuple(audit["final"]) for partner, audit in audits.items()},
    )
