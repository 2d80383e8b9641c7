"""HTTP/1.1 as a partner speaks it, with the freedom to break off rudely."""

from __future__ import annotations

import asyncio
import enum
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11

_MOST_BODY_BYTES = 65_536
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body is an empty object."""
        value = json.loads(self.body or b"{}")
        if not isinstance(value, dict):
            raise ValueError("the body is not a JSON object")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One JSON answer."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Cut(enum.Enum):
    """Ways to give no answer."""

    RESET = "reset"
    HANG = "hang"


Answer = Callable[[Request], Awaitable[Reply | Cut]]


async def converse(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one keep-alive connection until either side ends it."""
    connection = h11.Connection(h11.SERVER)
    try:
        while (request := await _receive(connection, reader)) is not None:
            reply = await answer(request)
            if reply is Cut.RESET:
                _reset(writer)
                return
            if reply is Cut.HANG:
                await _wait_for_goodbye(reader)
                return
            writer.write(_encode(connection, reply))
            await writer.drain()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
    except (OSError, h11.ProtocolError):
        return  # the caller has hung up or talks nonsense; there is nobody to tell
    finally:
        writer.close()


async def _receive(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MOST_BODY_BYTES:
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _request(head, body)
        else:
            return None


def _request(head: h11.Request, body: bytes) -> Request:
    target = urlsplit(head.target.decode("ascii"))
    return Request(
        method=head.method.decode("ascii"),
        path=target.path,
        query=dict(parse_qsl(target.query)),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )


def _encode(connection: h11.Connection, reply: Reply) -> bytes:
    body = json.dumps(reply.body).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(body))), *reply.headers.items()]
    head = connection.send(h11.Response(status_code=reply.status, headers=headers)) or b""
    data = connection.send(h11.Data(data=body)) or b""
    end = connection.send(h11.EndOfMessage()) or b""
    return head + data + end


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() then sends RST, not FIN
    writer.transport.abort()


async def _wait_for_goodbye(reader: asyncio.StreamReader) -> None:
    while await reader.read(_CHUNK_BYTES):
        pass
