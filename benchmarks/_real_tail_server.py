"""One endpoint of a world, served over HTTP/1.1 by a process of its own.

``GET /SIDE/ROUND/NUMBER`` is a request for that call of that side in that round.  The answer, ``200 {}`` or ``500 {}``,
comes after the delay that is drawn for (seed, round, call, how many requests this endpoint has had for it), so that all
sides meet the same luck.  ``GET /SIDE/ROUND`` tells how many requests were made for each call, given up or not.

It prints its port, and ends when its standard input does, or whoever started it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from collections import Counter

from benchmarks.truth.luck import Luck
from benchmarks.truth.worlds import WORLDS

REASONS = {200: b"OK", 500: b"Internal Server Error"}


@functools.lru_cache(maxsize=2)
def luck_of(world: str, calls: int, seed: int, nth: int) -> Luck:
    """Return the luck of the *nth* round: when its calls come, and what becomes of each request."""
    return Luck(WORLDS[world], calls, 1_000 * seed + nth)


class Endpoint:
    """Answer for one endpoint of a world."""

    def __init__(self, world: str, which: int, calls: int, seed: int) -> None:
        self.what, self.which, self.calls = WORLDS[world].endpoints[which], which, calls
        self.luck = functools.partial(luck_of, world, calls, seed)
        self.seen: dict[tuple[str, int], Counter[int]] = {}

    def after(self, side: str, nth: int, call: int) -> tuple[float, int]:
        """Return the delay of the next request for that call, and its status."""
        seen = self.seen.setdefault((side, nth), Counter())
        draws = self.luck(nth).listed(self.which, seen[call])
        seen[call] += 1
        if draws.fault[call] < self.what.fails:
            return draws.notices[call], 500
        return draws.takes[call], 200

    def counts(self, side: str, nth: int) -> list[int]:
        """Return how many requests that side has made for each call of that round."""
        seen = self.seen.get((side, nth), Counter())
        return [seen[call] for call in range(self.calls)]


class Connection(asyncio.Protocol):
    """Read requests without a body, one after the other, and answer each when its time has come."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.buffer = endpoint, b""
        self.timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Serve a request as soon as all of it is there."""
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            self.serve(head.split(b" ", 2)[1].decode().strip("/").split("/"))

    def serve(self, parts: list[str]) -> None:
        """Answer a request for the path that consists of *parts*."""
        if len(parts) == 3:
            delay, status = self.endpoint.after(parts[0], int(parts[1]), int(parts[2]))
            self.timer = asyncio.get_running_loop().call_later(delay, self.answer, status, b"{}")
        elif len(parts) == 2:
            self.answer(200, json.dumps(self.endpoint.counts(parts[0], int(parts[1]))).encode())
        else:
            self.answer(200, b"{}")

    def answer(self, status: int, body: bytes) -> None:
        """Send an answer."""
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % (status, REASONS[status], len(body)) + body)

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of the request that nobody waits for any more."""
        if self.timer is not None:
            self.timer.cancel()


async def serve(endpoint: Endpoint) -> asyncio.Server:
    """Return the server of that endpoint, which listens on a free port of this machine."""
    return await asyncio.get_running_loop().create_server(lambda: Connection(endpoint), "127.0.0.1", 0, backlog=1_000)


async def main(world: str, which: str, calls: str, seed: str) -> None:
    """Serve until standard input ends."""
    async with await serve(Endpoint(world, int(which), int(calls), int(seed))) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
