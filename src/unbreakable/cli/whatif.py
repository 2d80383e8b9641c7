"""`unbreakable whatif`: recorded calls under other settings."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unbreakable.cli.saying import Unusable
from unbreakable.errors import ConfigurationError, StateError
from unbreakable.simulation.numbers import in_words


@click.command(short_help="Replay recorded calls under other settings.")
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting to change, such as budget=off.")
@click.option("--node", help="Whose calls.  [default: the node with most]")
@click.option(
    "--calls", "most_calls", type=click.IntRange(40), default=2_000, show_default=True, help="At most, the last."
)
@click.option("--replays", type=click.IntRange(2, 100), default=4, show_default=True, help="Each with other luck.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Which luck.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def whatif(
    trace: Path, settings: tuple[str, ...], node: str | None, most_calls: int, replays: int, seed: int, as_json: bool
) -> None:
    """Play recorded calls in virtual time, under the settings that were in force and with others, and compare.

    TRACE is a file that ub.record_trace() has written.  The policies are the real ones; what becomes of an attempt is
    what was recorded of it, else what became of others near it in time.  Exit code 2: it cannot be done as asked.
    """
    try:
        from unbreakable.replay import Changes, what_if
        from unbreakable.replay.telling import text_of
    except ImportError as error:
        raise Unusable(in_words(error, "replays are compared")) from error

    try:
        changes = Changes(settings)
        if not settings:
            raise ConfigurationError("nothing is to be changed: give --set NAME=VALUE, such as --set retry.attempts=5")
        found = what_if(trace, changes, node=node, replays=replays, most_calls=most_calls, seed=seed)
    except (ConfigurationError, StateError) as error:
        raise Unusable(str(error)) from error
    click.echo(json.dumps(found.to_dict()) if as_json else text_of(found))
