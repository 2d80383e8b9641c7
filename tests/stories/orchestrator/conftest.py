"""A stage on which a workflow's story is played in each colour, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from unbreakable.errors import RunUnfinished
from unbreakable.events import Event
from unbreakable.nodes import OrchestratorNode
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import VirtualClock, virtual_time
from unbreakable.workflows import RunResult, Step


class Stage:
    """Let one story be told in each colour; what differs between them is here."""

    def __init__(self, colour: str, clock: VirtualClock) -> None:
        self.is_async, self.clock = colour == "async", clock
        self.runtime = ASYNCIO if self.is_async else BLOCKING
        self.story: list[tuple[float, str]] = []  #: what happened, and when
        self.contexts: dict[str, Any] = {}  #: the last context by step, and by "undo step"
        self.opened: list[OrchestratorNode] = []

    def orchestrator(self, *args: Any, **settings: Any) -> OrchestratorNode:
        """Return one that is closed when the story is over."""
        self.opened.append(OrchestratorNode(*args, **settings))
        return self.opened[-1]

    def step(
        self, id: str, *needs: str, seconds=1.0, fails=(), undo_fails=(), undo=True, value=None, **settings
    ) -> Step:
        """Return a step that takes its time, raises or does what is in *fails* first, returns its id in capitals."""
        operation = self.act(id, seconds, list(fails), id.upper() if value is None else value)
        compensate = self.act(f"undo {id}", 0.1, list(undo_fails), None) if undo else None
        return Step(id, operation, depends_on=needs, compensate=compensate, **settings)

    def act(self, what: str, seconds: float, fails: list[Any], value: Any) -> Any:
        """Return a function of the stage's colour that tells the story of being called."""

        async def work(ctx: Any) -> Any:
            self.contexts[what] = ctx
            self.note(what)
            await self.runtime.sleep(seconds)
            if fails:
                trouble = fails.pop(0)
                if not callable(trouble):
                    raise trouble
                trouble()
                await self.runtime.sleep(1.0)
            self.note(f"{what} done")
            return value

        return work if self.is_async else lambda ctx: run_blocking(work(ctx))

    def note(self, what: str) -> None:
        self.story.append((round(self.clock.now(), 2), what))

    def heard(self) -> list[str]:
        """Return what happened, without the moments."""
        return [what for _, what in self.story]

    def run(self, orchestrator: OrchestratorNode, *args: Any, **settings: Any) -> RunResult:
        """Orchestrate in the stage's colour."""
        if self.is_async:
            return asyncio.run(orchestrator.orchestrate(*args, **settings))
        return orchestrator.orchestrate_sync(*args, **settings)

    def events(self, orchestrator: OrchestratorNode) -> list[Event]:
        """Return the list that gets all events of the orchestrator's own from now on."""
        told: list[Event] = []
        orchestrator.on(Event, lambda event: told.append(event) if event.node == orchestrator.name else None)
        return told


@pytest.fixture(params=["async", "sync"])
def stage(request):
    """Set a stage in each colour."""
    with virtual_time() as clock:
        stage = Stage(request.param, clock)
        yield stage
        for orchestrator in stage.opened:
            orchestrator.aclose_sync()


@pytest.fixture
def sync_stage():
    """Set a stage for what only sync code can do."""
    with virtual_time() as clock:
        stage = Stage("sync", clock)
        yield stage
        for orchestrator in stage.opened:
            orchestrator.aclose_sync()


@pytest.fixture
def async_stage():
    """Set a stage for what only async code can do."""
    with virtual_time() as clock:
        stage = Stage("async", clock)
        yield stage
        for orchestrator in stage.opened:
            orchestrator.aclose_sync()


@pytest.fixture(params=["memory", "file"])
def state(request, tmp_path):
    """Keep runs in each place."""
    return None if request.param == "memory" else tmp_path / "runs.db"


@pytest.fixture
def leave(async_stage, tmp_path):
    """Begin a run and leave it after some seconds, as the end of a process would; return a new orchestrator."""

    def left(steps, seconds, context=None, **settings):
        async def story():
            first = async_stage.orchestrator(state=tmp_path, grace=0.0, **settings)
            run = asyncio.ensure_future(first.orchestrate(steps, context, run_id="r", workflow="Booking"))
            await ASYNCIO.sleep(seconds)
            await first.aclose()
            with pytest.raises(RunUnfinished):
                await run

        asyncio.run(story())
        async_stage.story.clear()
        return async_stage.orchestrator(state=tmp_path, **settings)

    return left
