"""What every test run shares: drawn examples that can be drawn again."""

from __future__ import annotations

import gc
import signal

import numpy as np  # noqa: F401 - else a thread of ours fetches it in some test, where pytest.approx finds half of it
import pytest
from hypothesis import HealthCheck, settings
from tests.dense import most

gc.disable()  # until all is collected, which is made to stay

# Who starts the tests in the background of a shell makes them deaf to Ctrl-C, which some of them send to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no reason to fail, and a failure prints the blob that reproduces it.
settings.register_profile(
    "house",
    deadline=None,
    max_examples=most(100, 40),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


@pytest.fixture
def looks_take_no_time(monkeypatch):
    """Let what is waited for end at a round moment: that it is looked for what follows is tested where it matters."""
    monkeypatch.setattr("unbreakable.policies.under_way.LOOK", 0.0)


def pytest_collection_finish():
    """Spare every collection of a test what lives as long as the run: thousands of tests, and all their modules."""
    gc.collect()
    gc.freeze()
    gc.enable()
