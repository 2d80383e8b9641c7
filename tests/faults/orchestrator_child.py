"""A process that carries runs over a world which counts effects, and dies at a chosen moment."""

from __future__ import annotations

import asyncio
import gc
import hashlib  # noqa: F401 - once here, and not in each of hundreds of forked processes
import itertools
import json
import os
import resource
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from unbreakable.errors import UnbreakableError
from unbreakable.nodes import OrchestratorNode
from unbreakable.runtime import run_blocking
from unbreakable.storage import connection  # noqa: F401 - the same
from unbreakable.storage.sqlite import StateFile
from unbreakable.workflows import (
    RunResult,
    Step,
    table,  # noqa: F401 - the same
)

STEPS = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


class Moments:
    """Count the moments at which a process may die, and die at the one that was chosen."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.passed = fatal, itertools.count()

    def pass_one(self) -> None:
        if next(self.passed) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class World:
    """A partner outside: each line of its file is something that was done to it."""

    def __init__(self, path: Path, moments: Moments) -> None:
        self.path, self.moments = path, moments

    def act(self, what: str, key: str) -> None:
        self.moments.pass_one()
        with self.path.open("a") as file:
            file.write(f"{what} {key}\n")
        self.moments.pass_one()

    @staticmethod
    def lines(path: Path) -> list[list[str]]:
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    @staticmethod
    def standing(path: Path) -> dict[str, bool]:
        """Return by key whether what was done still stands; doing it again under the same key changes nothing."""
        standing: dict[str, bool] = {}
        for what, key in World.lines(path):
            standing[key] = what == "do"
        return standing


def steps(world: World, failing: str | None, is_async: bool) -> list[Step]:
    """Return a diamond of steps that act on *world*; *failing* raises after it acted."""

    def operation(id: str) -> Any:
        async def do(ctx: Any) -> str:
            world.act("do", ctx.idempotency_key)
            if id == failing:
                raise ValueError(id)
            return id.upper()

        return do if is_async else lambda ctx: run_blocking(do(ctx))

    def compensation(ctx: Any) -> None:
        world.act("undo", ctx.state["step_key"])

    return [Step(id, operation(id), depends_on=needs, compensate=compensation) for id, needs in STEPS.items()]


def carry(folder: Path, fatal: int, failing: str | None, effects: Any, is_async: bool) -> RunResult:
    """Run, or go on with, the one run of *folder*; die at the moment *fatal*."""
    moments = Moments(fatal)
    write = StateFile.write

    def watched(self: StateFile, statements: Any) -> None:
        moments.pass_one()
        write(self, statements)
        moments.pass_one()

    StateFile.write = watched  # type: ignore[method-assign]
    orchestrator = OrchestratorNode(state=folder / "runs.db", effects=effects, retry=False)
    workflow = steps(World(folder / "world", moments), failing, is_async)
    orchestrate = orchestrator.orchestrate(workflow, run_id="r") if is_async else None
    result = asyncio.run(orchestrate) if orchestrate else orchestrator.orchestrate_sync(workflow, run_id="r")
    orchestrator.aclose_sync()
    return result


def in_a_process_of_its_own(folder: Path, *how: Any) -> str | None:
    """Carry the run in a forked process; return its status, None if it died."""
    pid = os.fork()
    if pid == 0:
        result = carry(folder, *how)
        (folder / "result").write_text(json.dumps(result.to_dict()))
        os._exit(0)
    _, ended = os.waitpid(pid, 0)
    if os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL:
        return None
    assert ended == 0, ended
    return str(json.loads((folder / "result").read_text())["status"])


def matrix(
    folder: Path, failing: str | None, effects: str, is_async: bool, twice: list[int] | None
) -> list[dict[str, Any]]:
    """Let the process die at every moment there is and look what stands.

    With *twice*, at one of so many, and the process after it at one of so many.
    """
    found = []
    gc.freeze()  # what all these processes share is copied for none of them
    strides = twice or (1, 1)
    for first in itertools.count(0, strides[0]):
        for second in itertools.count(0, strides[1]) if twice else [-1]:
            place = folder / f"{first}-{second}"
            place.mkdir(parents=True)
            fatal = (first, second) if twice else (first,)
            deaths = [in_a_process_of_its_own(place, moment, failing, effects, is_async) for moment in fatal]
            status = in_a_process_of_its_own(place, -1, failing, effects, is_async)
            lines = World.lines(place / "world")
            in_a_process_of_its_own(place, -1, failing, effects, is_async)
            found.append(
                {
                    "moments": (first, second),
                    "died": deaths.count(None),
                    "status": status,
                    "standing": World.standing(place / "world"),
                    "done": [key for what, key in lines if what == "do"],
                    "quiet": lines == World.lines(place / "world"),
                    "ledger": json.loads((place / "result").read_text())["ledger"],
                }
            )
            if not twice or deaths[1] is not None:
                break
        if deaths[0] is not None:
            return found
    return found


def crowd(folder: Path, runs: int) -> None:
    """Carry many runs at once, and print the id of each that was acknowledged."""
    world = World(folder / "world", Moments(-1))

    async def carry_all() -> None:
        async with OrchestratorNode(state=folder / "runs.db", effects="idempotent") as orchestrator:
            workflow = steps(world, None, True)

            async def one(number: int) -> None:
                result = await orchestrator.orchestrate(workflow, {"number": number}, run_id=f"r{number}")
                os.write(1, f"{result.run_id} {result.status}\n".encode())

            for pending in orchestrator.pending():
                await orchestrator.orchestrate(workflow, run_id=pending.run_id)
            await asyncio.gather(*(one(number) for number in range(runs)))

    asyncio.run(carry_all())


def hold(folder: Path) -> None:
    """Hold the state file until somebody ends this process, with a forked child that outlives it."""
    orchestrator = OrchestratorNode(state=folder / "runs.db")
    orchestrator.pending()
    owner = os.getpid()
    if os.fork() == 0:
        os.write(1, f"{owner} {os.getpid()}\n".encode())
    time.sleep(30)
    os._exit(0)


def fork(folder: Path) -> None:
    """Print what a forked child is answered that uses what its parent holds, then what the parent can still do."""
    orchestrator = OrchestratorNode(state=folder / "runs.db")
    workflow = [{"id": "a", "operation": lambda: 1}]
    orchestrator.orchestrate_sync(workflow, run_id="before")
    file = orchestrator._open()[0].file  # type: ignore[attr-defined]
    pid = os.fork()
    if pid == 0:
        try:
            for question in (orchestrator.pending, lambda: file.read("SELECT 1"), lambda: file.write([])):
                os.write(1, f"{answer(question)} ".encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    after = orchestrator.orchestrate_sync(workflow, run_id="after")
    os.write(1, f"{after.status} {orchestrator.orchestrate_sync(workflow, run_id='before').status}".encode())


def answer(question: Any) -> str:
    try:
        question()
    except UnbreakableError as error:
        return type(error).__name__
    return "done"


class StepAtWork:
    """An orchestrator with a run in a thread of its own, whose step is at work until it is released."""

    def __init__(self, folder: Path) -> None:
        self.began, self.released = threading.Event(), threading.Event()
        self.orchestrator = OrchestratorNode(state=folder / "runs.db")
        self.workflow = [{"id": "a", "operation": self.work}, {"id": "b", "operation": lambda: "b"}]
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()
        self.began.wait()

    def work(self) -> str:
        os.write(1, b"begun\n")
        self.began.set()
        self.released.wait()
        return "a"

    def carry(self) -> None:
        os.write(1, f"{answer(partial(self.orchestrator.orchestrate_sync, self.workflow, run_id='r'))}\n".encode())

    def release(self) -> None:
        self.released.set()
        self.thread.join()


def leave(folder: Path) -> None:
    """Close over a step at work when SIGTERM comes; the step ends when a line is read."""
    at_work, asked = StepAtWork(folder), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    os.write(1, b"ready\n")
    while not asked.wait(0.01):
        pass
    at_work.orchestrator.aclose_sync(grace=0.0)
    os.write(1, b"closed\n")
    sys.stdin.readline()
    at_work.release()


def fork_at_work(folder: Path) -> None:
    """Fork while a step is at work, and print what the child is answered that asks for the run when it has ended."""
    at_work, (ended, end) = StepAtWork(folder), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.read(ended, 1)
            os.write(
                1, f"{answer(partial(at_work.orchestrator.orchestrate_sync, at_work.workflow, run_id='r'))}".encode()
            )
        finally:
            os._exit(0)
    at_work.release()
    at_work.orchestrator.aclose_sync()
    os.write(end, b".")
    os.waitpid(pid, 0)


def small(folder: Path) -> None:
    """Print the ids of the runs that are acknowledged until the file may not grow any more, then the trouble."""
    orchestrator = OrchestratorNode(state=folder / "runs.db")
    orchestrator.pending()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    for number in range(10_000):
        workflow = [{"id": "a", "operation": lambda: "x" * 1_000}]
        said = answer(partial(orchestrator.orchestrate_sync, workflow, run_id=f"r{number}"))
        os.write(1, f"r{number} ".encode() if said == "done" else said.encode())
        if said != "done":
            break


if __name__ == "__main__":
    verb, where, *rest = sys.argv[1:]
    match verb:
        case "matrix":
            options = json.loads(rest[0])
            sys.stdout.write(json.dumps(matrix(Path(where), **options)))
        case "crowd":
            crowd(Path(where), int(rest[0]))
        case _:
            verbs = {"hold": hold, "fork": fork, "fork_at_work": fork_at_work, "leave": leave, "small": small}
            verbs[verb](Path(where))
