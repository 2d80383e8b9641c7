"""Knowledge in a file: there again in the next process, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, StateOwned, StateSetAsideWarning
from unbreakable.fractal.target import COLD, FOLD
from unbreakable.knowledge.sqlite import MOST_TARGETS
from unbreakable.runtime.loading import loading
from unbreakable.testing import virtual_time

pytestmark = pytest.mark.real


@pytest.fixture
def place(tmp_path):
    return tmp_path / "knowledge.db"


def taught(memory, seconds: float = 0.05, calls: int = COLD, name: str = "partner") -> ub.FractalNode:
    """Return a node that has learned from so many calls that took so long."""
    node = ub.FractalNode(name, effects="none", memory=memory)

    async def work() -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 - virtual

    async def story() -> None:
        for _ in range(calls):
            await node.execute(work)
        await node.aclose()

    with virtual_time():
        asyncio.run(story())
    return node


def rows(place) -> list[tuple[str, str]]:
    connection = sqlite3.connect(place)
    try:
        return connection.execute("SELECT target, record FROM knowledge").fetchall()
    finally:
        connection.close()


def test_what_was_learned_is_there_again(place):
    """A node of the same name begins with the traffic, the plan and the totals of the last process."""
    with ub.SqliteMemory(place) as memory:
        before = taught(memory, 2.0, COLD + FOLD).get_status()

    with ub.SqliteMemory(place) as memory:
        node = ub.FractalNode("partner", effects="none", memory=memory)
        after = node.get_status()
        summary = memory.summary()

    assert before.plan == after.plan
    assert before.latency == after.latency
    assert COLD + FOLD == summary.learnings
    assert 1 <= summary.optimizations


def test_the_first_call_follows_the_learned_plan(place):
    """Neither forty calls nor numpy are waited for: the plan itself was kept."""
    with ub.SqliteMemory(place) as memory:
        taught(memory, 2.0, COLD)

    with ub.SqliteMemory(place) as memory:
        seen = []
        ub.FractalNode("partner", effects="none", memory=memory).execute_sync(lambda ctx: seen.append(ctx.plan))

    assert (6.0, COLD) == (pytest.approx(seen[0].limit, rel=0.04), seen[0].observations)


def test_what_is_pinned_now_wins_over_what_was_learned(place):
    """A setting of today's is not overruled by yesterday's plan."""
    with ub.SqliteMemory(place) as memory:
        taught(memory, 2.0)

    with ub.SqliteMemory(place) as memory:
        node = ub.FractalNode("partner", effects="none", memory=memory, timeout=ub.Timeout(1.0), retry=ub.Retry(9))

    assert (1.0, 9) == (node.target.plan.limit, node.target.plan.retry.attempts)


def test_a_plan_for_other_effects_is_not_taken_over(place):
    """What was learned where repeating is harmless says nothing of where it is not."""
    with ub.SqliteMemory(place) as memory:
        taught(memory, 2.0)

    with ub.SqliteMemory(place) as memory:
        node = ub.FractalNode("partner", effects="once", memory=memory)

    assert (None, None) == (node.target.plan.timeout, node.target.plan.hedge)


def test_it_is_written_without_being_closed(place):
    """A second after something was learned it is in the file; nobody has to say goodbye."""
    memory = ub.SqliteMemory(place)
    try:
        taught(memory)
        assert memory.flush()
        assert ["partner"] == [target for target, _ in rows(place)]
    finally:
        memory.close()


def test_a_folder_means_the_state_file_in_it(tmp_path):
    """Runs and knowledge share one file."""
    with ub.SqliteMemory(tmp_path) as memory:
        taught(memory)

    assert ["partner"] == [target for target, _ in rows(tmp_path / "runs.db")]


@pytest.mark.parametrize("seed", [1, 886])  # of 886 SQLite says that something in it is too big
def test_a_broken_file_is_set_aside(place, seed):
    """A file that cannot be read is kept under another name, and learning begins anew."""
    with ub.SqliteMemory(place) as memory:
        taught(memory)
    content = bytearray(place.read_bytes())
    content[200:4000] = random.Random(seed).randbytes(3800)
    place.write_bytes(content)

    with pytest.warns(StateSetAsideWarning):
        memory = ub.SqliteMemory(place)
    with memory:
        assert None is memory.get("partner")
        taught(memory)

    assert 1 == len(list(place.parent.glob("knowledge.db.broken-*")))
    assert ["partner"] == [target for target, _ in rows(place)]


@pytest.mark.parametrize(
    "damage",
    [
        "not json",
        b'{"traffic\xa2: {}}',
        "[]",
        "{}",
        json.dumps({"traffic": {}, "lessons": [], "plan": None, "arms": {"arms": {}}, "totals": {}}),
    ],
)
def test_a_row_that_makes_no_sense_is_left_out(place, damage):
    """One damaged record costs what was known of one target, and is told in the log."""
    with ub.SqliteMemory(place) as memory:
        taught(memory)
        taught(memory, name="other")
    connection = sqlite3.connect(place)
    connection.execute("UPDATE knowledge SET record = CAST(? AS TEXT) WHERE target = 'partner'", (damage,))
    connection.commit()
    connection.close()

    with ub.SqliteMemory(place) as memory:
        assert None is memory.get("partner")
        assert None is not memory.get("other")


def test_somebody_else_s_file_is_refused_with_the_owner_s_number(place):
    """Two processes do not write one file; here the other one is a child that was started before us."""
    import subprocess
    import sys

    code = f"import unbreakable as ub; m = ub.SqliteMemory({str(place)!r}); print('open', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert "open" == child.stdout.readline().strip()
        with pytest.raises(StateOwned) as caught:
            ub.SqliteMemory(place)
        assert child.pid == caught.value.pid
    finally:
        child.communicate("\n")


def test_a_killed_process_has_kept_what_it_learned(place):
    """After kill -9 what was learned a moment before is in the file."""
    import signal
    import subprocess
    import sys

    code = f"""
import unbreakable as ub
memory = ub.SqliteMemory({str(place)!r})
node = ub.FractalNode("partner", effects="none", memory=memory)
for _ in range(300):
    node.execute_sync(lambda: None)
while not memory.get("partner"):
    pass
memory.flush()
print("learned", flush=True)
input()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert "learned" == child.stdout.readline().strip()
    child.send_signal(signal.SIGKILL)
    child.communicate()

    with ub.SqliteMemory(place) as memory:
        assert 40 <= memory.summary().learnings


def test_a_file_that_cannot_be_written_costs_no_call(place):
    """Another program's lock is told as trouble; learning goes on and is written when the lock is gone."""
    with ub.SqliteMemory(place) as memory:
        other = sqlite3.connect(place, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        taught(memory)
        assert not memory.flush()
        assert "lock" in (memory.trouble or "")
        other.execute("ROLLBACK")
        other.close()
        memory._news.note("partner")  # the writer may have taken it meanwhile
        assert memory.flush()
        assert None is memory.trouble

    assert ["partner"] == [target for target, _ in rows(place)]


def test_a_forked_child_keeps_nothing(place):
    """The child knows what its parent knew, goes on learning for itself, and leaves the file alone."""
    with ub.SqliteMemory(place) as memory:
        taught(memory)
        memory.flush()
        before = rows(place)
        pid = os.fork()
        if pid == 0:
            fine = memory.get("partner") is not None and not memory.flush()
            memory.add("child", memory.get("partner"), None)
            memory.close()
            os._exit(0 if fine and memory.get("child") else 1)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        assert before == rows(place)


def test_no_more_than_a_thousand_targets_are_kept(place):
    """The oldest make room, in memory and in the file."""
    with ub.SqliteMemory(place) as memory:
        taught(memory)
        record = memory.get("partner")
        for number in range(MOST_TARGETS + 50):
            memory.add(f"t{number}", record, None)
        memory.flush()

    assert MOST_TARGETS == len(rows(place))
    with ub.SqliteMemory(place) as memory:
        assert None is memory.get("partner")
        assert None is not memory.get(f"t{MOST_TARGETS + 49}")


def test_a_worker_process_that_loads_the_program_leaves_the_file_to_its_parent(place):
    """A memory at the top of a module is made once more there: it must neither be refused nor write."""
    with loading(), ub.SqliteMemory(place) as memory:
        taught(memory)
        assert COLD == memory.summary().learnings
        assert (False, None) == (memory.flush(), memory.trouble)

    assert not place.exists()


@pytest.mark.parametrize("wrong", [7, "", "postgresql://x/db", None])
def test_what_is_no_path_is_refused(wrong):
    """The state is the path of a file or folder."""
    with pytest.raises((ConfigurationError, TypeError)):
        ub.SqliteMemory(wrong)
