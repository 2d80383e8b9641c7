"""Which settings are to be changed, as they are written on the command line: ``retry.attempts=5``, ``budget=off``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from unbreakable.errors import ConfigurationError
from unbreakable.plain import nearest
from unbreakable.policies import Plan, check
from unbreakable.policies.effects import checked, may_run_twice_at_once
from unbreakable.policies.strategy import NAMES
from unbreakable.replay.settings import IN_A_PLAN, KINDS, PARTS

SHORT = {"timeout": "timeout.seconds", "hedge": "hedge.after", "retry": "retry.attempts", "budget": "budget.ratio"}
WORDS = {"effects"}  # settings that are words, of which "none" is one
OFF, ON = ("off", "none", "false"), ("on", "true")
HIDDEN = {"retry.on", "timeout.learned", "timeout.cut_threads", "hedge.threads"}
EXAMPLE = "--set retry.attempts=5"


def _names() -> tuple[str, ...]:
    found = ["deadline", "effects", "strategy"]
    for policy, kind in KINDS.items():
        found.append(policy)
        for field in kind.fields:
            part = None if field == "slow" else PARTS.get((policy, field))
            inner = () if part is None else [f"{policy}.{field}.{each}" for each in part.fields]
            found += inner or [f"{policy}.{field}"]
    return tuple(sorted(name for name in found if name not in HIDDEN))


SETTINGS = _names()


class Changes:
    """Hold what is to be other than recorded: *texts* such as "hedge.after=0.2"; raises ConfigurationError.

    >>> Changes(["retry.attempts=5"]).of(Plan()).retry.attempts
    5
    >>> Changes(["retry.attemps=5"])
    Traceback (most recent call last):
    unbreakable.errors.ConfigurationError: --set retry.attemps=5: no setting is called retry.attemps (did you mean \
'retry.attempts'?)
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(texts)
        self._values: dict[str, Any] = {}
        for text in self.texts:
            name, given, value = text.partition("=")
            name = name.strip()
            if not given or not value.strip():
                raise ConfigurationError(f"--set {text}: expected NAME=VALUE, such as {EXAMPLE}")
            if name not in SETTINGS:
                raise ConfigurationError(f"--set {text}: no setting is called {name}{nearest(name, SETTINGS)}")
            self._values[name] = value.strip() if name in WORDS else _read(text, value.strip())
        self.of(Plan())  # refuses what fits no plan

    @property
    def strategy(self) -> str | None:
        """Return the strategy that is to be followed instead of the recorded settings, None for those."""
        return self._values.get("strategy")

    def of(self, plan: Plan) -> Plan:
        """Return *plan* with the changes; raise ConfigurationError for a value that its setting cannot have."""
        try:
            changed: Any = replace(plan, **self._others())
            for name in self._values:
                policy = name.partition(".")[0]
                if policy in KINDS:
                    field = IN_A_PLAN.get(policy, policy)
                    changed = replace(changed, **{field: self._changed(policy, name, getattr(changed, field))})
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"--set {', '.join(self.texts)}: {error}") from error
        return cast("Plan", changed)

    def check(self, plan: Plan) -> None:
        """Raise ConfigurationError for what would have no effect under the recorded *plan*."""
        changed = self.of(plan)
        asks = any(name.partition(".")[0] == "hedge" for name in self._values)
        if asks and changed.hedge is not None and not may_run_twice_at_once(changed.effects):
            raise ConfigurationError(
                f'--set {", ".join(self.texts)}: there are no copies of calls with effects="{changed.effects}": only '
                "effects=none and effects=idempotent say that they may run twice at once"
            )

    def options(self, told: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
        """Return what a node is made with whose settings were *told*, and which follows a strategy from there.

        That is what its user had pinned, as changed; the strategy says the rest.
        """
        names = {
            *(name for name in told["pinned"] if name in KINDS),
            *(name.partition(".")[0] for name in self._values),
        }
        changed = self.of(plan)
        return {name: getattr(changed, IN_A_PLAN.get(name, name)) or False for name in names if name in KINDS}

    def _others(self) -> dict[str, Any]:
        values = self._values
        others: dict[str, Any] = {}
        if "deadline" in values:
            others["deadline"] = deadline = math.inf if values["deadline"] is None else values["deadline"]
            check.seconds("deadline", deadline, positive=True, endless=True)
        if "effects" in values:
            others["effects"] = checked(values["effects"])
        if "strategy" in values:
            if values["strategy"] not in NAMES:
                raise ConfigurationError(f"strategy must be one of {', '.join(NAMES)}, not {values['strategy']}")
            others["strategy"] = values["strategy"]
        return others

    def _changed(self, policy: str, name: str, now: Any) -> Any:
        value = self._values[name]
        if name == policy and value is None:
            return None
        now = now if now is not None else KINDS[policy]()
        if name == policy:
            if value is True:
                return now
            if policy not in SHORT:
                raise ConfigurationError(f"{name} is on or off; its parts are {', '.join(_parts(policy))}")
            name = SHORT[policy]
        path = name.split(".")[1:]
        changed = _replaced(now, path, value)
        if policy == "timeout":
            return replace(changed, learned=False, cut_threads=True)
        return replace(changed, threads=True) if policy == "hedge" else changed


def _parts(policy: str) -> list[str]:
    return [name for name in SETTINGS if name.startswith(f"{policy}.")]


def _replaced(now: Any, path: list[str], value: Any) -> Any:
    if len(path) == 1:
        is_switch = isinstance(getattr(now, path[0]), bool)
        return replace(now, **{path[0]: bool(value) if is_switch and value is None else value})
    return replace(now, **{path[0]: _replaced(getattr(now, path[0]), path[1:], value)})


def _read(text: str, value: str) -> Any:
    """Return the value that *value* means: a number, a word, True, or None for off."""
    if value.lower() in (*OFF, *ON):
        return value.lower() in ON or None
    try:
        number = float(value)
    except ValueError:
        return value
    if math.isnan(number):
        raise ConfigurationError(f"--set {text}: {value} is not a number")
    return int(number) if number.is_integer() and "." not in value and "e" not in value.lower() else number
