"""What a command says beside its answer: in plain words to the terminal, or as JSON, a line each, where asked for."""

from __future__ import annotations

import contextlib
import json
import select
import sys
from typing import IO, Any

import click

PATIENCE = 0.1  # seconds


def say(line: str, *, as_json: bool, kind: str = "message") -> None:
    """Say one line: on standard error, or as ``{"message": …}`` on standard output.

    Who reads that may have stopped to: what is not taken within PATIENCE is not said, for nothing may stop by it.
    """
    if _is_taken(sys.stdout if as_json else sys.stderr):
        put(json.dumps({kind: line}) if as_json else line, err=not as_json)


def put(text: str, *, err: bool = True) -> None:
    """Put *text* out, where anybody reads it: that nobody does is no reason to end what runs."""
    with contextlib.suppress(OSError):
        click.echo(text, err=err)


def _is_taken(stream: IO[str]) -> bool:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no file, or a system that cannot tell
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return bool(poll.poll(PATIENCE * 1_000))
    return True


def complain(line: str, *, as_json: bool) -> None:
    """Say what went wrong, or why the command cannot do what it was asked."""
    say(line if as_json else f"Error: {line}", as_json=as_json, kind="error")


class Unusable(click.ClickException):
    """Say that the command cannot be run as asked, with exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(message)
        command = click.get_current_context(silent=True)
        self.as_json = command is not None and bool(command.params.get("as_json"))

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it in the way that the command was asked for."""
        complain(self.format_message(), as_json=self.as_json)
