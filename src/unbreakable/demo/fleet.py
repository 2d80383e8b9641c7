"""The partner processes of one run: started, restarted, killed, asked, and gone when the demo is gone."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from unbreakable.demo.ledger import Ledger
from unbreakable.demo.script import Outage, Script

TOKEN_LIFETIME = 4.0
_START_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_GOODBYE_SECONDS = 2.0
_BOOT_SECONDS = 0.4  # a process is started this long before it is to listen again

PARTNER_OF = {
    "flights-primary": "flights",
    "flights-replica": "flights",
    "hotels": "hotels",
    "payments": "payments",
}
BOOK_KEEPERS = ("flights-primary", "hotels", "payments")  # one process of each partner


@dataclass(slots=True)
class _Seat:
    """One partner's place: the port reserved for it, and the process that sits there now."""

    name: str
    port: socket.socket
    process: asyncio.subprocess.Process | None = None


class Fleet:
    """Four processes on loopback; use it as an async context manager."""

    def __init__(self, folder: Path, script: Script, *, token_lifetime: float = TOKEN_LIFETIME) -> None:
        self._folder = folder
        self._script = script
        self._token_lifetime = token_lifetime
        self._seats = {name: _Seat(name=name, port=_reserve()) for name in PARTNER_OF}
        self._flights_secret = secrets.token_hex()
        self._births = asyncio.Lock()  # held while a process is there and not yet known

    async def __aenter__(self) -> Self:
        """Start every partner and wait until all of them listen."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for partner in sorted(set(PARTNER_OF.values())):
            Ledger(self._books(partner)).close()  # two processes that make one file at once would disturb each other
        try:
            await asyncio.gather(*(self.start(name) for name in self._seats))
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def address(self, name: str) -> str:
        """Return the base URL of one partner process; it stays the same over restarts."""
        return f"http://127.0.0.1:{_number(self._seats[name].port)}"

    def pid(self, name: str) -> int:
        """Return the process number of one partner."""
        process = self._seats[name].process
        if process is None:
            raise RuntimeError(f"{name} has not been started")
        return process.pid

    async def start(self, name: str, *, opens_at: float = 0.0) -> None:
        """Start one partner and wait until it listens, which it does not before `opens_at` (wall-clock seconds)."""
        seat = self._seats[name]
        async with self._births:
            seat.process = await self._spawn(name)
        await self._ask(seat, json.dumps(self._settings(seat, opens_at)), _START_SECONDS)

    def kill(self, name: str) -> None:
        """End one partner with SIGKILL."""
        process = self._seats[name].process
        if process is not None and process.returncode is None:
            process.kill()

    async def end(self) -> None:
        """End every partner with SIGKILL, see it gone, and start none any more."""
        await self._births.acquire()
        for name in self._seats:
            self.kill(name)
        await asyncio.gather(*(seat.process.wait() for seat in self._seats.values() if seat.process is not None))

    async def suffer(self, outage: Outage) -> None:
        """Kill one partner and have it back, at the same address, when the outage is over."""
        back = time.time() + outage.down
        self.kill(outage.service)
        await asyncio.sleep(outage.down - _BOOT_SECONDS)
        await self.start(outage.service, opens_at=back)

    async def keep_to(self, plan: Iterable[Outage], *, start: float) -> None:
        """Let each outage happen at its moment, `start` being the loop's time at second 0 of the run."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for outage in sorted(plan, key=lambda outage: outage.at):
                await asyncio.sleep(start + outage.at - loop.time())
                group.create_task(self.suffer(outage))

    async def counts(self) -> dict[str, dict[str, int]]:
        """Ask each partner what it has received, once it is at work on nothing any more.

        The two flights processes keep one set of books, and the last one asked has seen both at rest.
        """
        answers = [await self._ask(seat, "counts", _ANSWER_SECONDS) for seat in self._seats.values()]
        return {PARTNER_OF[name]: answer for name, answer in zip(self._seats, answers, strict=True)}

    async def aclose(self) -> None:
        """Let every partner go, and see it gone."""
        await asyncio.gather(*(_dismiss(seat.process) for seat in self._seats.values() if seat.process is not None))
        for seat in self._seats.values():
            seat.port.close()

    def _settings(self, seat: _Seat, opens_at: float) -> dict[str, Any]:
        partner = PARTNER_OF[seat.name]
        return {
            "name": seat.name,
            "partner": partner,
            "ledger": str(self._books(partner)),
            "seed": self._script.seed,
            "fault_rate": self._script.fault_rate,
            "secret": self._flights_secret if partner == "flights" else secrets.token_hex(),
            "token_lifetime": self._token_lifetime,
            "port": _number(seat.port),
            "opens_at": opens_at,
        }

    def _books(self, partner: str) -> Path:
        return self._folder / f"{partner}.db"

    async def _spawn(self, name: str) -> asyncio.subprocess.Process:
        with (self._folder / f"{name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "unbreakable.demo.process",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=_environment(),
            )

    async def _ask(self, seat: _Seat, line: str, seconds: float) -> dict[str, Any]:
        process = seat.process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError(f"{seat.name} has not been started")
        process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(seconds):
            answer = await process.stdout.readline()
        if not answer:
            log = (self._folder / f"{seat.name}.log").read_text(errors="replace")
            raise RuntimeError(f"the partner {seat.name} has ended:\n{log[-2000:]}")
        return dict(json.loads(answer))


def _reserve() -> socket.socket:
    """Bind a port without listening: nobody else gets it, and a dead partner's callers are refused at once."""
    port = socket.socket()
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        port.setsockopt(socket.SOL_SOCKET, option, 1)
    port.bind(("127.0.0.1", 0))
    return port


def _number(port: socket.socket) -> int:
    return int(port.getsockname()[1])


def _environment() -> dict[str, str]:
    """Let the child import the same package, however this process came by it."""
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


async def _dismiss(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
