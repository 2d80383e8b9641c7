"""One run of a workflow as its state file tells it, for people who ask what became of it."""

from __future__ import annotations

import os
from typing import Any

from unbreakable.record import Record
from unbreakable.storage.lookup import look_up

RUN = "SELECT id, workflow, turned_back, status, error, begun, ended FROM run WHERE id = ?"
STEPS = "SELECT id, state, certain, error, changed FROM step WHERE run = ? ORDER BY changed"


class StepTold(Record):
    """Say what is known of one step; *changed* is seconds since 1970."""

    id: str
    state: str
    certain: bool
    error: str | None
    changed: float


class RunTold(Record):
    """Say what is known of one run; moments are seconds since 1970, ``status`` is None while it has not ended."""

    id: str
    workflow: str
    turned_back: bool
    status: str | None
    error: str | None
    begun: float
    ended: float | None
    steps: tuple[StepTold, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {**vars(self), "steps": [dict(vars(step)) for step in self.steps]}


def run_of(state: str | os.PathLike[str], run_id: str) -> RunTold | None:
    """Return the run of that id, None when none is kept; raise StateError without a readable file."""
    rows = look_up(state, RUN, run_id)
    if not rows:
        return None
    run, workflow, turned_back, status, error, begun, ended = rows[0]
    steps = tuple(
        StepTold(id=step, state=how, certain=bool(certain), error=why, changed=changed)
        for step, how, certain, why, changed in look_up(state, STEPS, run_id)
    )
    return RunTold(
        id=run, workflow=workflow, turned_back=bool(turned_back), status=status, error=error, begun=begun, ended=ended,
        steps=steps,
    )  # fmt: skip
