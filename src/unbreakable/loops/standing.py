"""How a supervisor and its worker stand, for whoever asks: a service manager, a load balancer, a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from unbreakable.runtime import BLOCKING

LATE = 5.0  # seconds without a turn of the supervisor after which it is held to stand still


@dataclass(slots=True)
class Standing:
    """Hold what is known now; the supervisor writes it, in one thread, and others read it.

    ``worker`` is the process number, 0 when there is none; ``loops`` how many go on in it, None when it cannot tell;
    ``failing`` and ``surviving`` how many of them fail, and are in survival mode; ``ended`` counts the iterations that
    have ended there, when somebody asks.  ``trouble`` says why it is about to be replaced, or why there is no worker.
    """

    worker: int = 0
    loops: int | None = 0
    failing: int | None = 0
    surviving: int | None = 0
    ended: Callable[[], int] = int
    restarts: int = 0
    trouble: str = ""
    is_ending: bool = False
    has_started: bool = False  #: whether loops have ever gone on
    looked_at: float = field(default_factory=lambda: BLOCKING.now())  # noqa: PLW0108 - a test has a time of its own

    def look(
        self,
        worker: int,
        loops: int | None,
        ended: Callable[[], int],
        ailing: tuple[int | None, int | None] = (0, 0),
    ) -> None:
        """Take note of how the worker stands now."""
        self.worker, self.loops, self.ended, self.trouble = worker, loops, ended, ""
        self.failing, self.surviving = ailing
        self.has_started = self.has_started or self.is_ready
        self.looked_at = BLOCKING.now()

    def lose(self, trouble: str) -> None:
        """Take note that there is no worker, or will soon be none."""
        self.trouble, self.looked_at = trouble, BLOCKING.now()

    @property
    def is_ready(self) -> bool:
        """Whether loops go on in a worker that nobody is about to end."""
        return bool(self.worker) and self.loops != 0 and not (self.trouble or self.is_ending)

    def answers(self, now: float) -> dict[str, str]:
        """Return for each question (livez, readyz, startupz) what stands against a yes; nothing, if nothing does."""
        late = now - self.looked_at
        not_ready = self.trouble or "it is ending" * self.is_ending or "no loop goes on yet" * (not self.is_ready)
        return {
            "livez": f"the supervisor has had no turn for {late:.3g} s" if late > LATE else "",
            "readyz": not_ready,
            "startupz": "" if self.has_started else not_ready or "no loop goes on yet",
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        known = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "looked_at"}
        return {**known, "ended": self.ended()}
