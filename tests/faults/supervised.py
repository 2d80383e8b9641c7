"""`unbreakable run` in processes that have the command loaded already.

To start Python and to load the command takes longer than most programs of these tests run.  Whether the command is
found, and where it looks for modules, is left to tests that start it as people do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tests.nursery import SOURCE, Child


def started(words: Sequence[str], **how: Any) -> subprocess.Popen[str]:
    """Start the command as people do."""
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    return subprocess.Popen([sys.executable, "-P", "-m", "unbreakable", *words], text=True, env=environment, **how)


def forked(words: Sequence[str], environment: Mapping[str, str] | None = None, **how: Any) -> Child:
    """Do the same without a Python of its own, for the command and its worker; with more in its *environment*."""
    environment = {**os.environ, "PYTHONPATH": SOURCE, **(environment or {})}
    return Child(["-P", "-m", "unbreakable", *words], env=environment, **how)
