"""Servers and clients are started, and the rounds of a world played: by one side after the other, in shuffled order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._real_tail_server import luck_of
from benchmarks.truth.worlds import WORLDS

ROOT = Path(__file__).parents[1]
MOST_LINE = 2**24  # bytes that a process may print at once
PATIENCE = 10.0  # seconds for a process that is told to end


class Plan(NamedTuple):
    """Say how much is played."""

    rounds: int
    calls: int  #: of each side, in each round
    seed: int


class Child:
    """A process that answers lines with lines, and ends when there are no more."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.process, self.name = process, name

    async def hear(self) -> Any:
        """Return what it prints next; RuntimeError when it has ended instead."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended before it was told to; what it printed is above")
        return json.loads(line)

    async def ask(self, told: object) -> Any:
        """Tell it something and return what it answers."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        return await self.hear()

    async def end(self) -> None:
        """Tell it to end, and see that it does."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), PATIENCE)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@contextlib.asynccontextmanager
async def child(python: str | Path, module: str, *arguments: object) -> AsyncIterator[Child]:
    """Run a module of the benchmarks as a process, for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        python,
        *("-m", f"benchmarks.{module}"),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MOST_LINE,
        cwd=ROOT,
    )
    started = Child(process, f"{module} {arguments[0]}")
    try:
        yield started
    finally:
        await started.end()


@contextlib.asynccontextmanager
async def served(world: str, plan: Plan) -> AsyncIterator[list[str]]:
    """Serve every endpoint of a world, each by a process of its own, and yield their URLs."""
    async with contextlib.AsyncExitStack() as stack:
        count = len(WORLDS[world].endpoints)
        servers = [
            await stack.enter_async_context(
                child(sys.executable, "_real_tail_server", world, which, plan.calls, plan.seed)
            )
            for which in range(count)
        ]
        yield [f"http://127.0.0.1:{await server.hear()}" for server in servers]


async def fetched(url: str, path: str) -> Any:
    """Return what that server answers to a request for *path*."""
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return json.loads(await reader.readexactly(length))
    finally:
        writer.close()


async def played(world: str, sides: list[str], plan: Plan, python: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Return what came of every round of a world, for each side.

    A side's process, which *python* runs, lives through all rounds: it begins cold, and learns what it learns.
    """
    told: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    dice = random.Random(f"{plan.seed} {world}")
    async with served(world, plan) as urls, contextlib.AsyncExitStack() as stack:
        deadline = WORLDS[world].deadline
        clients = dict[str, Child]()
        for side in sides:  # one by one: to load its code within the deadline is for each of them to do, too
            client = await stack.enter_async_context(child(python, "_real_tail_client", side, deadline, *urls))
            await client.hear()
            clients[side] = client
        for nth in range(plan.rounds):
            comes = luck_of(world, plan.calls, plan.seed, nth).comes.tolist()
            for side in dice.sample(sides, len(sides)):
                found = await clients[side].ask({"round": nth, "comes": comes})
                counts = [await fetched(url, f"/{side}/{nth}") for url in urls]
                told[side].append({**found, "made": [sum(each) for each in zip(*counts, strict=True)]})
            print(f"{world}: round {nth + 1} of {plan.rounds}", file=sys.stderr, flush=True)
    return told


async def all_played(
    worlds: dict[str, list[str]], plan: Plan, python: str | Path
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return what came of every world, each played by the sides that are named for it."""
    return {world: await played(world, sides, plan, python) for world, sides in worlds.items()}
