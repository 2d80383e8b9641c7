"""Whenever the process is killed, what was begun is finished or undone by the next one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.dense import DENSE, most
from tests.nursery import Child

from unbreakable.errors import StateOwned
from unbreakable.nodes import OrchestratorNode

pytestmark = pytest.mark.real

CHILD = Path(__file__).with_name("orchestrator_child.py")
KEYS = {f"r:{step}" for step in "abcd"}


def child(verb, folder, *rest, start=Child, **settings):
    return start([CHILD, verb, folder, *rest], stdout=subprocess.PIPE, **settings)


def slim(words, **settings):
    """Start a Python that has loaded no more than it needs, for who forks hundreds of times."""
    return subprocess.Popen([sys.executable, *words], text=True, **settings)


def matrix(folder, **options):
    """Return what stood after the process had died at each moment that there is."""
    with child("matrix", folder, json.dumps({"failing": None, "twice": None, **options}), start=slim) as process:
        out, _ = process.communicate(timeout=120)
    assert 0 == process.returncode
    return json.loads(out)


def all_or_nothing(found):
    """Return the moments after which a part of the effects stood, or the status told something else than the world."""
    wrong = {}
    for one in found:
        standing = {key for key, stands in one["standing"].items() if stands}
        expected = KEYS if one["status"] == "committed" else set()
        if one["status"] not in {"committed", "compensated"} or standing != expected or not one["quiet"]:
            wrong[tuple(one["moments"])] = one
    return wrong


def asked_twice(found):
    """Return the moments after which a step's effect was asked for a second time."""
    return [one["moments"] for one in found if len(one["done"]) != len(set(one["done"]))]


@pytest.mark.parametrize("is_async", [True, *[False] * DENSE])
def test_a_run_that_may_be_repeated_always_commits(place, is_async):
    """Killed before or after any record or any effect, the run is finished under the same keys."""
    found = matrix(place, effects="idempotent", is_async=is_async)

    assert {} == all_or_nothing(found)
    assert {"committed"} == {one["status"] for one in found}
    assert len(found) - 1 == sum(one["died"] for one in found) >= 16


@pytest.mark.parametrize("is_async", [False, *[True] * DENSE])
def test_a_run_that_must_not_be_repeated_is_done_once_or_undone(place, is_async):
    """No effect is ever asked for twice; what nobody knows about is undone."""
    found = matrix(place, effects="unknown", is_async=is_async)

    assert {} == all_or_nothing(found)
    assert {"committed", "compensated"} == {one["status"] for one in found}
    assert [] == asked_twice(found)


@pytest.mark.parametrize("effects", ["unknown", *["idempotent"] * DENSE])
def test_a_run_that_fails_is_undone_whenever_it_is_killed(place, effects):
    """Also in the middle of being undone; it never goes forward again from there."""
    found = matrix(place, effects=effects, is_async=True, failing="d")

    assert {} == all_or_nothing(found)
    assert {"compensated"} == {one["status"] for one in found}
    assert len(found) - 1 == sum(one["died"] for one in found) >= 24


def test_being_killed_again_while_going_on_changes_nothing(place):
    """The process that takes up the run may die, too."""
    found = matrix(place, effects="unknown", is_async=True, failing="d", twice=most([3, 5], [5, 7]))

    assert {} == all_or_nothing(found)
    assert [] == asked_twice(found)
    assert most(30, 15) < len(found)


def test_what_was_acknowledged_is_on_record_when_many_runs_are_killed(tmp_path):
    """A caller who has a result can rely on it; every other run is finished by the next process."""
    with child("crowd", tmp_path, "400") as process:
        acknowledged = [process.stdout.readline().split() for _ in range(150)]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
    acknowledged += [line.split() for line in rest.splitlines() if line.count(" ") == 1]
    with OrchestratorHeld(tmp_path) as orchestrator:
        pending = {run.run_id for run in orchestrator.pending()}
        recorded = {run_id for run_id, _ in acknowledged if orchestrator._open()[0].find(run_id).status is not None}
    with child("crowd", tmp_path, "400") as process:
        out, _ = process.communicate(timeout=60)
    standing = standing_in(tmp_path / "world")

    assert recorded == {run_id for run_id, _ in acknowledged}
    assert not pending & recorded
    assert 400 == out.count(" committed")
    assert {f"r{number}:{step}" for number in range(400) for step in "abcd"} == standing


def standing_in(world):
    lines = [line.split() for line in world.read_text().splitlines()]
    assert not [key for what, key in lines if what == "undo"]
    return {key for _, key in lines}


class OrchestratorHeld:
    """Hold a state file for a moment."""

    def __init__(self, folder):
        self.orchestrator = OrchestratorNode(state=folder / "runs.db")

    def __enter__(self):
        return self.orchestrator

    def __exit__(self, *error):
        self.orchestrator.aclose_sync()


# ── one owner ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_process_is_refused_and_told_who_has_the_file(tmp_path):
    """Two processes must not carry the same runs."""
    with child("hold", tmp_path) as process:
        owner, grandchild = map(int, process.stdout.readline().split())
        with OrchestratorHeld(tmp_path) as orchestrator, pytest.raises(StateOwned) as caught:
            orchestrator.pending()
        os.kill(grandchild, signal.SIGKILL)
        process.kill()

    assert owner == caught.value.pid
    assert f"is in use by process {owner}; stop it" in str(caught.value)


def test_a_killed_owner_leaves_the_file_free(tmp_path):
    """Even while a child that it forked lives on."""
    with child("hold", tmp_path) as process:
        _, grandchild = map(int, process.stdout.readline().split())
        process.kill()
        process.wait()
        with OrchestratorHeld(tmp_path) as orchestrator:
            assert () == orchestrator.pending()
        os.kill(grandchild, signal.SIGKILL)


def test_a_forked_child_is_refused_while_its_parent_has_the_file(tmp_path):
    """It inherits the connection and must not use it; the parent goes on undisturbed."""
    with child("fork", tmp_path) as process:
        out, _ = process.communicate(timeout=60)

    assert "StateOwned StateError StateError committed committed" == out


def test_a_process_that_closes_over_a_step_at_work_keeps_the_file_until_it_has_ended(tmp_path):
    """The next process is refused till then, and finds on record what the step did: nothing is done twice or undone."""
    with child("leave", tmp_path, stdin=subprocess.PIPE) as process, OrchestratorHeld(tmp_path) as orchestrator:
        assert ["begun", "ready"] == [process.stdout.readline().strip() for _ in range(2)]
        process.terminate()
        assert "closed" == process.stdout.readline().strip()
        with pytest.raises(StateOwned):
            orchestrator.pending()
        out, _ = process.communicate("go on\n", timeout=60)
        (pending,) = orchestrator.pending()

    assert "RunUnfinished" == out.strip()
    assert {"a": "done", "b": "not_begun"} == pending.ledger


def test_a_forked_child_is_at_no_run_of_its_parent(tmp_path):
    """Once the parent has given the file back the child can ask for what became of it."""
    with child("fork_at_work", tmp_path) as process:
        out, _ = process.communicate(timeout=60)

    assert ["begun", "done", "done"] == out.split()


def test_a_file_that_may_not_grow_loses_nothing_that_was_acknowledged(tmp_path):
    """The system's own limit stops the writing in the middle, whatever was being written."""
    with child("small", tmp_path) as process:
        *acknowledged, trouble = process.communicate(timeout=60)[0].split()
    with OrchestratorHeld(tmp_path) as orchestrator:
        found = [run_id for run_id in acknowledged if orchestrator._open()[0].find(run_id).status is not None]

    assert "StateError" == trouble
    assert 20 < len(acknowledged) == len(found)
