"""All connections of this process to one SQLite database: one that writes, a few that read.

SQLite lets one connection write at a time.  Whoever wants to write stands in line here, over all nodes, threads and
event loops of the process, and then has the one writing connection for a whole transaction; so the transactions of one
process never meet SQLite's own lock, which knows no line.  Readers have connections of their own that cannot write.  A
database in memory is one connection, which everybody shares.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from sqlalchemy import URL, Connection, NullPool, create_engine

from unbreakable.errors import BulkheadFull, DeadlineExceeded, StateGone, ValidationFailed
from unbreakable.nodes.database import forking
from unbreakable.nodes.database.address import MEMORY
from unbreakable.nodes.database.carrier import Carrier, InThread, OffLoop, whoever
from unbreakable.nodes.database.lane import Lane
from unbreakable.policies import Context
from unbreakable.runtime import Gate, new_lock
from unbreakable.storage.connection import Connection as SqliteConnection
from unbreakable.storage.whereabouts import Whereabouts

Durability: TypeAlias = Literal["process", "durable"]

READERS = 4  # connections that read at the same time
MOST_THREADS = 2 * (READERS + 1)  # for each connection one that works, and one that waits to clean up after it
SYNCHRONOUS = {"process": "NORMAL", "durable": "FULL"}


class Use:
    """A call of *holder* that has, or waits for, a connection behind *gate*."""

    def __init__(self, holder: asyncio.Task[Any] | threading.Thread | None, gate: Gate) -> None:
        self.gate = gate
        self.task = weakref.ref(holder) if isinstance(holder, asyncio.Task) else None
        self.loop = holder.get_loop() if isinstance(holder, asyncio.Task) else None

    @property
    def is_forsaken(self) -> bool:
        """Whether its event loop was closed over it, so that nobody there can give anything back."""
        return self.loop is not None and self.loop.is_closed()

    @property
    def is_awaited(self) -> bool:
        """Whether its task is at work at this moment, which keeps an event loop waiting."""
        return self.task is not None and self.task() is whoever()


_by_path: weakref.WeakValueDictionary[Path, Database] = weakref.WeakValueDictionary()
_opening = new_lock()


class Database:
    """Lend the connections to the database at *path*; None is one in memory."""

    def __init__(self, path: Path | None, durability: Durability) -> None:
        self.place, self.in_memory = str(path or MEMORY), path is None
        self.durability = durability
        self.journal: str | None = None  #: how SQLite keeps its journal, once a connection that writes was opened
        self.lock = new_lock()
        self.nodes = 0  #: how many have it open
        self.engine = create_engine(
            URL.create("sqlite", database=self.place),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # the driver's own idea of transactions loses savepoints: we say BEGIN
            hide_parameters=True,
            connect_args={"timeout": 0.0, "check_same_thread": False, "factory": SqliteConnection},
        )
        self._start_afresh()
        forking.tell(self)

    def _start_afresh(self) -> None:
        self.writing = Gate(1)
        self.holder: weakref.ref[object] | None = None  #: the task, or thread, that writes, as long as it lives
        self.reading = Gate(READERS)
        self.writer = self._new_lane(self._connect_writer)
        self.readers: set[Lane] = set()
        self.calls: set[Use] = set()
        self.lent: dict[Lane, Use] = {}
        self.idle: list[Lane] = []
        self.whereabouts: Whereabouts | None = None  #: of what is open, None for nothing on a disk
        self._threads: ThreadPoolExecutor | None = None

    # ── who uses it ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def users(self) -> int:
        """How many nodes use it, and calls."""
        return self.nodes + len(self.calls)

    def enter(self) -> None:
        """Count a node that uses it from now on."""
        with self.lock:
            self.nodes += 1

    def leave(self) -> ThreadPoolExecutor | None:
        """Count a node out; the last use closes the connections, which may take as long as a disk does.

        Return the threads that nobody needs any more, for who knows that this is not the collector to shut down.
        """
        for lane, heir in self._taken_from_closed_loops():
            lane.when_free(functools.partial(self._retire, lane, heir))
        with self.lock:
            lent = set(self.lent.values())  # one that was forsaken just now is taken from there by whoever looks next
            self.calls.difference_update([use for use in list(self.calls) if use.is_forsaken and use not in lent])
            self.nodes -= 1
        return self._close_unused()

    def _close_unused(self) -> ThreadPoolExecutor | None:
        """Close everything, unless somebody uses it; return the threads, which end when nobody knows them any more.

        They are not shut down here, which takes a lock of theirs: see ``Lane.when_free``.
        """
        with self.lock:
            if self.users > 0:
                return None
            lanes, threads = [self.writer, *self.idle], self._threads
            self.writer, self._threads = self._new_lane(self._connect_writer), None
            self.readers.difference_update(self.idle)
            self.idle, self.whereabouts = [], None
        for lane in lanes:
            lane.when_free(lane.close)
        return threads

    def _shut_down(self) -> None:
        shut_down(self._close_unused())

    def carrier(self, ctx: Context) -> Carrier:
        """Return what does the work where *ctx* runs."""
        return OffLoop(self.threads) if ctx.runtime.preemptive else InThread()

    @property
    def threads(self) -> ThreadPoolExecutor:
        """Return the threads that work for event loops."""
        with self.lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(MOST_THREADS, f"unbreakable {self.place}")
            return self._threads

    def count(self) -> dict[str, int]:
        """Return how many connections are in use and open, and how many calls wait for one."""
        opened = [lane for lane in (self.writer, *self.idle) if lane.connection is not None]
        return {
            "writing": self.writing.inside,
            "reading": self.reading.inside,
            "idle": len(opened) - (self.writing.inside and self.writer in opened),
            "waiting": len(self.writing.line) + len(self.reading.line),
        }

    # ── lending ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def lend_writer(self, ctx: Context, until: float) -> Lane:
        """Return the connection that writes, waiting for it up to the moment *until*."""
        me, holder = whoever(), self.holder
        if holder is not None and holder() is me:
            raise ValidationFailed(
                f"{self.place}: this is asked for inside a transaction, which it would wait for: "
                "use the transaction's own execute(), and its checkpoint() for a part that may fail"
            )
        use = await self._enter(self.writing, ctx, until)
        self.holder = weakref.ref(me)
        with self.lock:
            self.lent[self.writer] = use
        return self.writer

    async def lend_reader(self, ctx: Context, until: float) -> Lane:
        """Return a connection that reads, waiting for it up to the moment *until*."""
        if self.in_memory:
            return await self.lend_writer(ctx, until)
        use = await self._enter(self.reading, ctx, until)
        with self.lock:
            lane = self.idle.pop() if self.idle else self._new_lane(self._connect_reader)
            self.readers.add(lane)
            self.lent[lane] = use
        return lane

    def _take_from_closed_loops(self) -> None:
        """Have a thread take back what was lent on an event loop that was closed meanwhile."""
        for lane, heir in self._taken_from_closed_loops():
            self.threads.submit(self._retire, lane, heir)

    def _taken_from_closed_loops(self) -> list[tuple[Lane, Lane]]:
        """Take the lanes that were lent on closed event loops from there; return them, each with who is to follow.

        Whoever gets a lane out of ``lent`` has it, in one step: between any two the collector may come, in this thread,
        and close the coroutine that would give it back.
        """
        taken = []
        with self.lock:
            for lane in list(self.lent):
                use = self.lent.get(lane)
                if use is None or not use.is_forsaken or self.lent.pop(lane, None) is None:
                    continue
                lane.retired = True
                heir = self._new_lane(self._connect_writer if use.gate is self.writing else self._connect_reader)
                self.lent[heir] = following = Use(None, use.gate)
                self.calls.add(following)
                self.calls.discard(use)
                taken.append((lane, heir))
        self.writing.reclaim()
        self.reading.reclaim()
        return taken

    def _retire(self, lane: Lane, heir: Lane) -> None:
        """Undo what is open on *lane*, and lend its connection to others, as *heir*."""
        try:
            lane.hand_on(heir)
        finally:
            with self.lock:
                if lane in self.readers:
                    self.readers.discard(lane)
                    self.readers.add(heir)
                else:
                    self.writer = heir
            self._take_back(heir)

    async def _enter(self, gate: Gate, ctx: Context, until: float) -> Use:
        if not self.in_memory:
            forking.refuse_if_torn(self.place)
        use = Use(whoever(), gate)
        with self.lock:
            self.calls.add(use)
        try:
            if not gate.enter_nowait():
                with ctx.waiting_for_ours():  # the database is well: it is we who are at work on it
                    await self._stand_in_line(gate, ctx, until)
        except BaseException:
            self._left(use)
            raise
        return use

    async def _stand_in_line(self, gate: Gate, ctx: Context, until: float) -> None:
        if await gate.enter(ctx.runtime, until - ctx.runtime.now(), self._take_from_closed_loops):
            return
        if ctx.runtime.now() < until:
            raise BulkheadFull(f"{self.place}: {gate.queue:,} calls wait for a connection already")
        raise DeadlineExceeded(f"{self.place}: the time was up before a connection was free in this process")

    def _look(self) -> None:
        """Raise StateGone when the file at the place is not the one that was opened, on whichever lane."""
        if self.is_gone:
            raise StateGone(
                f"{self.place}: was deleted, moved or replaced while this process had it open, so nothing was done; "
                "close all DatabaseNodes of it to go on with what is there now"
            )

    @property
    def is_gone(self) -> bool:
        """Whether the file that was opened is no longer at the place."""
        return self.whereabouts is not None and not self.whereabouts.is_right()

    def _left(self, use: Use) -> None:
        """Count a call out; the last use closes the connections: in a thread, if an event loop would have to wait."""
        with self.lock:
            try:
                self.calls.remove(use)
            except KeyError:
                return  # counted out already, when its event loop was closed
            last = self.users <= 0
        if last and use.is_awaited:
            self.threads.submit(self._shut_down)
        elif last:
            self._close_unused()

    def give_back(self, lane: Lane) -> None:
        """Take *lane* back; if it has to be cleaned first, whoever is at work on it does that in the end."""
        if lane.is_clean():
            self._take_back(lane)
        else:
            lane.when_free(functools.partial(self.clean, lane))

    def clean(self, lane: Lane) -> None:
        """Stop and undo what is not finished on *lane*, then take it back; this may take as long as a disk does."""
        try:
            lane.clean()
        finally:
            self._take_back(lane)

    def _take_back(self, lane: Lane) -> None:
        with self.lock:
            use = self.lent.pop(lane, None)
        if use is None:
            return  # lent before a fork, or taken back already
        if use.gate is self.writing:
            self.holder = None
        else:
            with self.lock:
                self.idle.append(lane)
        use.gate.leave()
        self._left(use)

    # ── connecting ───────────────────────────────────────────────────────────────────────────────────────────────

    def _new_lane(self, connect: Callable[[], Connection]) -> Lane:
        return Lane(self.place, connect, self._look)

    def _connect_writer(self) -> Connection:
        return self._connect(self._set_up_writer)

    def _connect_reader(self) -> Connection:
        return self._connect(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON"))

    def _connect(self, set_up: Callable[[Connection], object]) -> Connection:
        with forking.no_fork():
            connection = self.engine.connect()
            try:
                self._look()  # before the log at the place is read, which may be that of a file that was here
                set_up(connection)
                raw = cast("SqliteConnection", connection.connection.dbapi_connection)
                raw.whereabouts = self._noted()
                self._look()  # again: it may have been replaced meanwhile
            except BaseException:
                connection.close()
                raise
            return connection

    def _noted(self) -> Whereabouts | None:
        """Return the whereabouts of the file that is open, taken when nothing of it was."""
        with self.lock:
            if self.whereabouts is None and not self.in_memory:
                self.whereabouts = Whereabouts(Path(self.place))
            return self.whereabouts

    def _set_up_writer(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.exec_driver_sql(f"PRAGMA synchronous={SYNCHRONOUS[self.durability]}")
        self.journal = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar()

    def strengthen(self, durability: Durability) -> None:
        """Give every later commit at least *durability*."""
        if durability == "durable" and self.durability != durability:
            self.durability = durability
            self.writer.worn = not self.in_memory

    # ── forking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def before_fork(self) -> None:
        """Close what is idle: see ``forking``."""
        if not self.in_memory:
            for lane in (self.writer, *self.readers):
                lane.close_if_idle()

    def after_fork(self) -> None:
        """Begin without a connection in the child process, and leave those that could not be closed to the parent."""
        forking.leave_to_the_parent([self.writer, *self.readers])
        self._start_afresh()


def shut_down(threads: ThreadPoolExecutor | None) -> None:
    """Let *threads* end when they have done what they were given."""
    if threads is not None:
        threads.shutdown(wait=False)


def open_database(path: Path | None, durability: Durability) -> Database:
    """Return the one ``Database`` of *path* in this process; one in memory is nobody else's."""
    if path is None:
        return Database(None, durability)
    new = Database(path, durability)
    with _opening:
        database = _by_path.setdefault(path, new)
    database.strengthen(durability)
    return database
