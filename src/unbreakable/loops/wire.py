"""Messages between a loop and its worker process: each a number, a length, then so many bytes: pickled objects.

An answer bears the number of what it answers.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable
from typing import Any

MOST_BYTES = 128 * 2**20  # of one message: two things of errand.MOST_BYTES; more is no message of ours
LOOK_AGAIN = 1.0  # seconds between two looks at whether the other side is still alive

_HEAD = struct.Struct("!QQ")


class Gone(Exception):
    """Say that there is nobody on the other side any more."""


def pack(thing: object) -> bytes:
    """Return *thing* as a message; raise whatever stands in the way."""
    return pickle.dumps(thing)


def unpack(message: bytes | bytearray) -> Any:
    """Return the thing in *message*, which came from a process of ours."""
    return pickle.loads(message)  # noqa: S301 - over a socket that only we and it hold


def send(connection: socket.socket, message: bytes, number: int) -> None:
    """Send *message* as *number*; Gone if nobody is there to take it."""
    connection.settimeout(None)
    try:
        connection.sendall(_HEAD.pack(number, len(message)))
        connection.sendall(message)
    except OSError as error:
        raise Gone from error


def receive(connection: socket.socket, is_there: Callable[[], bool] | None = None) -> tuple[int, bytearray]:
    """Return the next message and its number, first; Gone if none comes any more, be it that ``is_there()`` says so."""
    connection.settimeout(None if is_there is None else LOOK_AGAIN)
    number, length = _HEAD.unpack(_exactly(connection, _HEAD.size, is_there))
    if length > MOST_BYTES:
        raise Gone
    return number, _exactly(connection, length, is_there)


def _exactly(connection: socket.socket, length: int, is_there: Callable[[], bool] | None) -> bytearray:
    message = bytearray(length)
    place, got = memoryview(message), 0
    while got < length:
        try:
            more = connection.recv_into(place[got:])
        except TimeoutError:
            if is_there is not None and is_there():
                continue
            raise Gone from None
        except OSError as error:
            raise Gone from error
        if not more:
            raise Gone
        got += more
    return message
