"""`unbreakable status`: how the system at a place is doing, or was when it last said so."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from unbreakable.cli.saying import Unusable
from unbreakable.columns import in_columns
from unbreakable.errors import ConfigurationError, StateError
from unbreakable.observe import Snapshot, latest_snapshot
from unbreakable.outcome import in_one_line
from unbreakable.storage.lookup import owner_of
from unbreakable.storage.stamp import time_of_day

if TYPE_CHECKING:
    from unbreakable.loops.checkpoint import Checkpoint

LOOPS = ["loop", "state", "iterations", "at work", "last run", "success", "in a row failed", "last error"]
KEPT = ["loop", "state", "iterations", "at work", "as of", "ticks"]
NODES = ["node", "state", "calls", "success", "healed", "strategy", "circuit"]
NOT_RUNNING = 3  # the exit code that service managers know
MOST_OF_AN_ERROR = 60  # characters


@click.command()
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path(".unbreakable"),
    show_default=True,
    help="Where the system keeps its state.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the status as one JSON object.")
def status(state: Path, as_json: bool) -> None:
    """Show how the system, or the loops of an engine, that are kept here are doing.

    Exit code 0: it runs. 3: it does not; what is shown is how it was when it last wrote. 2: there is nothing to show.
    """
    try:
        snapshot = latest_snapshot(state)
    except (ConfigurationError, StateError) as error:
        raise Unusable(str(error)) from error
    if snapshot is None:
        _show_loops(state, as_json=as_json)
    try:
        words = text(snapshot)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        message = f"{state}: the status there is damaged, or another version's ({in_one_line(error)})"
        raise Unusable(message) from error
    click.echo(json.dumps(vars(snapshot)) if as_json else words)
    sys.exit(0 if snapshot.alive else NOT_RUNNING)


def _show_loops(state: Path, *, as_json: bool) -> NoReturn:
    """Show the loops that an engine of no system keeps there, as they stood when they were last written, and end."""
    from unbreakable.loops.shelf import kept_loops

    try:
        kept, pid = kept_loops(state), owner_of(state)
    except (ConfigurationError, StateError) as error:
        raise Unusable(str(error)) from error
    if not kept:
        raise Unusable(f"{state}: no system has written its status here, and no loop is kept")
    if as_json:
        loops = {name: asdict(place) for name, place in kept.items()}
        click.echo(json.dumps({"pid": pid, "alive": pid is not None, "loops": loops}))
    else:
        click.echo("not running" if pid is None else f"running as process {pid}")
        now = time_of_day()
        click.echo(
            "\n" + _table(KEPT, [_kept(name, place, now, is_alive=pid is not None) for name, place in kept.items()])
        )
    sys.exit(NOT_RUNNING if pid is None else 0)


def _kept(name: str, place: Checkpoint, now: float, *, is_alive: bool) -> list[str]:
    state = "over" if place.is_over else "paused" if place.paused else "running" if is_alive else "to go on"
    at_work = ", ".join(f"tick {number:,}" for number in place.interrupted) or "-"
    ends = [f"{count:,} {fate.value.replace('_', ' ')}" for fate, count in place.fates.items() if count]
    return [name, state, f"{place.iteration:,}", at_work, _ago(max(0.0, now - place.wall)), ", ".join(ends) or "-"]


def text(snapshot: Snapshot) -> str:
    """Return the status as plain text."""
    why = "has closed it" if snapshot.closed else "is gone"
    state = f"running as process {snapshot.pid}" if snapshot.alive else f"not running (process {snapshot.pid} {why})"
    known = snapshot.status["global_knowledge"]
    facts = ", ".join(f"{value:,} {name}" for name, value in known.items())
    parts = [f"{state}, as of {snapshot.age:.0f} s ago; {facts}"]
    loops, nodes = snapshot.status["loops"]["loops"], snapshot.status["nodes"]
    parts.append(_table(LOOPS, map(_loop, loops)))
    parts.append("\n".join(f"{loop['name']} is stuck: {loop['stuck']}" for loop in loops if loop.get("stuck")))
    parts.append(_table(NODES, map(_node, nodes.items())))
    return "\n\n".join(filter(None, parts))


def _loop(loop: Mapping[str, Any]) -> list[str]:
    error = loop["last_error"] or "-"
    if len(error) > MOST_OF_AN_ERROR:
        error = f"{error[: MOST_OF_AN_ERROR - 1]}…"
    rate = f"{loop['performance']['success_rate']:.1%}"
    return [
        loop["name"],
        "stuck" if loop.get("stuck") else loop["state"],
        f"{loop['current_iteration']:,}",
        _seconds(loop.get("in_progress")),
        _ago(loop.get("last_run")),
        rate,
        f"{loop['consecutive_errors']:,}",
        error,
    ]


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:,.1f} s"


def _ago(seconds: float | None) -> str:
    return "-" if seconds is None else f"{_seconds(seconds)} ago"


def _node(entry: tuple[str, Mapping[str, Any]]) -> list[str]:
    name, found = entry
    node = found if "total_executions" in found else found.get("node", {})
    if "total_executions" not in node:
        return [name, "-", "-", "-", "-", "-", "-"]
    calls, healed = f"{node['total_executions']:,}", f"{node['heal_count']:,}"
    return [
        name,
        node["state"],
        calls,
        f"{node['success_rate']:.1%}",
        healed,
        node["plan"]["strategy"],
        node["breaker"],
    ]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, *rows]
    return in_columns(lines) if len(lines) > 1 else ""
