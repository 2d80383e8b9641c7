"""`unbreakable run`: a system, for ever, in a worker process that is started again whenever it dies."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from unbreakable.cli.saying import Unusable, say
from unbreakable.errors import StateError
from unbreakable.loops.claim import claim, name_of
from unbreakable.loops.notify import Notify
from unbreakable.loops.report import Report
from unbreakable.loops.standing import Standing
from unbreakable.loops.start import command, users_path
from unbreakable.loops.supervisor import Supervisor

if TYPE_CHECKING:
    from unbreakable.loops.health import Health

WORKER = "unbreakable.cli.worker"
MOST_PORT = 65_535


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
@click.option(
    "--memory",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="MB",
    help="Replace a worker that takes more memory; usual: one that has grown to 85 % of what there is.",
)
@click.option(
    "--health",
    metavar="[HOST:]PORT",
    help="Answer /livez, /readyz and /startupz there, for load balancers and containers; HOST is 127.0.0.1.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what happens as JSON, a line each, on standard output.")
@click.pass_context
def run(
    context: click.Context,
    target: str,
    state: Path,
    trace: Path | None,
    hang: float,
    memory: float | None,
    health: str | None,
    as_json: bool,
) -> None:
    """Run what NAME in FILE is: a QuantumSystem, a QuantumLoopEngine, a workflow, or a function that makes one.

    Without NAME that is the first of system, engine and workflow that has something to run, else main, a function
    without arguments; when main returns nothing, all systems, engines and workflows that it has made and left open are
    run.  Loops and workflows that are new are started.  A main that closes what it has made has ended: exit code 0.

    A worker process that dies, or whose program raises while it runs, is started again: at once, and when it dies again
    within a minute after a pause that grows up to 30 s.  So is one that hangs: where a loop goes on beyond its deadline
    and blocks what carries it, or stands still for the seconds of --hang; and, in good order, one that takes too much
    memory.  The supervisor's own death, by kill -9 say, is survived on Linux: its deputy goes on, unless it is the
    first process of a container or the main one of a systemd service.  Where systemd waits for it (NOTIFY_SOCKET,
    WATCHDOG_USEC), it is told.

    SIGTERM or Ctrl-C ends everything within 5 s, exit code 0.  Exit code 2: it cannot be run as asked, because FILE or
    main fails, or main leaves nothing to run, before anything runs (a loop was started, or main has gone on for 5 s),
    or because another process has the state; once a loop has gone on in any worker these are deaths as all others.
    The state of another program, or of a newer version, is exit code 2 at any time; one that is locked or full is
    waited for.
    """
    _open_standard_streams()
    asked = context.get_parameter_source("state") is not ParameterSource.DEFAULT
    words = ["--worker", target, str(state), *(["asked"] if asked else []), *(["json"] if as_json else [])]
    if trace is not None:
        words.append(f"trace={_usable(trace)}")
    worker = command([sys.executable], WORKER, words, [str(Path.cwd()), *users_path()])
    standing = Standing()
    name = _claimed(target, str(state), as_json=as_json)
    with _health(health, standing) as answering, Notify(os.environ) as notify:
        supervisor = Supervisor(
            worker,
            partial(say, as_json=as_json),
            hang,
            memory=None if memory is None else int(memory * 1e6),
            report=Report(standing, notify),
            name=name,
            after_death=bool if answering is None else answering.serve,
        )
        code = supervisor.run()
    sys.exit(code)


def _open_standard_streams() -> None:
    """Have something behind each: a number that is free would become that of a file of ours, or of the program's."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _claimed(*words: str, as_json: bool) -> str:
    """Return under which name this program is known; a deputy that goes on with it has made room by then."""
    if sys.platform != "linux":
        return ""
    name = name_of(str(Path.cwd()), *words)
    if claim(name):
        say("the deputy of a supervisor that was killed has made room; this one goes on", as_json=as_json)
    return name


def _health(place: str | None, standing: Standing) -> contextlib.AbstractContextManager[Health | None]:
    """Return what answers at *place*, which is open already; refuse what names none, or cannot be had."""
    if place is None:
        return contextlib.nullcontext()
    from unbreakable.loops.health import Health

    host, _, port = place.rpartition(":")
    if not port.isdecimal() or int(port) > MOST_PORT:
        raise Unusable(f"--health: expected a port such as 8080, or a host and a port, 0.0.0.0:8080, found {place!r}")
    try:
        return Health(host.strip("[]") or "127.0.0.1", int(port), standing)
    except OSError as error:
        raise Unusable(f"--health {place}: {error.strerror or error}") from error


def _usable(trace: Path) -> Path:
    """Return where calls are to be recorded; refuse what cannot be written, or is somebody else's."""
    from unbreakable.observe.calls import Recorder

    try:
        Recorder(trace)
    except StateError as error:
        raise Unusable(str(error)) from error
    return trace.absolute()
