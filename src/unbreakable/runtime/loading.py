"""A worker process loads the user's program to find an operation in it; what the program holds is its parent's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_loading = False


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Let what is loaded meanwhile know that it is loaded in a worker process, to be found and not to be run."""
    global _loading  # noqa: PLW0603 - one program per process
    _loading = True
    try:
        yield
    finally:
        _loading = False


def is_loading() -> bool:
    """Return whether this is a worker process that is only loading the program: its state is the parent's."""
    return _loading
