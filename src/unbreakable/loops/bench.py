"""Run an operation of either colour in a thread or process where nothing else runs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from unbreakable.fractal.guard import Guard, guarded, guarded_sync
from unbreakable.fractal.operation import Operation
from unbreakable.policies import Context, current
from unbreakable.runtime import is_async
from unbreakable.runtime.own_loop import OwnEventLoop


class Bench:
    """Run *operation* time and again; what it leaves on its event loop, connections say, is there next time."""

    def __init__(self, operation: Operation[Any]) -> None:
        self.is_async = is_async(operation)
        self._call = guarded(operation, _here) if self.is_async else guarded_sync(operation, _here)
        self._event_loop = OwnEventLoop()

    def run(self, changed: Mapping[str, Any]) -> Any:
        """Return what the operation returns, once it was awaited where there is something to await."""
        with Guard():
            value = self._call(**changed)
            return self._event_loop.run(value) if inspect.isawaitable(value) else value

    def cancel(self) -> None:
        """Cancel what is awaited, from any thread."""
        self._event_loop.cancel()

    def close(self) -> None:
        """Close the event loop, in the thread that ran the operation."""
        self._event_loop.close()


def _here() -> Context:
    ctx = current()
    assert ctx is not None  # noqa: S101 - whoever runs the operation has opened it
    return ctx
