"""A command that cannot do what it was asked says why, with exit code 2."""

from __future__ import annotations

import click


class Unusable(click.ClickException):
    """Say that the command cannot be run as asked."""

    exit_code = 2
