"""A program of its own that forks, and is told what its child saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import unbreakable as ub

SOURCE = Path(ub.__file__).parents[1]
only_where_it_forks = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]

FORKED = """
import asyncio, json, os, signal, sys, threading, time
import unbreakable as ub

def forked(look):
    '''Return what *look* returns in a forked child; a child that hangs is killed.'''
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os.write(writer, json.dumps(look()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
    return json.loads(told)
"""


def in_a_program(story: str, before: str = "", *, modules: Path | None = None) -> Any:
    """Return what *story*, run after *before* as a program that finds the *modules* of a folder, prints as JSON."""
    program = "".join((FORKED, textwrap.dedent(before), textwrap.dedent(story)))
    path = os.pathsep.join(str(folder) for folder in (SOURCE, modules) if folder is not None)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert [0, ""] == [done.returncode, done.stderr]
    return json.loads(done.stdout)
