"""A real service on loopback that does what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import h11
import pytest

import unbreakable as ub
from unbreakable.nodes import APINode


@dataclass
class Asked:
    """One request as it came in; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is answered: *body* is JSON unless it is bytes; it breaks off at *cut* bytes, stops at *stall*, or drips."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None
    stall: int | None = None
    drips: bool = False
    drips_head: bool = False
    dawdles: bool = False  # says again and again that the answer is on its way

    def parts(self) -> tuple[list[tuple[str, str]], bytes]:
        raw = (
            self.body if isinstance(self.body, bytes) else b"" if self.body is None else json.dumps(self.body).encode()
        )
        kind = {} if isinstance(self.body, bytes) or self.body is None else {"content-type": "application/json"}
        headers = {**kind, "content-length": str(len(raw)), **self.headers}
        return [(name, value) for name, value in headers.items() if value], raw


class Partner:
    """A server in a thread of its own; ``answer(asked)`` decides what is answered."""

    reply = Answer
    reset = Answer(cut=-1)  # not even a status line
    hang = Answer(delay=3600.0)

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Answer] = self.usual
        self.loop = asyncio.new_event_loop()
        self.port, self.open = 0, 0
        self.news = threading.Condition()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, *script: Answer | None) -> None:
        """Answer so, one after the other, and the last one for ever; None is the usual answer."""
        left = list(script)
        self.answer = lambda asked: (left.pop(0) if len(left) > 1 else left[0]) or self.usual(asked)

    @staticmethod
    def usual(asked: Asked) -> Answer:
        return Answer(body={"target": asked.target})

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Return when it is so; a minute is patience enough."""
        with self.news:
            assert self.news.wait_for(is_so, 60)

    async def is_asked(self, times: int) -> None:
        """Return when so many requests have come in."""
        await asyncio.to_thread(self.wait_until, lambda: len(self.asked) >= times)

    def _count(self, change: int) -> None:
        with self.news:
            self.open += change
            self.news.notify_all()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._converse, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count(1)
        try:
            with contextlib.suppress(OSError, h11.ProtocolError):
                await self._speak(reader, writer)
        finally:
            self._count(-1)
            writer.close()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        while True:
            asked = await self._hear(wire, reader)
            if asked is None:
                return
            with self.news:
                self.asked.append(asked)
                self.news.notify_all()
            if not await self._say(wire, self.answer(asked), asked, reader, writer):
                return
            wire.start_next_cycle()

    async def _say(self, wire, answer: Answer, asked: Asked, reader, writer: asyncio.StreamWriter) -> bool:
        """Return whether the conversation goes on."""
        if await self._hung_up(reader, answer.delay):
            return False
        headers, body = answer.parts()
        head = wire.send(h11.Response(status_code=answer.status, headers=headers))
        if answer.cut is not None:
            self._break_off(writer, (head + body[: answer.cut]) if answer.cut >= 0 else b"")
            return False
        if answer.dawdles or answer.drips_head:
            await self._drip([b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 1_000 if answer.dawdles else head, reader, writer)
            return False
        writer.write(head)
        if answer.stall is not None or answer.drips:
            return await self._linger(answer, body, reader, writer)
        data = b"" if asked.method == "HEAD" else wire.send(h11.Data(data=body))
        writer.write(data + wire.send(h11.EndOfMessage()))
        await writer.drain()
        return wire.our_state is h11.DONE

    def _break_off(self, writer: asyncio.StreamWriter, words: bytes) -> None:
        writer.write(words)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() then sends RST
        writer.transport.abort()

    async def _linger(self, answer: Answer, body: bytes, reader, writer: asyncio.StreamWriter) -> bool:
        writer.write(body[: answer.stall or 0])
        if answer.drips and not await self._drip(body, reader, writer):
            return False
        await self._hung_up(reader, 3600.0)
        return False

    async def _drip(self, drops, reader, writer: asyncio.StreamWriter) -> bool:
        """Say *drops* slowly; return whether somebody heard them all."""
        for drop in drops:
            writer.write(drop if isinstance(drop, bytes) else bytes([drop]))
            if await self._hung_up(reader, 0.05):
                return False
        return True

    async def _hung_up(self, reader: asyncio.StreamReader, delay: float) -> bool:
        """Let *delay* pass, unless the other side hangs up first."""
        if delay <= 0:
            return False
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(reader.read(1), delay) == b""
        return False

    async def _hear(self, wire: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
        asked = None
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                wire.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                headers = {name.decode(): value.decode() for name, value in event.headers}
                asked = Asked(event.method.decode(), event.target.decode(), headers)
            elif isinstance(event, h11.Data) and asked is not None:
                asked.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return asked
            else:
                return None


@pytest.fixture
def partner() -> Iterator[Partner]:
    """Return a service."""
    service = Partner()
    yield service
    service.close()


@pytest.fixture
def slow(partner):
    """Return a partner who takes a moment to answer what is asked below /slow."""

    def answer(asked):
        return partner.reply(body={"target": asked.target}, delay=0.3 if "slow" in asked.target else 0.0)

    partner.answer = answer
    return partner


@pytest.fixture
def replica() -> Iterator[Partner]:
    """Return another one."""
    service = Partner()
    yield service
    service.close()


@pytest.fixture
def dead() -> Iterator[str]:
    """Return an address where nobody listens, nor will as long as the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(params=["async", "sync"])
def ask(request):
    """Return a function that makes one request and says how it ended, in one of the two colours."""

    async def ask(api: APINode, *args, **kwargs) -> ub.Outcome:
        if request.param == "async":
            return await api.make_request.outcome(*args, **kwargs)
        return await asyncio.to_thread(api.make_request_sync.outcome, *args, **kwargs)

    return ask
