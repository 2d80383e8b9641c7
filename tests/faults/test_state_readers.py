"""A state is looked into by those who may read it and not write: a monitor, a backup."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

import unbreakable as ub

pytestmark = pytest.mark.real


@pytest.fixture
def state(tmp_path_factory):
    """Return the state of a system that has ended, in a folder that its reader cannot write."""
    folder = tmp_path_factory.mktemp("state") / "own"
    with ub.QuantumSystem(state=folder) as system:
        system.create_quantum_workflow_sync(
            name="W", interval=60.0, workflow={"steps": [{"id": "a", "operation": lambda: 1}]}
        )
    for above in list(folder.parents)[:3]:
        above.chmod(above.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    for each in folder.iterdir():
        each.chmod(0o444)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


READER = """
import os, sqlite3, sys
import unbreakable.cli.status, unbreakable.storage.lookup  # before it is nobody, who may not read the library
from unbreakable.cli.main import main
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
main(["status", "--state", sys.argv[1]])
"""


def test_whoever_may_only_read_is_told_how_it_was(state):
    """The last status is there, with the exit code that says that nothing runs."""
    told = subprocess.run(
        [sys.executable, "-c", READER, str(state)], capture_output=True, text=True, check=False, cwd="/"
    )

    assert 3 == told.returncode, told.stderr
    assert "W" in told.stdout
