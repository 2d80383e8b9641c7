"""Processes that put and handle items, and die at a moment that was chosen, or at any."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import resource
import signal
import sys
import time
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

from unbreakable.errors import BufferFull
from unbreakable.nodes import StreamNode
from unbreakable.nodes.streaming import opening
from unbreakable.storage.disk import Disk
from unbreakable.storage.log import Log

VERBS = ("create", "write", "sync", "sync_folder", "cut", "rename", "remove")
SMALL = 64 * 1024  # bytes of the whole log, so that files come and go


class Ledger:
    """What was acknowledged and what was handled, in files that survive whoever writes them."""

    def __init__(self, folder: Path) -> None:
        self.acked = os.open(folder / "acked", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.handled = os.open(folder / "handled", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.next = 1 + max((int(line.split()[0]) for line in lines(folder / "acked")), default=0)
        self.next += 1_000 * len(lines(folder / "lives"))  # an item that was put without an ack is not put again
        with (folder / "lives").open("a") as file:
            file.write("one\n")

    def note(self, where: int, number: int, id: str) -> None:
        os.write(where, f"{number} {id}\n".encode())


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def stream(folder: Path, ledger: Ledger, durability: Any) -> StreamNode:
    def handle(items: Any) -> None:
        for item, id in zip(items, items.ids, strict=True):
            ledger.note(ledger.handled, item["number"], id)

    return StreamNode(
        handle,
        overflow=folder / "log",
        durability=durability,
        max_buffer=4,
        batch=3,
        max_overflow_bytes=SMALL,
        effects="idempotent",
    )


async def put_and_handle(folder: Path, durability: Any, count: float, size: int = 400) -> None:
    ledger = Ledger(folder)
    async with stream(folder, ledger, durability) as node:
        number = ledger.next
        while number < ledger.next + count:
            ack = await node.put({"number": number, "filling": "x" * size})
            ledger.note(ledger.acked, number, ack.id)
            number += 1
        await node.drain()


def forked(work: Any) -> int:
    """Run *work* in a forked process and return the signal that ended it, 0 for none."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    _, ended = os.waitpid(pid, 0)
    assert not os.WIFEXITED(ended) or os.WEXITSTATUS(ended) == 0, ended
    return os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0


def judged(folder: Path) -> dict[str, Any]:
    """Return what came of the items, after a process had drained the stream."""
    acked = [line.split() for line in lines(folder / "acked")]
    handled = [line.split() for line in lines(folder / "handled")]
    ids: dict[str, set[str]] = {}
    for number, id in acked + handled:
        ids.setdefault(number, set()).add(id)
    first = list(dict.fromkeys(int(number) for number, _ in handled))
    return {
        "acked": len(acked),
        "lost": sorted({number for number, _ in acked} - {number for number, _ in handled}, key=int),
        "two ids": sorted(number for number, known in ids.items() if len(known) > 1),
        "in order": first == sorted(first),
        "again": len(handled) - len(first),
        "damaged": len(list((folder / "log").glob("*.damaged"))),
    }


# ── at a moment that was chosen ─────────────────────────────────────────────────────────────────────────────────────


def die_at(fatal: int) -> None:
    """Let the process die at the moment *fatal*: before or after one of the calls that change the disk."""
    passed = iter(range(10**9))

    def pass_one() -> None:
        if next(passed) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(verb: str, call: Any, self: Disk, *arguments: Any) -> Any:
        pass_one()
        if verb == "write":  # half of it may be there
            half = len(arguments[1]) // 2
            call(self, arguments[0], arguments[1][:half], arguments[2])
            pass_one()
        answer = call(self, *arguments)
        pass_one()
        return answer

    for verb in VERBS:
        setattr(Disk, verb, partialmethod(partial(watched, verb, getattr(Disk, verb))))


def matrix(folder: Path, durability: str, first: int, step: int) -> list[dict[str, Any]]:
    """Let a process die at every moment there is, and look what the next one makes of it."""
    found, fatal = [], first
    gc.freeze()  # what all these processes share is copied for none of them
    while True:
        place = folder / str(fatal)
        place.mkdir(parents=True)

        def short_life(fatal: int = fatal, place: Path = place) -> None:
            opening.Log = lambda *args, **kwargs: Log(*args, **{**kwargs, "log_bytes": 8 * 1_400})  # three items a file
            die_at(fatal)
            asyncio.run(put_and_handle(place, durability, 12))

        died = forked(short_life) == signal.SIGKILL
        asyncio.run(put_and_handle(place, durability, 3))
        found.append({"moment": fatal, "died": died, **judged(place)})
        if not died:
            return found
        fatal += step


# ── at any moment ───────────────────────────────────────────────────────────────────────────────────────────────────


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def rounds(folder: Path, durability: str, count: int, seed: int) -> dict[str, Any]:
    """Kill *count* processes one after the other, each at a random moment of its work on the same folder."""
    dice = random.Random(seed)
    gc.freeze()
    acked = folder / "acked"
    for _ in range(count):
        # Sooner or later by what it has done, and not by the clock: on a busy machine it would have done nothing yet.
        done = size(acked) + (dice.randrange(1, 2_000) if dice.random() < 0.7 else 0)
        pid = os.fork()
        if pid == 0:
            asyncio.run(put_and_handle(folder, durability, float("inf"), size=dice.choice([10, 400, 3_000])))
            os._exit(0)
        while size(acked) < done:
            time.sleep(0.001)
        time.sleep(dice.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    asyncio.run(put_and_handle(folder, durability, 3))
    return judged(folder)


# ── a disk that is full ─────────────────────────────────────────────────────────────────────────────────────────────


def full(folder: Path, limit: int) -> dict[str, Any]:
    """Put until the disk, or the limit of a file's length, refuses; handle, and put again."""
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    handled: list[int] = []
    acked: list[int] = []
    with_files: set[str] = set()
    writer = StreamNode(overflow=folder / "log", durability="process", max_buffer=2, batch=1)
    refused = None
    for number in range(3_000):
        try:
            writer.put_sync({"number": number, "filling": "x" * 2_000}, wait=0.1)
        except BufferFull as error:
            refused = str(error)
            break
        acked.append(number)
        with_files.update(path.name for path in (folder / "log").glob("*.segment"))
    health = writer.get_status().health
    writer.aclose_sync()
    reader = StreamNode(lambda item: handled.append(item["number"]), overflow=folder / "log", durability="process")
    drained = reader.drain_sync(60.0)
    after = reader.put_sync({"number": -1}, wait=5.0).level
    reader.drain_sync(60.0)
    status = reader.aclose_sync()
    return {
        "refused": refused,
        "health": health,
        "drained": drained,
        "all there": handled == [*acked, -1],
        "acked": len(acked),
        "files": len(with_files),
        "after": after,
        "quarantined": status.quarantined,
    }


if __name__ == "__main__":
    verb, folder, *rest = sys.argv[1:]
    arguments = [json.loads(each) for each in rest]
    answer = {"matrix": matrix, "rounds": rounds, "full": full}[verb](Path(folder), *arguments)
    print(json.dumps(answer))
    sys.stdout.flush()
