"""What a system knows and what it is at survives a restart, and can be read by others."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner

import unbreakable as ub
from unbreakable.cli.main import main
from unbreakable.errors import NotSent, StateOwned
from unbreakable.observe import latest_stories

pytestmark = pytest.mark.real

SOON = 0.01


async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251 - real files, and nothing is waited for


def test_what_was_learned_is_there_after_a_restart(tmp_path):
    """A system on the same state begins with what the last one knew."""

    async def story(calls: int):
        async with ub.QuantumSystem(tmp_path / "state") as system:
            node = ub.FractalNode("partner", effects="none")
            workflow = await system.create_quantum_workflow(
                "w", nodes=[node], workflow=[ub.Step("use", lambda ctx: ctx.nodes["partner"].execute(lambda: None))]
            )
            before = node.get_status().plan["observations"]
            for _ in range(calls):
                await workflow.run_once()
            return before, system.get_system_status().global_knowledge

    first, knowledge = asyncio.run(story(60))
    assert (0, 120) == (first, knowledge.learnings)

    before, later = asyncio.run(story(0))
    assert 40 <= before
    assert 120 == later.learnings


class Journey:
    """Two steps, of which the second waits as long as the partner is blocked."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.blocked, self.waits = True, False
        self.steps = [ub.Step("first", self.first), ub.Step("second", self.second)]

    async def first(self, ctx: ub.Context) -> str:
        self.done.append("first")
        return "a"

    async def second(self, ctx: ub.Context) -> str:
        if self.blocked:
            self.waits = True
            await asyncio.Event().wait()
        self.done.append("second")
        return "b"

    async def crash(self, state) -> None:
        """Leave a run in the middle, as a crash would: nothing is undone, nothing is said."""
        system = ub.QuantumSystem(state)
        workflow = await system.create_quantum_workflow("w", workflow=self.steps, grace=0.0, effects="idempotent")
        task = asyncio.ensure_future(workflow.run_once({"n": 1}, run_id="r1"))
        while not self.waits:  # for then the end of the first step is written down
            await nap(SOON)
        for place in workflow.parts.orchestrator._places():
            place.task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await system.aclose(0.0)

    async def restart(self, state):
        """Return what was pending, how many runs committed, and the results of the first one."""
        async with ub.QuantumSystem(state) as system:
            workflow = await system.create_quantum_workflow(
                "w", workflow=self.steps, effects="idempotent", max_iterations=1
            )
            pending = [run.run_id for run in workflow.pending()]
            workflow.start()
            await workflow.wait()
            return pending, workflow.get_status().runs["committed"], (await workflow.run_once(run_id="r1")).results


def test_unfinished_runs_are_taken_up_by_the_next_system(tmp_path):
    """A run that was left in the middle is gone on with by the first iteration; what was done is not done again."""
    journey = Journey()
    asyncio.run(journey.crash(tmp_path))
    journey.blocked = False
    pending, committed, results = asyncio.run(journey.restart(tmp_path))

    assert (["r1"], 2, {"first": "a", "second": "b"}) == (pending, committed, results)
    assert ["first", "second", "first", "second"] == journey.done


def test_a_state_belongs_to_one_process(tmp_path):
    """A second process is told who has it."""
    import subprocess
    import sys

    code = f"import unbreakable as ub; s = ub.QuantumSystem({str(tmp_path)!r}); print('open', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert "open" == child.stdout.readline().strip()
        with pytest.raises(StateOwned, match=f"process {child.pid}"):
            ub.QuantumSystem(tmp_path)
    finally:
        child.communicate("\n")


async def _told(place, node, operation, steps):
    async with ub.QuantumSystem(place) as system:
        workflow = await system.create_quantum_workflow("w", nodes=[node], workflow=steps)
        await workflow.run_once()
        return await node.execute(operation)


def test_stories_and_status_can_be_read_by_others(tmp_path, steps):
    """What failed, and how everything stands, is in the state file for other processes."""
    from unbreakable.observe import latest_snapshot, latest_stories, story_of

    node = ub.FractalNode("partner", retry=False)

    async def fails() -> None:
        raise LookupError("nothing there")

    outcome = asyncio.run(_told(tmp_path, node, fails, steps))
    story = story_of(tmp_path, outcome.id)
    assert story is not None
    assert ("partner", "failed") == (story.node, story.status)
    assert "nothing there" in story.text
    assert outcome.id in [each.id for each in latest_stories(tmp_path, 10)]
    snapshot = latest_snapshot(tmp_path)
    assert snapshot is not None
    assert 1 == snapshot.status["total_loops"]


def test_the_note_of_an_exception_names_the_story(tmp_path):
    """Whoever sees the traceback finds the id under which the story is told."""
    from unbreakable.observe import story_of

    @ub.protect("partner", retry=False)
    def fails() -> None:
        raise LookupError("nothing there")

    with ub.QuantumSystem(tmp_path) as system:
        system.adopt(fails)
        with pytest.raises(LookupError) as caught:
            fails()
    outcome = caught.value.__notes__[0].rpartition("outcome ")[2]

    assert "nothing there" in story_of(tmp_path, outcome).text


def test_a_system_makes_a_folder_that_was_deleted_again(tmp_path):
    """Not a file by the folder's name, and its workflow goes on."""
    import shutil

    folder = tmp_path / "state"
    with ub.QuantumSystem(folder) as system:
        shutil.rmtree(folder)
        workflow = system.create_quantum_workflow_sync("w", workflow=[ub.Step("a", lambda: None)])
        assert workflow.run_once_sync(run_id="r").ok
        assert system.flush()

    assert (folder / "runs.db").is_file()


def test_a_loop_that_is_no_workflow_s_is_explained_too(tmp_path):
    """Whoever makes a loop with the system's engine finds the story of a healed iteration."""
    tokens = ["stale"]

    def work():
        if tokens[-1] == "stale":
            raise PermissionError("stale")

    with ub.QuantumSystem(tmp_path / "state") as system:
        loop = system.loops.create_loop(work, name="mine", interval=0.0, max_iterations=1, effects="idempotent")
        loop.node.remedy(PermissionError)(lambda failure: tokens.append("fresh"))
        loop.start()
        loop.wait_sync()

    assert [("mine", "healed")] == [(each.node, each.status) for each in latest_stories(tmp_path / "state", 10)]


def test_a_flush_lets_the_nodes_learn_first():
    """What has piled up is in the memory, before any of them closes."""
    memory = ub.LocalMemory()
    with ub.QuantumSystem(memory=memory) as system:
        node = ub.FractalNode("n", memory=memory)
        system.adopt(node)
        node.execute_sync(lambda: None)
        assert memory.get("n") is None

        assert system.flush()
        assert memory.get("n") is not None


def test_the_story_of_a_run_doubts_only_what_is_in_doubt(tmp_path):
    """A step that was provably not begun, or that reported failure, is told as that; a fallback's answer is doubted."""

    def fail():
        raise ValueError("no room")

    def run(system, operation, **more):
        steps = [ub.Step("a", operation), ub.Step("b", fail, depends_on=["a"])]
        with system.create_quantum_workflow_sync("w", workflow=steps, retry=False, **more) as workflow:
            return workflow.run_once_sync().run_id

    def refuse():
        raise NotSent("the partner is down")

    with ub.QuantumSystem(tmp_path / "state") as system:
        ids = [run(system, refuse), run(system, fail), run(system, refuse, fallback=lambda failure: None)]

    told = [CliRunner().invoke(main, ["explain", one, "--state", str(tmp_path / "state")]).output for one in ids]
    assert "a not_begun: NotSent: the partner is down" in told[0]
    assert "a failed: ValueError: no room" in told[1]
    assert "a done (uncertain)" in told[2]
