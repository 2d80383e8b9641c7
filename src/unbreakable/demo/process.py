"""One partner as a process of its own: it lives as long as the demo holds its standard input open."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from unbreakable.demo.ledger import Ledger
from unbreakable.demo.script import Script
from unbreakable.demo.service import Service
from unbreakable.demo.tokens import Mint
from unbreakable.demo.wire import converse

_BACKLOG = 512


def main() -> None:
    """Read the settings from the first line of standard input and serve until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's to handle; it then lets go of our input
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as orders:  # unbuffered: the rest is the loop's
        asyncio.run(_live(json.loads(orders.readline()), orders))


async def _live(settings: dict[str, Any], orders: BinaryIO) -> None:
    service = Service(
        settings["name"],
        settings["partner"],
        ledger=Ledger(Path(settings["ledger"])),
        script=Script(seed=settings["seed"], fault_rate=settings["fault_rate"]),
        mint=Mint(secret=settings["secret"], lifetime=settings["token_lifetime"]),
    )
    opening = asyncio.create_task(_open(service, port=settings["port"], at=settings["opens_at"]))
    await _obey(service, orders)
    opening.cancel()
    os._exit(0)  # at once: a caller left hanging must not keep us alive


async def _open(service: Service, *, port: int, at: float) -> None:
    await asyncio.sleep(at - time.time())
    server = await asyncio.start_server(
        lambda reader, writer: converse(service.answer, reader, writer),
        "127.0.0.1",
        port,
        backlog=_BACKLOG,
        reuse_address=True,
        reuse_port=True,  # the demo holds the port reserved while we are dead
    )
    _say({"ready": os.getpid(), "port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


async def _obey(service: Service, orders: BinaryIO) -> None:
    """Answer questions from the demo, one a line, until it goes away."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), orders)
    while line := await reader.readline():
        if line.strip() == b"counts":
            _say(await service.counts())


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
