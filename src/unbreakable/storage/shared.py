"""Everybody in a process who names the same state file gets the same connection."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import stat
from collections import Counter
from pathlib import Path

from unbreakable.errors import ConfigurationError
from unbreakable.lock import new_lock
from unbreakable.storage.sqlite import Durability, StateFile
from unbreakable.storage.turn import in_use, when_out

URL = "sqlite:///"  # before a path, which is relative unless a fourth slash follows

_files: dict[Path, StateFile] = {}
_users: Counter[StateFile] = Counter()
_opening: set[Path] = set()  # what is being opened, by whoever has the lock
_lock = new_lock()  # a handler of signals may close what its thread is just opening


def settled(state: str | os.PathLike[str]) -> Path:
    """Return the file or folder that *state* means here and now, wherever the program goes afterwards.

    Raises ConfigurationError for what is neither a path nor the URL of one, and for links that go round.
    """
    text = state if isinstance(state, str) else os.fspath(state) if isinstance(state, os.PathLike) else None
    named = text.removeprefix(URL) if isinstance(text, str) else ""
    if not named or "\0" in named or "://" in named or named.startswith("file:") or (named != text and no_file(named)):
        raise ConfigurationError(f"state: expected the path of a file or folder, found {state!r}")
    try:
        return Path(named).expanduser().resolve()
    except RuntimeError as error:  # until Python 3.12
        raise ConfigurationError(f"state: {named} leads nowhere: {error}") from error


def no_file(named: str) -> bool:
    """Return whether SQLite's URL names what is no file, or says more than its path."""
    return named.startswith(":") or "?" in named


def place_of(state: str | os.PathLike[str]) -> Path:
    """Return the file that *state* means; a folder means ``runs.db`` in it.

    Raises ConfigurationError for what is not a path, or that of a pipe or a device: SQLite may wait for it for ever.
    """
    path = settled(state)
    place = path / "runs.db" if path.is_dir() else path
    if _is_odd(place):
        raise ConfigurationError(f"state: {place} is neither a file nor a folder")
    return place


def _is_odd(place: Path) -> bool:
    """Return whether there is something that is neither a file nor a folder, for all that can be seen."""
    with contextlib.suppress(OSError):
        mode = place.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


def open_state(state: str | os.PathLike[str], durability: Durability = "process") -> StateFile:
    """Return the file's one connection in this process; give it back with ``close_state``.

    In place of a file that was deleted or replaced under its users there is a new one for whoever opens it from then
    on, so that each of them decides what to write there anew.  Raises StateInUse in a handler of signals that
    interrupted this very thread as it opened the file.
    """
    path = place_of(state)
    with _lock:
        if path in _opening:
            raise in_use(str(path))
        try:
            _opening.add(path)
            file = _opened(path, durability)
            _users[file] += 1
        finally:
            _opening.discard(path)
        return file


def _opened(path: Path, durability: Durability) -> StateFile:
    file = _files.get(path)
    if file is None or file.is_gone:
        owner = None if file is None else _files.pop(path).abandon()
        file = _files[path] = StateFile(path, durability, owner)
    else:
        file.strengthen(durability)
    return file


def share_state(file: StateFile) -> None:
    """Count one more user of *file*, which somebody has open; each gives it back with ``close_state``."""
    with _lock:
        _users[file] += 1


def close_state(file: StateFile) -> None:
    """Give *file* back; the last one closes it, a signal's handler as soon as what it interrupted is over."""
    when_out(functools.partial(_close, file))


def _close(file: StateFile) -> None:
    with _lock:
        if not _users[file]:
            return
        _users[file] -= 1
        if _users[file]:
            return
        del _users[file]
        if _files.get(file.path) is file:
            del _files[file.path]
        file.close()


def _forget_all() -> None:
    """Leave every file to the parent process; in a forked child it has to be opened anew."""
    for file in _users:
        file.forget()
    _files.clear()
    _users.clear()
    _opening.clear()


def _close_what_is_gone() -> None:
    """Close, when the program ends, what nobody has closed and the end would leave with its log beside a successor."""
    for file in list(_users):
        if file.is_gone:
            file.close()


atexit.register(_close_what_is_gone)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
