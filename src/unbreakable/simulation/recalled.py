"""What a memory knows of a target that nobody has called here yet."""

from __future__ import annotations

import functools
from typing import NamedTuple

from unbreakable.fractal import Memory
from unbreakable.fractal.settings import Settings, settle
from unbreakable.policies import Plan
from unbreakable.runtime.chore import quietly
from unbreakable.stats import Traffic


class Recalled(NamedTuple):
    """Hold how calls of a target are made, the plan that was in force, and what it rests on."""

    settings: Settings
    plan: Plan
    traffic: Traffic


def recalled(memory: Memory | None, target: str) -> Recalled:
    """Return what *memory* knows of *target*; where there is none, or it fails, nothing."""
    settings, found = settle(target, {}), list[Recalled]()
    if memory is not None:
        quietly(functools.partial(_look, memory, target, settings, found))
    return found[0] if found else Recalled(settings, settings.cold(), Traffic())


def _look(memory: Memory, target: str, settings: Settings, found: list[Recalled]) -> None:
    known = memory.get(target)
    if known is None:
        return
    plan = settings.cold()
    if known["plan"] is not None:
        plan = Plan.from_record(known["plan"])
        settings = settle(target, {"effects": plan.effects, "deadline": plan.deadline})
    found.append(Recalled(settings, plan, Traffic.from_dict(known["traffic"])))
