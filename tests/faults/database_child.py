"""A process that works on a database file, and dies, or meets trouble, at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import os
import resource
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy.dialects.sqlite import aiosqlite  # noqa: F401 - once here, and not in each of many forked processes

from unbreakable.nodes import DatabaseNode
from unbreakable.nodes.database import calls, session  # noqa: F401 - the same
from unbreakable.nodes.database.lane import Job

EFFECT = "INSERT INTO effects (key) VALUES (:key)"


def node(path: str, **options: Any) -> DatabaseNode:
    return DatabaseNode(f"sqlite+aiosqlite:///{path}", durability="process", **options)


def prepare(path: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.executescript("PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS effects (key TEXT)")


async def do(db: DatabaseNode, key: str) -> Any:
    async def effect(tx: Any) -> str:
        await tx.execute(EFFECT, {"key": key})
        async with tx.checkpoint():
            await tx.execute("UPDATE effects SET key = key WHERE key = :key", {"key": key})
        return f"done {key}"

    return await db.run(effect, key=key)


def do_sync(db: DatabaseNode, key: str) -> Any:
    def effect(tx: Any) -> str:
        tx.execute(EFFECT, {"key": key})
        with tx.checkpoint():
            tx.execute("UPDATE effects SET key = key WHERE key = :key", {"key": key})
        return f"done {key}"

    return db.run_sync(effect, key=key)


async def do_and_close(path: str, key: str) -> Any:
    async with node(path) as db:
        return await do(db, key)


def one(path: str, key: str, *, is_async: bool) -> Any:
    if is_async:
        return asyncio.run(do_and_close(path, key))
    db = node(path)
    result = do_sync(db, key)
    db.aclose_sync()
    return result


# ── verbs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def matrix(path: str, colour: str) -> None:
    """Let a process die before and after each piece of work of a run, and another do the run again; print the rows."""
    found = []
    gc.freeze()  # what all these processes share is copied for none of them
    for fatal in itertools.count():
        for suffix in ("", "-wal", "-shm"):
            Path(path + suffix).unlink(missing_ok=True)
        prepare(path)
        died = dies_at(fatal, path, is_async=colour == "async")
        result = one(path, "k", is_async=colour == "async")
        with contextlib.closing(sqlite3.connect(path)) as plain:
            rows = plain.execute("SELECT count(*) FROM effects").fetchone()[0]
        found.append([died, rows, result])
        if not died:
            break
    print(json.dumps(found))


def dies_at(fatal: int, path: str, *, is_async: bool) -> bool:
    pid = os.fork()
    if pid == 0:
        moments, run = itertools.count(), Job.run

        def pass_one() -> None:
            if next(moments) == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

        def watched(job: Job) -> Any:
            pass_one()
            value = run(job)
            pass_one()
            return value

        Job.run = watched  # type: ignore[method-assign]
        one(path, "k", is_async=is_async)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def crowd(path: str, count: str) -> None:
    """Do so many keys, many at once, and print each that is acknowledged."""
    prepare(path)

    async def story() -> None:
        async with node(path) as db:
            places = asyncio.Semaphore(20)

            async def acknowledged(key: str) -> None:
                async with places:
                    print(await do(db, key), flush=True)

            await asyncio.gather(*(acknowledged(f"k{number}") for number in range(int(count))))

    asyncio.run(story())


def lock(path: str, seconds: str) -> None:
    """Hold SQLite's write lock for so long."""
    prepare(path)
    plain = sqlite3.connect(path, isolation_level=None)
    plain.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    time.sleep(float(seconds))
    plain.execute("COMMIT")


def fork(path: str) -> None:
    """Fork while connections are idle; let the child write before and after the parent closes its own; print all."""
    prepare(path)
    db = node(path)
    db.query_sync(EFFECT, {"key": "parent"})
    db.query_sync("SELECT 1 FROM effects")
    told, heard = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        db.query_sync(EFFECT, {"key": "child, before"})
        os.write(told[1], b"x")
        os.read(heard[0], 1)
        db.query_sync(EFFECT, {"key": "child, after"})
        asyncio.run(do_and_close(path, "child, async"))
        db.query_sync(EFFECT, {"key": "child, last"})
        os._exit(0)  # as if it were killed: nothing is tidied up
    os.read(told[0], 1)
    db.query_sync("SELECT 1 FROM effects")
    db.aclose_sync()
    os.write(heard[1], b"x")
    print(os.waitpid(pid, 0)[1])
    print(*sorted(row.key for row in db.query_sync("SELECT key FROM effects")), sep="; ")
    db.aclose_sync()


def torn(path: str) -> None:
    """Fork in the middle of a transaction; let the child try to use it, and the node, and another node."""
    prepare(path)
    db = node(path)
    with db.transaction_sync() as tx:
        tx.execute(EFFECT, {"key": "parent, before"})
        pid = os.fork()
        if pid == 0:
            try:
                tx.execute(EFFECT, {"key": "child, in the parent's transaction"})
            except RuntimeError as error:
                print("begun by the parent process" in str(error))
            outcomes = [each.query_sync.outcome("SELECT 1") for each in (db, node(path))]
            print(*("forked while a connection was at work" in str(outcome.error) for outcome in outcomes))
            print(*(outcome.attempts for outcome in outcomes), db.breaker.state.value, flush=True)
            sys.exit(0)  # leaves the block, too, and everything that Python tidies up
        print(os.waitpid(pid, 0)[1], flush=True)
        tx.execute(EFFECT, {"key": "parent, after"})
    print(*sorted(row.key for row in db.query_sync("SELECT key FROM effects")), sep="; ")
    db.aclose_sync()


def moved(path: str, how: str) -> None:
    """Put a backup in the place of a file that is open, then leave the file in some way; print what each then holds."""
    prepare(path)
    archive, backup = Path(path).with_name("archive.db"), Path(path).with_name("backup.db")
    prepare(str(backup))
    with contextlib.closing(sqlite3.connect(backup)) as plain:
        plain.executescript("INSERT INTO effects VALUES ('restored')")
    db = node(path)
    for number in range(300):
        db.query_sync(EFFECT, {"key": f"old{number}"})
    Path(path).rename(archive)
    backup.rename(path)
    if how == "exit":
        return
    pid = os.fork()
    if pid == 0:
        print(db.query_sync("SELECT min(key) || ' ' || count(*) FROM effects").scalar(), flush=True)
        os._exit(0)
    print(os.waitpid(pid, 0)[1], type(db.query_sync.outcome("SELECT 1 FROM effects").error).__name__)
    db.aclose_sync()
    print(db.query_sync("SELECT min(key) || ' ' || count(*) FROM effects").scalar())
    db.aclose_sync()


def small(path: str) -> None:
    """Write until the file may not grow any more, then let it grow again; print what was acknowledged, and how."""
    prepare(path)
    db, acknowledged = node(path, retry=False), 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    db.query_sync("SELECT 1 FROM effects")
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    while (outcome := db.query_sync.outcome(EFFECT, {"key": "x" * 5_000})).ok:
        acknowledged += 1
    keyed = db.run_sync.outcome(lambda tx: tx.execute(EFFECT, {"key": "y" * 5_000}).rowcount, "k")
    there = db.query_sync("SELECT count(*) FROM effects").scalar()
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = db.run_sync(lambda tx: tx.execute(EFFECT, {"key": "y"}).rowcount, "k")
    print(acknowledged, there, type(outcome.error).__name__, type(keyed.error).__name__, again)
    db.aclose_sync()


def unprivileged(path: str) -> None:
    """Read, and try to write, a file that may only be read; print how that ended."""
    db = node(path, retry=False)
    DatabaseNode("sqlite://").query_sync.outcome("SELEC")  # loads what nobody else may read, perhaps
    if os.geteuid() == 0:
        os.setegid(65_534)
        os.seteuid(65_534)
    read, written = db.query_sync.outcome("SELECT count(*) FROM effects"), db.query_sync.outcome(EFFECT, {"key": "k"})
    print(read.value and read.value.scalar(), written.error, *getattr(written.error, "__notes__", ()), sep="\n")
    print(getattr(written.error, "kind", None), db.breaker.state)


if __name__ == "__main__":
    VERBS = (matrix, crowd, lock, fork, torn, moved, small, unprivileged)
    {verb.__name__: verb for verb in VERBS}[sys.argv[1]](*sys.argv[2:])  # type: ignore[operator]
