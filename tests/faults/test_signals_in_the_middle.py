"""A signal comes in the middle of everything: its handler closes and leaves, asks, or raises, and nothing hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.dense import most
from tests.nursery import Child

from unbreakable.nodes import StreamNode
from unbreakable.nodes.answering.knowledge import KnowledgeBase

pytestmark = pytest.mark.real

PATIENCE = 30.0
DROPPED = "Exception ignored in"  # what Python itself says when a handler raised in a weak reference's callback
NEVER_BEGAN = "ignore::RuntimeWarning"  # of a coroutine, when a handler raises just before its first step
MAKE = {
    "stream": "thing = ub.StreamNode(overflow=place, durability='process'); work = lambda: thing.put_sync(1)",
    "durable stream": "thing = ub.StreamNode(overflow=place, durability='durable'); work = lambda: thing.put_sync(1)",
    # With room for all: Python itself cannot have a wait for an event interrupted ("release unlocked lock").
    "handled stream": "thing = ub.StreamNode(lambda item: None, max_buffer=10**7); work = lambda: thing.put_sync(1)",
    "runs": "thing = ub.OrchestratorNode(state=place + '/runs.db'); work = lambda: thing.orchestrate_sync(STEPS)",
    "search": "thing = base; work = lambda: agent.process_query_sync('Where stands the tower number 5?')",
    "knowledge": "thing = base; work = lambda: base.add([f'The tower number {1000 + acks} stands in Giza.'])",
}
PROGRAM = """
import faulthandler, signal, sys, threading
import unbreakable as ub
from unbreakable.nodes.answering.knowledge import KnowledgeBase

faulthandler.dump_traceback_later(20, exit=True)
STEPS = [ub.Step("a", lambda: 1), ub.Step("b", lambda: 2)]
TEXTS = [f"The tower number {number} stands in city {number}." for number in range(300)]
place, acks = sys.argv[1], 0
"""
KNOWING = """
base = KnowledgeBase(TEXTS, path=place + "/knowledge.db")
agent = ub.AgentNode(knowledge=base)
"""
CLOSES = """
over = False

def close(*_):
    global over
    over = True
    thing.close() if isinstance(thing, KnowledgeBase) else thing.aclose_sync(2.0)
    sys.exit(0)

signal.signal(signal.SIGTERM, close)
work()
print("up", flush=True)
try:
    while not over:
        work()
        acks += 1
finally:
    print(acks, flush=True)
"""
IN_THREADS = """
def serve():
    while True:
        work()

for _ in range(4):
    threading.Thread(target=serve, daemon=True).start()
threading.Event().wait(0.3)
print("up", flush=True)
"""
ASKS = """
base = KnowledgeBase(TEXTS)
agent = ub.AgentNode(knowledge=base)
over = False

def interrupt(*_):
    global over
    over = True
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
print("up", flush=True)
while not over:
    if agent.process_query_sync("Where stands the tower number 5?").kind == "degraded":
        print("degraded", flush=True)
"""


def anew(words: list[str], **how: int) -> subprocess.Popen[str]:
    """Return the process of a Python of its own, whose end takes all apart, while its threads go on."""
    return subprocess.Popen([sys.executable, *words], text=True, **how)


def started(program: str, *args: str, start: Callable[..., Any] = Child) -> Any:
    """Return the process of *program*, which is up."""
    words = ["-W", NEVER_BEGAN, "-c", program, *args]
    process = start(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert "up\n" == process.stdout.readline()
    return process


def found(kind, place):
    """Return how many items there are."""
    if kind == "knowledge":
        with KnowledgeBase(path=place / "knowledge.db") as base:
            return len(base) - 300
    with StreamNode(overflow=place) as stream:
        return stream.get_status().on_disk


@pytest.mark.parametrize("kind", MAKE)
def test_a_handler_of_sigterm_closes_and_leaves(tmp_path, kind):
    """It does so in the middle of a put, a run or a search, and what was confirmed by then is there."""
    program = PROGRAM + (KNOWING if kind in ("search", "knowledge") else "") + MAKE[kind] + CLOSES
    for number in range(most(4, 1)):  # any line at all is tests/torture/test_handlers_of_signals.py's
        place = tmp_path / str(number)
        place.mkdir()
        process = started(program, str(place))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1 + number / 20)
        process.send_signal(signal.SIGTERM)
        told, trouble = process.communicate(timeout=PATIENCE)
        assert (0, True) == (process.returncode, not trouble or DROPPED in trouble), trouble
        if kind in ("stream", "durable stream", "knowledge"):
            assert found(kind, place) >= int(told)


@pytest.mark.parametrize("kind", ["search", "knowledge"])
def test_a_program_ends_while_daemon_threads_use_its_knowledge(tmp_path, kind):
    """The connection is closed in its turn, and not under whoever is at work on it."""
    for number in range(most(4, 1)):
        place = tmp_path / str(number)
        place.mkdir()
        process = started(PROGRAM + KNOWING + MAKE[kind] + IN_THREADS, str(place), start=anew)
        process.communicate(timeout=PATIENCE)
        assert 0 == process.returncode


def test_ctrl_c_ends_a_search():
    """SQLite drops what is raised as it asks whether to go on; the search keeps that, and raises it."""
    for number in range(most(6, 2)):
        process = started(PROGRAM + ASKS, ".")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1 + number / 50)
        process.send_signal(signal.SIGINT)
        told, trouble = process.communicate(timeout=PATIENCE)
        assert "" == told
        assert "KeyboardInterrupt" == trouble.splitlines()[-1] or DROPPED in trouble
