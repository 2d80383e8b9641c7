"""`unbreakable demo`: book journeys on flaky partners, without protection beside with it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import click

from unbreakable.cli.number import Number
from unbreakable.cli.saying import Unusable
from unbreakable.demo.state import INTERRUPTED, Settings, State
from unbreakable.errors import StateError


@click.command(short_help="Book journeys on flaky servers, twice.")
@click.option("--seed", type=int, help="Which story is played.  [default: 1]")
@click.option("--fault-rate", type=Number(0.0, 1.0), help="Share of requests that fail.  [default: 0.05]")
@click.option("--bookings", type=click.IntRange(1, 100_000), help="How many customers come.  [default: 1000]")
@click.option("--kill-partner", is_flag=True, default=None, help="One partner is dead for 3 s in the middle.")
@click.option(
    "--state",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".unbreakable"),
    show_default=True,
    help="Where state lives; a demo that was killed is taken up again from there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def demo(
    seed: int | None,
    fault_rate: float | None,
    bookings: int | None,
    kill_partner: bool | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Book journeys (search, hold hotel, pay, confirm) on real flaky servers, twice: without protection, then with it.

    Exit code 0: every protected booking was done. 1: one failed, was lost or charged twice. 2: the demo could not be
    run as asked. 130: interrupted; the same command takes it up again.
    """
    given = {"seed": seed, "fault_rate": fault_rate, "bookings": bookings, "kill_partner": kill_partner}
    try:
        runs = _load()
        with State(folder / "demo") as state:
            unfinished = state.unfinished()
            settings = _settings(given, unfinished)
            click.echo(_headline(settings, resume=unfinished is not None), err=True)
            report = asyncio.run(runs.compare(settings, state, sys.stderr, resume=unfinished is not None))
    except StateError as error:
        raise Unusable(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    click.echo(json.dumps(report.to_dict()) if as_json else f"\n{report.text()}")
    sys.exit(0 if report.passed else 1)


def _load() -> ModuleType:
    """Import what plays the demo, or say which extra brings what is missing."""
    try:
        from unbreakable.demo import runs
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"httpx2", "httpcore2", "h11"}:
            raise
        raise Unusable(f"the demo needs {error.name}: pip install 'unbreakable[demo]'") from error
    return runs


def _settings(given: Mapping[str, object], unfinished: Settings | None) -> Settings:
    """Fill in what was not given: from the unfinished demo if there is one, which nothing given may contradict."""
    wanted = {name: value for name, value in given.items() if value is not None}
    before = asdict(unfinished or Settings())
    differing = [name for name, value in wanted.items() if before[name] != value]
    if unfinished is not None and differing:
        names = ", ".join(f"--{name.replace('_', '-')} {before[name]}" for name in differing)
        raise StateError(
            f"an unfinished demo with {names} is in the state folder: run again without these options to finish it, "
            "or give another folder with --state"
        )
    return Settings(**{**before, **wanted})


def _headline(settings: Settings, *, resume: bool) -> str:
    killed = ", one partner dead for 3 s" if settings.kill_partner else ""
    return (
        f"{'Taking up' if resume else 'Playing'} seed {settings.seed}: {settings.bookings:,} bookings, "
        f"{settings.fault_rate:.0%} of requests fail{killed}"
    )
