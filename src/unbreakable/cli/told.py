"""What went wrong in a user's program, told without the frames that are ours."""

from __future__ import annotations

import importlib
import inspect
import logging
import traceback
from asyncio import Task
from collections.abc import Collection
from pathlib import Path
from typing import Any

from unbreakable.cli.saying import complain, put, say
from unbreakable.errors import ConfigurationError, StateError
from unbreakable.outcome import in_one_line
from unbreakable.runtime.eager import Rest

# Where this library is, how it was started, and what it loads programs with.
OURS = (str(Path(__file__).resolve().parents[1]), "<string>", "<frozen importlib", str(Path(importlib.__file__).parent))
LONGEST = 500  # characters of the last line
MOST = 3  # tasks that are named


def tell_of(error: BaseException, file: Path, what: str, *, as_json: bool) -> None:
    """Say *what* has happened and why; where *error* was raised is shown before, unless it says all.

    That is shown from *file*, a whole path, on.
    """
    if isinstance(error, (ConfigurationError, StateError)):
        complain(str(error), as_json=as_json)
    elif isinstance(error, SystemExit):
        code = "" if error.code is None else error.code
        complain(f"{what}: {code if isinstance(code, str) and code else f'sys.exit({code})'}", as_json=as_json)
    else:
        put("".join(_story(error, file)).rstrip("\n"))
        complain(f"{what}: {in_one_line(error, LONGEST)}", as_json=as_json)


class Told(logging.Handler):
    """Say in a line what loops complain of where the program has set up no log, which would tell more."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__(logging.WARNING)
        self.as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        if not logging.getLogger().handlers:
            say(record.getMessage(), as_json=self.as_json)


def said_of(tasks: Collection[Task[Any]]) -> str:
    """Return what *tasks* run, and where they are at it in code that is not ours."""
    said = sorted(map(_said, tasks))
    others = [f"{len(said) - MOST} others"] if len(said) > MOST else []
    return " and ".join([", ".join(said[:MOST]), *others])


def _said(task: Task[Any]) -> str:
    what: Any = task.get_coro()
    while inspect.iscoroutine(what) and what.cr_code.co_filename.startswith(OURS) and what.cr_await is not None:
        what = what.cr_await.coroutine if isinstance(what.cr_await, Rest) else what.cr_await
    frame, name = getattr(what, "cr_frame", None), getattr(what, "__qualname__", task.get_name())
    return name if frame is None else f"{name} at {Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _story(error: BaseException, file: Path) -> list[str]:
    told = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = told
    while part is not None:
        part.stack = traceback.StackSummary.from_list(_theirs(part.stack, file))
        part = part.__cause__ or part.__context__
    return list(told.format())


def _theirs(stack: traceback.StackSummary, file: Path) -> list[traceback.FrameSummary]:
    """Return the frames from the user's file on that are not ours."""
    first = next((number for number, frame in enumerate(stack) if Path(frame.filename) == file), 0)
    return [frame for frame in stack[first:] if not frame.filename.startswith(OURS)]
