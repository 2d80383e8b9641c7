"""`unbreakable run`: a system, for ever, in a worker process that is started again whenever it dies."""

from __future__ import annotations

import os
import sys
import traceback
from functools import partial
from pathlib import Path

import click

from unbreakable.cli.saying import complain, say
from unbreakable.errors import ConfigurationError, StateError
from unbreakable.loops.supervisor import IN_VAIN, Supervisor, follow


@click.command()
@click.argument("target", metavar="FILE[:NAME]")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path(".unbreakable"),
    show_default=True,
    help="Where a system keeps its state that names no place itself.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what happens as JSON, a line each, on standard output.")
@click.option("--worker", is_flag=True, hidden=True, help="Be the worker, not its supervisor.")
def run(target: str, state: Path, as_json: bool, worker: bool) -> None:
    """Run what NAME in FILE is: a QuantumSystem, a QuantumLoopEngine, a workflow, or a function that makes one.

    Without NAME that is system, engine, workflow or main, whichever comes first.  Loops and workflows that are new are
    started.  A worker process that dies is started again, after a pause that grows up to 30 s.  SIGTERM or Ctrl-C
    ends everything within 5 s, exit code 0.  Exit code 2: it cannot be run as asked.
    """
    if worker:
        sys.exit(_work(target, state, as_json))
    asked = ["--json"] if as_json else []
    command = [sys.executable, "-m", "unbreakable", "run", "--worker", *asked, "--state", str(state), target]
    source = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    say(f"running {target}, its state in {state}; Ctrl-C ends it", as_json=as_json)
    sys.exit(Supervisor(command, {"PYTHONPATH": paths}, partial(say, as_json=as_json)).run())


def _work(target: str, state: Path, as_json: bool) -> int:
    """Be the worker: run the target, and say with the exit code whether starting it again makes sense."""
    follow()
    from unbreakable.cli.target import find
    from unbreakable.cli.target import run as run_target
    from unbreakable.system import give_default_state

    give_default_state(state)
    try:
        found = find(target)
    except (ConfigurationError, StateError) as error:
        complain(str(error), as_json=as_json)
        return IN_VAIN
    except Exception:
        traceback.print_exc()
        complain(f"{target.partition(':')[0]} cannot be loaded", as_json=as_json)
        return IN_VAIN
    try:
        run_target(found)
    except (ConfigurationError, StateError) as error:
        complain(str(error), as_json=as_json)
        return IN_VAIN
    return 0
