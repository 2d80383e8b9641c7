"""The `unbreakable` command: finds the verb and loads nothing else."""

from __future__ import annotations

from importlib import import_module

import click

VERBS = {
    "demo": "unbreakable.cli.demo:demo",
    "explain": "unbreakable.cli.explain:explain",
    "run": "unbreakable.cli.run:run",
    "status": "unbreakable.cli.status:status",
    "whatif": "unbreakable.cli.whatif:whatif",
}


class Verbs(click.Group):
    """A group whose verbs are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb; None when there is none of this name."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{VERBS[cmd_name]} is not a command")
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="unbreakable", prog_name="unbreakable")
def main() -> None:
    """Keep unreliable work running, and get better at it without anybody tuning it."""
