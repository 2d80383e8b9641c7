"""What plans need of numpy is made ready when the first one is wanted, and nobody waits for it."""

from __future__ import annotations

import enum
import importlib
import os

from unbreakable.runtime import BLOCKING


class _Stage(enum.Enum):
    ABSENT, COMING, HERE = range(3)


_stage = _Stage.ABSENT
_is_told = False  # whether it was logged that it cannot be imported


def at_hand() -> bool:
    """Return whether plans can be made now; the first time it is asked, the thread for chores makes all ready.

    In virtual time chores are done at once, so that a story is the same each time.
    """
    global _stage  # noqa: PLW0603 - one interpreter, one numpy
    if _stage is _Stage.ABSENT:
        _stage = _Stage.COMING
        BLOCKING.background(_fetch)
    return _stage is _Stage.HERE


def _fetch() -> None:
    global _stage, _is_told  # noqa: PLW0603
    try:
        importlib.import_module("unbreakable.simulation.bands")  # and with it what weighs
        importlib.import_module("unbreakable.simulation.evaluate").universes()
    except BaseException as error:
        _stage = _Stage.ABSENT  # it is tried again when the next plan is wanted
        if not isinstance(error, ImportError):
            raise
        if not _is_told:  # by who does our chores, and not with each plan
            _is_told = True
            raise ImportError(in_words(error)) from error
    else:
        _stage = _Stage.HERE


def in_words(error: ImportError, what: str = "strategies are weighed") -> str:
    """Return what it means that numpy, or a part of it, cannot be imported; *what* is done with it."""
    return f"{what} with numpy, which cannot be imported here ({error}); install it anew"


def _after_fork() -> None:
    global _stage  # noqa: PLW0603
    if _stage is _Stage.COMING:  # the thread that was to fetch it is the parent's
        _stage = _Stage.ABSENT


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
