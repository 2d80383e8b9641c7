"""What was done in a call, step by step, and how long each step took."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from unbreakable.outcome import Operation, Stage, Trace

STAGES: dict[str, tuple[str, str, str]] = {
    "try.validate": ("check_input", "check_state", "prepare"),
    "try.execute": ("acquire", "call", "capture"),
    "try.verify": ("check_shape", "assess_quality", "accept"),
    "heal.diagnose": ("classify", "sign", "find_cause"),
    "heal.fix": ("recall", "choose", "apply"),
    "heal.retry": ("pace", "reattempt", "confirm"),
    "learn.store": ("record", "persist", "share"),
    "learn.patterns": ("aggregate", "detect_drift", "predict"),
    "learn.optimize": ("tune", "plan", "publish"),
}

IN_THE_BACKGROUND = tuple(
    f"{stage}.{name}"
    for stage, names in STAGES.items()
    if stage.startswith("learn.")
    for name in names
    if name != "record"
)

# What did not run is the same in all calls: most do a third of what there is.
_IDLE = {
    stage: [(f"{stage}.{name}", Operation(name=name, ran=False, seconds=0.0)) for name in names]
    for stage, names in STAGES.items()
}
MOST_LINES = 60
UNTIMED: AbstractContextManager[None] = nullcontext()


class Story:
    """Take notes during one call in plain words; of the plain form, which nobody asks how long each step took."""

    __slots__ = ("lines", "now", "remedies", "started", "trouble")

    def __init__(self, now: Callable[[], float], started: float) -> None:
        self.now, self.started = now, started
        self.lines: list[str] = []
        self.remedies: list[str] = []
        self.trouble: str | None = None  #: the latest failed attempt's error in one line

    def doing(self, path: str) -> AbstractContextManager[None]:
        """Return a block of one sub-operation."""
        return UNTIMED

    def did(self, path: str, seconds: float = 0.0) -> None:
        """Be told that a sub-operation ran."""

    def tell(self, line: str, at: float | None = None) -> None:
        """Add a line to the story, with the time since the call began; after 60 lines only the last is replaced.

        It is of the moment *at*, None for now.
        """
        line = f"{(self.now() if at is None else at) - self.started:.3f} s  {line}"
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)
        else:
            self.lines[-1] = f"{line}  (lines before it left out)"

    def close(self) -> Trace:
        """Return the story."""
        return Trace(stages=(), background=(), story=tuple(self.lines))


class Notebook(Story):
    """Take notes during one call: seconds by sub-operation, and the story in plain words."""

    __slots__ = ("seconds",)

    def __init__(self, now: Callable[[], float], started: float) -> None:
        super().__init__(now, started)
        self.seconds: dict[str, float] = {}

    def doing(self, path: str) -> Page:
        """Return a block whose time counts for the sub-operation at *path*, such as ``"heal.fix.apply"``."""
        return Page(self, path)

    def did(self, path: str, seconds: float = 0.0) -> None:
        """Note that the sub-operation at *path* ran for *seconds*."""
        self.seconds[path] = self.seconds.get(path, 0.0) + seconds

    def close(self) -> Trace:
        """Return everything noted, in order."""
        stages = tuple(
            Stage(name=stage, operations=tuple(self._known(path, idle) for path, idle in operations))
            for stage, operations in _IDLE.items()
        )
        return Trace(stages=stages, background=IN_THE_BACKGROUND, story=tuple(self.lines))

    def _known(self, path: str, idle: Operation) -> Operation:
        seconds = self.seconds.get(path)
        return idle if seconds is None else Operation(name=idle.name, ran=True, seconds=seconds)


class Page(AbstractContextManager[None]):
    """One block of one sub-operation."""

    __slots__ = ("book", "path", "started")

    def __init__(self, book: Notebook, path: str) -> None:
        self.book, self.path, self.started = book, path, 0.0

    def __enter__(self) -> None:
        self.started = self.book.now()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.book.did(self.path, self.book.now() - self.started)
