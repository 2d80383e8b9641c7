"""A state is looked into by those who may read it and not write: a monitor, a backup."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import unbreakable as ub

pytestmark = pytest.mark.real


@pytest.fixture
def state():
    """Return the state of a system that has ended, in a folder that its reader cannot write."""
    above = Path(tempfile.mkdtemp())
    folder = above / "own"
    with ub.QuantumSystem(state=folder) as system:
        system.create_quantum_workflow_sync(
            name="W", interval=60.0, workflow={"steps": [{"id": "a", "operation": lambda: 1}]}
        )
    above.chmod(0o755)
    for each in folder.iterdir():
        each.chmod(0o444)
    folder.chmod(0o555)
    yield folder
    above.chmod(0o755)
    folder.chmod(0o755)
    shutil.rmtree(above)


READER = """
import os, sqlite3, sys, urllib.parse
import unbreakable.cli.status, unbreakable.storage.lookup  # before it is nobody, who may not read the library
from unbreakable.cli.main import main
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
main(["status", "--state", sys.argv[1]])
"""


def look(state: Path) -> subprocess.CompletedProcess[str]:
    """Return what the status is told to somebody else."""
    return subprocess.run(
        [sys.executable, "-c", READER, str(state)], capture_output=True, text=True, check=False, cwd="/"
    )


def test_whoever_may_only_read_is_told_how_it_was(state):
    """The last status is there, with the exit code that says that nothing runs."""
    told = look(state)

    assert 3 == told.returncode, told.stderr
    assert "W" in told.stdout


def test_whoever_may_not_even_look_is_told_so(state):
    """A folder that is closed is no crash: the place is named, and why."""
    state.parent.chmod(0o600)
    told = look(state)

    assert 2 == told.returncode, told.stderr
    assert f"Error: {state}: cannot be looked into (Permission denied)" in told.stderr
