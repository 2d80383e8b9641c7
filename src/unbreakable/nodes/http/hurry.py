"""A blocking connection is given no longer than the call that uses it has left, however slowly the bytes drip in.

A socket's time limit is for one read; a server that sends a byte per second meets every such limit.  So each read and
write of a client's own connections is given what is left at its moment.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

PIECE = 16_384  # bytes of a body that are sent at once: between two pieces we look at the clock
LEAST = 0.001  # seconds: a socket that is given none does not wait, and says something else than that time is up

_left: ContextVar[Callable[[], float] | None] = ContextVar("unbreakable_left", default=None)


@contextlib.contextmanager
def within(left: Callable[[], float]) -> Iterator[None]:
    """Give what connections do in this block, in this thread, no longer than *left* says."""
    token = _left.set(left)
    try:
        yield
    finally:
        _left.reset(token)


def shorter(timeout: float | None) -> float | None:
    """Return *timeout*, or what is left if that is less; None is for ever."""
    left = _left.get()
    if left is None:
        return timeout
    seconds = max(LEAST, left())
    if timeout is not None:
        return min(timeout, seconds)
    return None if seconds == float("inf") else seconds


def hurry(transport: Any) -> None:
    """Let *transport*, one of httpx2's or httpx's own that blocks, open connections that look at the clock.

    Neither library lets one say so; a transport of any other make is left as it is.
    """
    pool = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    blocks = hasattr(transport, "handle_request") and hasattr(backend, "connect_tcp")
    if blocks and not isinstance(backend, Backend):
        pool._network_backend = Backend(backend)  # type: ignore[union-attr] # noqa: SLF001


def addresses(host: str, port: int) -> list[str]:
    """Return the addresses of *host*, which a library below would each give the whole time; itself if it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        found = []
    return [str(place[0]) for *_, place in found] or [host]


class Backend:
    """Be the *inner* network backend of the library below the client."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Stream:
        """Return a connection to *host*: to the first of its addresses that answers in time."""
        *others, last = addresses(host, port)
        for address in others:
            with contextlib.suppress(Exception):  # the last address says what is wrong
                return Stream(self.inner.connect_tcp(address, port, timeout=shorter(timeout), **more))
        return Stream(self.inner.connect_tcp(last, port, timeout=shorter(timeout), **more))

    def connect_unix_socket(self, path: str, timeout: float | None = None, **more: Any) -> Stream:
        """Return a connection to the socket at *path*."""
        return Stream(self.inner.connect_unix_socket(path, timeout=shorter(timeout), **more))

    def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect."""
        self.inner.sleep(seconds)


class Stream:
    """Be the *inner* connection; its own exceptions say that time is up."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come."""
        got: bytes = self.inner.read(max_bytes, timeout=shorter(timeout))
        return got

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send *buffer*, piece by piece."""
        view = memoryview(buffer)
        for start in range(0, len(view), PIECE):
            self.inner.write(view[start : start + PIECE], timeout=shorter(timeout))

    def close(self) -> None:
        """Close the connection."""
        self.inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Stream:
        """Return the same connection, secured."""
        return Stream(self.inner.start_tls(ssl_context, server_hostname=server_hostname, timeout=shorter(timeout)))

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection says of itself."""
        return self.inner.get_extra_info(info)
