"""`unbreakable run`: a system, for ever, in a worker process that is started again whenever it dies."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from unbreakable.cli.saying import Unusable, say
from unbreakable.errors import StateError
from unbreakable.loops.start import command, users_path
from unbreakable.loops.supervisor import Supervisor

WORKER = "unbreakable.cli.worker"


@click.command(short_help="Run a system for ever, under a supervisor.")
@click.argument("target", metavar="FILE[:NAME]")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path(".unbreakable"),
    show_default=True,
    help="Where a system keeps its state that names no place itself; one that does keeps it there.",
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Record there what the calls of all nodes are like, for `unbreakable whatif`.",
)
@click.option(
    "--hang",
    type=click.FloatRange(min=0.0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Replace a worker whose event loop, or a loop without a deadline, stands still for so long; 0: never.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what happens as JSON, a line each, on standard output.")
@click.pass_context
def run(context: click.Context, target: str, state: Path, trace: Path | None, hang: float, as_json: bool) -> None:
    """Run what NAME in FILE is: a QuantumSystem, a QuantumLoopEngine, a workflow, or a function that makes one.

    Without NAME that is the first of system, engine and workflow that has something to run, else main, a function
    without arguments; when main returns nothing, all systems, engines and workflows that it has made and left open are
    run.  Loops and workflows that are new are started.  A main that closes what it has made has ended: exit code 0.

    A worker process that dies, or whose program raises while it runs, is started again: at once, and when it dies again
    within a minute after a pause that grows up to 30 s.  So is one that hangs: where a loop goes on beyond its deadline
    and blocks what carries it, or stands still for the seconds of --hang.

    SIGTERM or Ctrl-C ends everything within 5 s, exit code 0.  Exit code 2: it cannot be run as asked, because FILE or
    main fails, or main leaves nothing to run, before anything runs (a loop was started, or main has gone on for 5 s),
    or because the state is another's.  A state that is locked or full is waited for.
    """
    asked = context.get_parameter_source("state") is not ParameterSource.DEFAULT
    words = ["--worker", target, str(state), *(["asked"] if asked else []), *(["json"] if as_json else [])]
    if trace is not None:
        words.append(f"trace={_usable(trace)}")
    worker = command([sys.executable], WORKER, words, [str(Path.cwd()), *users_path()])
    sys.exit(Supervisor(worker, partial(say, as_json=as_json), hang).run())


def _usable(trace: Path) -> Path:
    """Return where calls are to be recorded; refuse what cannot be written, or is somebody else's."""
    from unbreakable.observe.calls import Recorder

    try:
        Recorder(trace)
    except StateError as error:
        raise Unusable(str(error)) from error
    return trace.absolute()
