"""What an operation keeps from one iteration to the next, and a copy of it from when all was well."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

from unbreakable.runtime import new_lock

TRIES = 100  # to copy a state in which iterations write that go on beside each other


def checked_state(state: object) -> dict[Any, Any]:
    """Return what an operation has left in ``ctx.state``; TypeError if that is no dictionary any more."""
    if not isinstance(state, dict):
        raise TypeError(f"ctx.state must stay a dictionary: put what is to be kept in it, not {type(state).__name__}")
    return state


def is_same(state: dict[Any, Any], before: dict[Any, Any]) -> bool:
    """Return whether *state* holds what it held *before*, without a look at what is in that."""
    return len(state) == len(before) and all(state.get(key, before) is value for key, value in before.items())


def write_changes(state: dict[Any, Any], before: dict[Any, Any], after: dict[Any, Any]) -> None:
    """Write in *state* what is another *after* an iteration than *before* it: the rest may be another's by now."""
    for key in before.keys() - after.keys():
        state.pop(key, None)
    state.update({key: value for key, value in after.items() if key not in before or _differ(before[key], value)})


def _differ(one: object, other: object) -> bool:
    try:
        return bool(one != other)
    except Exception:  # what the user keeps cannot be compared
        return True


class Slate:
    """Hold the *state* that the operation finds in ``ctx.state``, and its last copy that verified.

    The copy is a deep one and is made after every good iteration: what is kept should be small.  Iterations that go on
    beside each other hold the same state, so that none is given another one meanwhile: what they write would be lost.
    """

    __slots__ = ("_copy", "lock", "state", "trouble", "users", "verifications")

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}
        self.trouble: str | None = None  #: why there is no copy, if there is none
        self.verifications = 0  #: how many times the state was found good
        self.users: set[object] = set()  #: iterations that are in progress with this state
        self.lock = new_lock()  #: for what follows from iterations that end at the same time
        self._copy: dict[Any, Any] | None = {}

    @property
    def verified_state(self) -> dict[Any, Any] | None:
        """The state as of the latest good iteration, which nobody changes; None if it could not be copied."""
        return self._copy

    def verified(self) -> str | None:
        """Copy the state, as of a good iteration; return why that is not possible, if it became so just now."""
        before, self.trouble = self.trouble, None
        try:
            self._copy = self._copied() if self.state else {}
        except Exception as error:  # a lock, a socket, something of the user's that refuses
            self._copy, self.trouble = None, f"{type(error).__name__} when ctx.state was copied"
        self.verifications += 1  # last: who sees it finds the copy
        return self.trouble if before is None else None

    def reset(self) -> bool:
        """Make the state what it was when it was copied; return False when it is that already, or there is no copy."""
        if self._copy is None or self._is_as_copied():
            return False
        before = copy.deepcopy(self._copy)
        if self.users:
            self.state.clear()
            self.state.update(before)
        else:
            self.state = before
        return True

    def restore(self, state: dict[Any, Any]) -> None:
        """Begin with *state*, which an earlier process found good."""
        self.state, self._copy = state, copy.deepcopy(state)

    def leave(self) -> None:
        """Give the state up to an iteration that is left behind with it, and go on with one that it cannot reach.

        Without a copy, what the state holds is still shared with it; while others go on with it, all of it is.
        """
        if len(self.users) > 1:
            return
        self.state = dict(self.state) if self._copy is None else copy.deepcopy(self._copy)

    def _copied(self) -> dict[Any, Any]:
        for _ in range(TRIES if self.users else 0):
            with contextlib.suppress(RuntimeError):  # another iteration has written in it meanwhile
                return copy.deepcopy(self.state)
        return copy.deepcopy(self.state)

    def _is_as_copied(self) -> bool:
        try:
            return bool(self.state == self._copy)
        except Exception:  # what the user keeps cannot be compared
            return False
