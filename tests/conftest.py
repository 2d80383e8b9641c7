"""What every test run shares: drawn examples that can be drawn again."""

from __future__ import annotations

import gc
import itertools
import signal
from pathlib import Path

import numpy as np  # noqa: F401 - else a thread of ours fetches it in some test, where pytest.approx finds half of it
import pytest
from hypothesis import HealthCheck, settings
from tests.compiled import compile_ahead
from tests.dense import most
from tests.reporting import make_terse

FORTNIGHT = 1.2e6  # seconds
WAITING = {Path(__file__).parent / folder for folder in ("faults", "stories/api")}  # for processes, for answers

gc.disable()  # until all is collected, which is made to stay

# Who starts the tests in the background of a shell makes them deaf to Ctrl-C, which some of them send to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no reason to fail, and a failure prints the blob that reproduces it.
settings.register_profile(
    "house",
    deadline=None,
    max_examples=most(100, 20),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


@pytest.fixture
def present(monkeypatch):
    """Take the years back that a test lets pass: whoever came after would tell moments less finely."""
    for told in clocks():
        monkeypatch.setattr(told, "now", told.now)


def clocks():
    """Return what tells the time."""
    from unbreakable.runtime import ASYNCIO, BLOCKING

    return ASYNCIO, BLOCKING, BLOCKING.world


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    """Take back what a test lets pass when it has become too much: those that draw their examples may come to years."""
    from unbreakable.runtime.world import RealWorld

    before = [(told, told.now) for told in clocks()]
    done = yield
    if before[0][0].now() > RealWorld.now() + FORTNIGHT:
        for told, now in before:
            told.now = now
    return done


@pytest.fixture
def looks_take_no_time(monkeypatch):
    """Let what is waited for end at a round moment: that it is looked for what follows is tested where it matters."""
    monkeypatch.setattr("unbreakable.policies.under_way.LOOK", 0.0)
    monkeypatch.setattr("unbreakable.policies.under_way.QUIET", 0.0)


def pytest_configure(config):
    """Have the workers of a parallel run spare work and words."""
    compile_ahead(config)
    make_terse(config)


def pytest_collection_modifyitems(items):
    """Spread the files that wait most of the time among those that compute, for a machine that has nothing to do."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    places = {}
    for folder in (*WAITING, None):
        ours = [path for path in files if folder == (path.parent if path.parent in WAITING else None)]
        ends = [0, *itertools.accumulate(len(files[path]) for path in ours)]
        places.update({path: end / ends[-1] for path, end in zip(ours, ends, strict=False)})
    items[:] = [item for path in sorted(files, key=places.__getitem__) for item in files[path]]


def pytest_collection_finish():
    """Spare every collection of a test what lives as long as the run: thousands of tests, and all their modules."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect(request):
    """Spare the collections of a file that asks for some what the tests before it have left: half a second each."""
    if getattr(request.module, "gc", None) is gc:
        gc.collect()
        gc.freeze()
