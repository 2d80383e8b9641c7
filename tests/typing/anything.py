"""Protected functions that say little of what they return: never run, only read by type checkers."""

from __future__ import annotations

from typing import Any, assert_type

import unbreakable as ub


@ub.protect("documents")
def load(text: str) -> Any:
    """Return whatever there is: no coroutine to a checker, either."""
    return text


@ub.protect
def untyped(text: Any) -> Any:
    """Be decorated without arguments."""
    return text


@ub.protect("documents", fallback=lambda failure: "{}")
def load_or_nothing(text: str) -> Any:
    """Have a fallback besides."""
    return text


assert_type(load("{}"), Any)
assert_type(untyped("{}"), Any)
assert_type(load_or_nothing("{}"), Any)
