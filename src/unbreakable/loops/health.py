"""Whoever runs services asks over HTTP how a supervisor stands: ``/livez``, ``/readyz``, ``/startupz``.

Each answers 200 or 503, with a line that says why, and the whole in JSON at ``/``.  It is served by a thread of the
supervisor, which runs no code of the user's: an answer comes whatever the worker does.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
from typing import Any, Self

from unbreakable.loops.standing import Standing
from unbreakable.runtime import BLOCKING

PATIENCE = 5.0  # seconds that somebody may take for the next part of a question
MOST = 64  # who may ask at once: a supervisor that has no thread or descriptor left could start no worker


class Health:
    """Answer at *host* and *port* (0: any that is free) how *standing* is; OSError if that cannot be had."""

    def __init__(self, host: str, port: int, standing: Standing) -> None:
        handler = type("Answer", (Answer,), {"standing": standing})
        kind = type("Server", (Server,), {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET})
        self._server = kind((host, port), handler)
        self.address = f"{host}:{self._server.server_port}"
        self.serve()

    def serve(self) -> None:
        """Answer from now on; also in a forked process, which has none of the threads of the one before."""
        self._serves = False
        BLOCKING.world.carry(self._server.serve_forever, "unbreakable health")
        self._serves = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Answer nobody any more."""
        if self._serves:  # who does not would never say that it has stopped
            self._server.shutdown()
        self._server.server_close()


class Server(http.server.ThreadingHTTPServer):
    """Answer each who asks in a thread, and let nobody hold up the end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST

    def __init__(self, *arguments: Any) -> None:
        self._asking: dict[Any, None] = {}  # who has asked first is the first
        super().__init__(*arguments)

    def server_bind(self) -> None:
        """Ask nobody for the name of this machine, which may take long: it is told nobody."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; where too many ask at once, who takes longest to do so is let go."""
        with contextlib.suppress(OSError, RuntimeError, StopIteration):  # it ends at this very moment
            if len(self._asking) >= MOST:
                oldest = next(iter(self._asking))
                self._asking.pop(oldest, None)
                oldest.shutdown(socket.SHUT_RDWR)
        self._asking[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Let go of who was answered."""
        self._asking.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who asks may be gone before there is an answer."""


class Answer(http.server.BaseHTTPRequestHandler):
    """Answer one question."""

    standing: Standing
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with a line, or the whole as JSON."""
        path = self.path.split("?")[0].strip("/")
        answers = self.standing.answers(BLOCKING.now())
        if not path:
            known = {**self.standing.to_dict(), **{name: not why for name, why in answers.items()}}
            self._answer(200, json.dumps(known) + "\n", "application/json")
        elif path in answers:
            why = answers[path]
            self._answer(503 if why else 200, f"{why or 'ok'}\n", "text/plain; charset=utf-8")
        else:
            self._answer(404, f"ask /{', /'.join(answers)} or /\n", "text/plain; charset=utf-8")

    do_HEAD = do_GET  # noqa: N815 - so it is called there

    def _answer(self, code: int, text: str, kind: str) -> None:
        body = text.encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing of who asks."""
