"""What `unbreakable run` makes of a main that returns nothing: it runs what main has made and left open."""

from __future__ import annotations

import os
import textwrap

import pytest
from tests.dense import crossed
from tests.faults.test_run_command_asked import effects, ended, running, wait_until

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

ASYNC_WORKFLOW = """
async def main():
    system = ub.QuantumSystem()
    local = await system.create_quantum_workflow("w", interval=0.01, {most}workflow=STEPS)
    {then}
"""
SYNC_WORKFLOW = """
def main():
    local = ub.QuantumSystem().create_quantum_workflow_sync("w", interval=0.01, {most}workflow=STEPS)
    {then}
"""
ASYNC_LOOP = """
async def main():
    local = ub.QuantumLoopEngine().create_loop(note, interval=0.01, {most})
    {then}
"""
SYNC_LOOP = ASYNC_LOOP.replace("async ", "")
WAYS = {
    "a workflow, async": ASYNC_WORKFLOW,
    "a workflow": SYNC_WORKFLOW,
    "a loop, async": ASYNC_LOOP,
    "a loop": SYNC_LOOP,
}


@pytest.mark.parametrize(("way", "then"), crossed(WAYS, ["local.start()", "import gc; del local; gc.collect()"]))
def test_what_main_has_left_open_is_run_to_its_end(tmp_path, way, then):
    """A system or an engine that only a local variable held, started or not, does all that it has to do."""
    code, said = ended(tmp_path, WAYS[way].format(most="max_iterations=30, ", then=then))

    assert (0, 30) == (code, len(effects(tmp_path))), said
    assert 1 == said.count("running main in program.py"), said


@pytest.mark.parametrize("way", WAYS)
def test_what_main_has_left_open_runs_until_it_is_asked_to_end(tmp_path, way):
    """It goes on and on, and ends in good order at SIGTERM."""
    with running(tmp_path, WAYS[way].format(most="", then="local.start()")) as process:
        wait_until(lambda: len(effects(tmp_path)) > 20)
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert 0 == process.returncode, said


@pytest.mark.parametrize("colour", ["", "async "])
def test_all_that_main_has_left_open_is_run(tmp_path, colour):
    """Of several systems and engines none is left out."""
    program = f"""
    def wanting(what, **options):
        return {{"name": what, "interval": 0.01, "max_iterations": 3, **options}}

    {colour}def main():
        one, two, three = ub.QuantumSystem(), ub.QuantumSystem(), ub.QuantumLoopEngine()
        for system, what in ((one, "one"), (two, "two")):
            steps = {{"steps": [{{"id": "note", "operation": lambda what=what: note(what)}}]}}
            system.create_quantum_workflow_sync(**wanting(what, workflow=steps))
        three.create_loop(lambda: note("three"), **wanting("three")).start()
    """
    code, said = ended(tmp_path, textwrap.dedent(program))

    assert (0, ["one", "three", "two"], 9) == (code, sorted(set(effects(tmp_path))), len(effects(tmp_path))), said


CLOSING = {
    "a system, async": """
async def main():
    async with ub.QuantumSystem() as system:
        workflow = await system.create_quantum_workflow("w", workflow=STEPS)
        await workflow.run_once()
""",
    "a system": """
def main():
    with ub.QuantumSystem() as system:
        system.create_quantum_workflow_sync("w", workflow=STEPS).run_once_sync()
""",
    "a system with nothing but a node": """
def main():
    with ub.QuantumSystem() as system:
        ub.FractalNode("once", note, system=system).execute_sync()
""",
    "an engine": """
def main():
    with ub.QuantumLoopEngine() as engine:
        engine.create_loop(lambda: note("never"))
        note()
""",
    "an engine that has run": """
def main():
    engine = ub.QuantumLoopEngine()
    engine.create_loop(note, max_iterations=1)
    engine.run()
""",
}


@pytest.mark.parametrize("program", CLOSING.values(), ids=CLOSING)
def test_a_main_that_closes_what_it_has_made_has_ended(tmp_path, program):
    """It is a program of its own, and done: exit code 0."""
    code, said = ended(tmp_path, program)

    assert (0, ["note"]) == (code, effects(tmp_path)), said
    assert "Error" not in said


@pytest.mark.parametrize(
    "program",
    [
        "def main(): note()",
        "async def main(): note()",
        "system = ub.QuantumSystem()\nasync def main(): note()",
        "KEPT = []\ndef main():\n    KEPT.append(ub.QuantumSystem())\n    note()",
    ],
)
def test_a_main_that_leaves_nothing_to_run_is_told_what_was_expected(tmp_path, program):
    """Silence and exit code 0 would look like a system that is done: exit code 2, and why."""
    code, said = ended(tmp_path, program)

    assert (2, ["note"]) == (code, effects(tmp_path)), said
    assert 1 == said.count("Error: main in program.py has returned nothing, and has left nothing open to run: "), said
    assert "a QuantumSystem, a QuantumLoopEngine, a workflow" in said
