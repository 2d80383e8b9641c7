"""What a replay found, told to people."""

from __future__ import annotations

import textwrap
import time

from unbreakable.replay.compare import FIGURES, Figure
from unbreakable.replay.whatif import WhatIf

NAMES = {"success": "success", "p50": "p50", "p90": "p90", "p99": "p99", "requests": "requests per call"}
WIDTH = 110  # characters of a line
SLACK = 0.002  # of a success rate, of requests, of seconds: what our own code takes is no part of a replay
NONE = "no difference that can be told"


def text_of(found: WhatIf) -> str:
    """Return it as a table, with what has to be known to read it."""
    rows = [["", "recorded", "as it was", "changed", "difference"]]
    for name in FIGURES:
        before, after, difference = (getattr(side, name) for side in (found.before, found.after, found.difference))
        told = _figure(name, difference, "+") if difference.can_be_told else NONE
        rows.append(
            [NAMES[name], _value(name, found.recorded[name]), _figure(name, before), _figure(name, after), told]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*_headlines(found), "", *table, "", *_notes(found)])


def _headlines(found: WhatIf) -> list[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.began))
    return [
        f"{found.node}: {found.calls:,} calls within {found.span:,.1f} s from {when} on",
        f"changed: {', '.join(found.changes)}; {found.replays} replays of each side",
    ]


def _notes(found: WhatIf) -> list[str]:
    notes = ["Brackets hold 95 % intervals. Calls that failed count with the time that they took."]
    off = [NAMES[name] for name in FIGURES if not _holds(getattr(found.before, name), found.recorded[name])]
    if off:
        notes.append(f"The replay does not reproduce what was recorded ({', '.join(off)}): trust the difference less.")
    notes += [f"{text[:1].upper()}{text[1:]}." for text in found.assumed]
    if found.left_out:
        notes.append(f"{found.left_out:,} earlier calls are left out; --calls takes in more.")
    if found.lost:
        notes.append(f"{found.lost:,} calls were not recorded: they came too fast, or could not be written.")
    if found.others:
        names = ", ".join(f"{name} ({count:,})" for name, count in list(found.others.items())[:5])
        notes.append(f"Other nodes in this trace, for --node: {names}.")
    return [line for note in notes for line in textwrap.wrap(note, WIDTH)]


def _holds(figure: Figure, value: float) -> bool:
    return figure.low - SLACK <= value <= figure.high + SLACK


def _figure(name: str, figure: Figure, sign: str = "") -> str:
    low, high = (_number(name, each, figure.value, sign) for each in (figure.low, figure.high))
    return f"{_value(name, figure.value, sign)} ({low} to {high})"


def _value(name: str, value: float, sign: str = "") -> str:
    unit = {"success": " %", "requests": ""}.get(name, " ms" if abs(value) < 1 else " s")
    return f"{_number(name, value, value, sign)}{' points' if sign and name == 'success' else unit}"


def _number(name: str, value: float, like: float, sign: str) -> str:
    """Return *value* in the unit that *like* is shown in."""
    if name == "success":
        return f"{100 * value:{sign}.2f}"
    if name == "requests":
        return f"{value:{sign}.3f}"
    return f"{1000 * value:{sign}.1f}" if abs(like) < 1 else f"{value:{sign}.2f}"
