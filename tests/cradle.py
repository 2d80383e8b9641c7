"""A Python that has loaded the library already: who asks it gets a process forked from it; see tests.nursery.

What it forks is what Python would start: the program is `__main__` and sees the arguments, environment, folder and
files that were asked for; what it raises is told, and its process ends, as by itself.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import unbreakable

LOADED = (
    "numpy",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "unbreakable.cli.main",
    "unbreakable.cli.run",
    "unbreakable.cli.worker",
    "unbreakable.loops.canary",
    "unbreakable.nodes.database.session",
    "unbreakable.storage.connection",
    "unbreakable.workflows.table",
)

_shared: dict[str, types.ModuleType] = {}

Order = dict[str, Any]


def serve(connection: socket.socket) -> Order:
    """Load all that any may need, then fork a process for each order; return the order in that process."""
    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the tests, and for whom they send it
    signal.signal(signal.SIGCHLD, lambda *_: None)
    bell, rope = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(rope, False)
    signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
    reports: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([connection, bell], [], [])
        with contextlib.suppress(BlockingIOError):
            os.read(bell, 4096)
        _report_the_dead(reports)
        if connection in ready:
            order, files = _next_order(connection)
            child = os.fork()
            if child == 0:
                _settle(order, files)
                return order
            report = reports[child] = files.pop()
            os.write(report, f"{child}\n".encode())
            for each in files:
                os.close(each)


def _load() -> None:
    """Load all that any may need, to be shared by all, and to stay as it is."""
    atexit.register(_spare_the_loaded)  # the first one is the last to be called
    for name in LOADED:
        import_module(name)
    for name in unbreakable.__all__:
        getattr(unbreakable, name)
    _shared.update(sys.modules)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_shared))  # for ever
    gc.collect()
    gc.freeze()


def _spare_the_loaded() -> None:
    """Let Python, at its end, take nothing apart that was there before the fork: that takes longer than most tests."""
    for name, module in _shared.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


def _next_order(connection: socket.socket) -> tuple[Order, list[int]]:
    """Return what is to be run, and the files: input, output, errors, report; end when nobody is there any more."""
    head, files, _, _ = socket.recv_fds(connection, 8, 4)
    if not head:
        os._exit(0)
    left, parts = int.from_bytes(head), []
    while left:
        parts.append(connection.recv(left))
        left -= len(parts[-1])
    order: Order = json.loads(b"".join(parts))
    return order, list(files)


def _report_the_dead(reports: dict[int, int]) -> None:
    while reports:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        report = reports.pop(child)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it
            os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(report)


def _settle(order: Order, files: Sequence[int]) -> None:
    """Make a forked process what a new one is."""
    _forget_signals()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["start_new_session"]:
        os.setsid()
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, 2**16)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    _open_streams()
    _be_called([*order["called"], *order["words"]])


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python does when it starts


def _open_streams() -> None:
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115 - as Python does
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1 if at_once else -1, closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _be_called(words: Sequence[str]) -> None:
    """Have who lists processes see *words*, where Linux shows the memory that this process was given its own in."""
    if sys.platform != "linux":
        return
    begin, end = map(int, Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[45:47])
    room = end - begin
    told = b"".join(os.fsencode(word) + b"\0" for word in words)[: room - 1]
    ctypes.memmove(begin, told.ljust(room, b"\0"), room)


# ── the program ─────────────────────────────────────────────────────────────────────────────


def become(words: Sequence[str], own: Sequence[str]) -> None:
    """Do what Python does that is called with these words; *own* is where it finds modules of its own."""
    words = _without_filters(words)
    safe = words[0] == "-P"
    option, *arguments = words[safe:]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    if option == "-c":
        called, first = ["-c", *arguments[1:]], ""
        program: Callable[[], object] = partial(exec, compile(arguments[0], "<string>", "exec"), main.__dict__)
    elif option == "-m":
        called, first = ["-m", *arguments[1:]], str(Path.cwd())
        program = partial(import_module("runpy")._run_module_as_main, arguments[0])
        if arguments[0] == "unbreakable":
            _fork_workers()
    elif option.startswith("-"):
        raise ValueError(f"{option} is for a Python of its own")
    else:
        called, first = [option, *arguments], str(Path(option).resolve().parent)
        main.__file__ = option
        program = partial(exec, compile(Path(option).read_bytes(), option, "exec"), main.__dict__)
    sys.argv[:] = called
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*([] if safe else [first]), *filter(None, places), *own]
    _call(program)


def _without_filters(words: Sequence[str]) -> list[str]:
    """Let the warnings be filtered as is asked for; return the other words."""
    filters = [*filter(None, os.environ.get("PYTHONWARNINGS", "").split(","))]
    words = list(words)
    if words[0] == "-W":
        filters.append(words[1])
        del words[:2]
    for each in filters:
        warnings._setoption(each)  # type: ignore[attr-defined]
    sys.warnoptions[:] = filters
    return words


def _call(program: Callable[[], object]) -> None:
    """Have what it raises told without what stands above it here."""
    try:
        program()
    except BaseException:
        tell = sys.excepthook
        sys.excepthook = lambda kind, error, _: tell(kind, _told(error), error.__traceback__)
        raise


def _told(error: BaseException) -> BaseException:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


# ── the workers of `unbreakable run` ────────────────────────────────────────────────────────


class _Popen(subprocess.Popen[Any]):
    """Start what is asked for, but a worker by a fork of its supervisor, where no code of a user's has run."""

    def __init__(self, words: Sequence[str], **how: Any) -> None:
        from unbreakable.loops.start import CODE

        if list(words[1:3]) == ["-c", CODE] and words[4] == "unbreakable.cli.worker":
            how["preexec_fn"] = partial(_work, words)
        super().__init__(words, **how)


def _fork_workers() -> None:
    subprocess.Popen = _Popen  # type: ignore[misc]


def _work(words: Sequence[str]) -> NoReturn:
    """Do what the command of a worker does, whose library is loaded already."""
    subprocess.Popen = _Popen.__mro__[1]  # type: ignore[misc]
    os.closerange(3, 2**16)  # one of them lets the supervisor go on
    _forget_signals()
    _open_streams()
    _be_called(words)
    sys.modules["__main__"] = types.ModuleType("__main__")
    _python, _, _, _library, module, count, *rest = words
    sys.argv[:] = ["-c", *words[3:]]
    sys.path[:] = rest[int(count) :]
    try:
        import_module(module).main(*rest[: int(count)])
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    ctypes.pythonapi.Py_Exit(code or 0)
    raise AssertionError("it has ended")


if __name__ == "__main__":
    OWN = [*sys.path[1:], sys.path[0]]  # the first one is the library, which an installed one would be behind all
    become(serve(socket.socket(fileno=int(sys.argv[1])))["words"], OWN)
