"""Find a world by its name."""

from __future__ import annotations

from benchmarks.truth.drawn import drawn
from benchmarks.truth.worlds import WORLDS, World


def world_of(name: str) -> World:
    """Return the world of that name: W1 to W9, or R7.12 for the twelfth that seed 7 draws."""
    if name in WORLDS:
        return WORLDS[name]
    seed, dot, number = name.removeprefix("R").partition(".")
    if not (name.startswith("R") and dot and seed.isdecimal() and number.isdecimal()):
        raise SystemExit(f"no world is named {name!r}: there are {', '.join(WORLDS)}, and R<seed>.<number>")
    return drawn(int(seed), int(number))
