"""A number that is given on the command line is one: nan compares with nothing, and so would pass every range."""

from __future__ import annotations

import math
from typing import Any

import click


class Number(click.FloatRange):
    """Take a finite number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fail for what is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number
