"""The first failure of a process needs nothing that is not there yet: it may come when nothing more is to be had."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.real

OUT_OF_DESCRIPTORS = """
import json, os, resource
import unbreakable as ub

held = []

@ub.protect("partner", effects="none", retry=ub.Retry(3, backoff=ub.Backoff(0.0)), fallback=lambda failure: "kept")
def ask(down):
    if down:
        raise ConnectionError("reset by peer")
    return "fine"

ask(False)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
outcome = ask.outcome(True)
said = [outcome.status.value, outcome.value, outcome.attempts, ask(True)]
for each in held:
    os.close(each)
print(json.dumps([*said, ask.node.get_status().degraded_count]))
"""

LOADED = """
import asyncio, json, sys, threading, time
import unbreakable as ub

class Looked:
    names = []

    def find_spec(self, name, path=None, target=None):
        if threading.current_thread().name != "unbreakable" and "ctypes" not in name:  # of a timer, which may fail
            self.names.append(name)

def fail():
    raise ConnectionError("reset by peer")

async def fail_async():
    await asyncio.sleep(0.01)
    raise ConnectionError("reset by peer")

async def hang():
    await asyncio.sleep(0.05)

again = ub.Retry(3, backoff=ub.Backoff(0.0))
plain = [
    ub.protect("fails", effects="none", retry=again)(fail),
    ub.protect("has a fallback", fallback=lambda failure: "kept")(fail),
    ub.protect("opens", retry=False, breaker=ub.CircuitBreaker(1))(fail),
    ub.protect("is turned down", verify=lambda value: False)(lambda: 1),
    ub.protect("pays", effects="once", bulkhead=ub.Bulkhead(1))(fail),
    ub.protect("has a key", key=lambda: "a", throttle=ub.Throttle())(fail),
    ub.protect("is mended", effects="none", retry=again)(fail),
]
plain[-1].remedy(ConnectionError)(lambda failure: None)
on_loop = [
    ub.protect("fails too", effects="none", retry=again)(fail_async),
    ub.protect("is cut", timeout=ub.Timeout(0.01), effects="none", retry=again)(hang),
    ub.protect("has copies", hedge=ub.Hedge(0.01), effects="none")(fail_async),
    ub.protect("has no time", deadline=0.01)(hang),
]

async def main():
    for each in on_loop:
        await each.outcome()
        await asyncio.gather(each(), each.outcome(), return_exceptions=True)

sys.meta_path.insert(0, Looked())
for each in plain:
    for _ in range(3):
        each.outcome()
    try:
        each()
    except Exception:
        pass
asyncio.run(main())
print(json.dumps(Looked.names))
"""


def said_by(program):
    child = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    return json.loads(child.stdout)


def test_out_of_file_descriptors_a_failure_is_healed_as_ever():
    """A service that has used up its descriptors can load no module: its first failure had that error instead."""
    assert ["degraded", "kept", 3, "kept", 2] == said_by(OUT_OF_DESCRIPTORS)


def test_no_failure_loads_a_module():
    """Whatever fails first, all that it needs came with the protection."""
    assert [] == said_by(LOADED)
