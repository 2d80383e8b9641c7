"""A program under the command whose loop fails says so, once, where its user looks."""

from __future__ import annotations

import json

import pytest
from tests.faults.test_run_command import effects, running, wait_until

pytestmark = pytest.mark.real

PROGRAM = """
import logging
import unbreakable as ub

def fail(ctx):
    with open("effects.txt", "a") as file:
        print(ctx.iteration, file=file)
    raise ConnectionError("the database is away")

LOG
engine = ub.QuantumLoopEngine()
engine.create_loop(fail, name="prices", interval=0.01, effects="once")
"""
ERROR = "ConnectionError: the database is away"
LINE = f"loop prices has failed, and goes on; what fails like this is not logged again: {ERROR}"


def said(folder, log="", options=()):
    """Return the lines that the command has printed when some iterations have failed."""
    with running(folder, PROGRAM.replace("LOG", log), options=options) as process:
        wait_until(lambda: len(effects(folder) or ()) > 3)
        process.terminate()
        output, _ = process.communicate(timeout=30)
    return output.splitlines()


def test_it_is_a_line_where_the_program_has_set_up_no_log(tmp_path):
    """Once, and without what is not the user's."""
    lines = said(tmp_path)
    assert 1 == lines.count(LINE)
    assert not any("Traceback" in line for line in lines)


def test_it_is_in_the_log_where_there_is_one(tmp_path):
    """With the traceback, and nowhere else."""
    lines = said(tmp_path, 'logging.basicConfig(format="log: %(message)s")')
    assert 1 == sum(line.endswith(LINE) for line in lines) == lines.count(f"log: {LINE}")
    assert any("Traceback" in line for line in lines)


def test_it_is_json_where_that_was_asked_for(tmp_path):
    """As all that the command says then."""
    lines = said(tmp_path, options=["--json"])
    assert {"message": LINE} in [json.loads(line) for line in lines]
