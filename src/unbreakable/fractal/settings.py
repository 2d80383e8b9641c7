"""What the user pinned for a node, checked where it is written."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any

from unbreakable.errors import ConfigurationError
from unbreakable.fractal.judging import Shape, Verify, checked_schema
from unbreakable.fractal.operation import takes_one
from unbreakable.fractal.ports import Memory
from unbreakable.plain import nearest
from unbreakable.policies import Fallback, Hedge, Plan, Strategy, check
from unbreakable.policies.check import refuse
from unbreakable.policies.effects import Effects, checked, may_run_twice_at_once
from unbreakable.policies.plan import COLD_DEADLINE
from unbreakable.policies.strategy import NAMES, POLICIES, fits
from unbreakable.record import Record
from unbreakable.runtime import is_async


class Settings(Record):
    """Hold what was pinned; a policy at None is learned, at False off."""

    name: str
    effects: Effects
    validate: Callable[..., object] | None
    schema: Shape | None
    verify: Verify | None
    fallback: Fallback | None
    deadline: float | None
    key: Callable[..., Any] | None
    strategy: str
    pinned: dict[str, Any]
    shadows: dict[str, Any]  #: policies that only measure what they would do
    memory: Memory | None

    def cold(self) -> Plan:
        """Return the plan that is in force before anything was learned."""
        chosen: dict[str, Any] = {IN_A_PLAN.get(name, name): value or None for name, value in self.pinned.items()}
        deadline = COLD_DEADLINE if self.deadline is None else self.deadline
        return Plan(**chosen, deadline=deadline, effects=self.effects, strategy=self.strategy, shadows=self.shadows)

    def for_guests(self) -> Settings:
        """Return what holds of it for operations of which nothing is known.

        What may be done with the node's own, what its answers look like and what stands in for them is not said of
        theirs; only that nothing may be done twice is heeded for them, too.
        """
        effects: Effects = "once" if self.effects == "once" else "unknown"
        return Settings(**{**vars(self), "effects": effects, "schema": None, "verify": None, "fallback": None})

    def leaves(self, name: str) -> bool:
        """Return whether the policy of that name is left to be learned, be it from a first guess on."""
        return name not in self.pinned or bool(getattr(self.pinned[name], "learned", False))


IN_A_PLAN = {"limit": "concurrency"}  # where a limit is one of seconds
OPTIONS = {*POLICIES, *Settings.fields, "remedies", "system"} - {"name", "pinned", "shadows"}
OFFERED = tuple(sorted(OPTIONS))


def check_names(name: str, options: Iterable[str], taker: Callable[..., Any]) -> None:
    """Refuse what is no option of *taker*, the class or function that was called, and say which it may have meant."""
    for option in options:
        if option not in OPTIONS:
            raise ConfigurationError(f"{name}: {option} is not an option{nearest(option, offered_by(taker))}")


def offered_by(taker: Callable[..., Any]) -> list[str]:
    """Return the options of *taker*, its own first; those of ``protect`` too if it takes any keyword."""
    parameters = inspect.signature(taker).parameters.values()
    own = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
    takes_more = any(each.kind is each.VAR_KEYWORD for each in parameters)
    return [*own, *(option for option in OFFERED if option not in own)] if takes_more else own


def settle(name: str, options: dict[str, Any]) -> Settings:
    """Return checked settings; ConfigurationError names the option that is wrong."""
    strategy = options.get("strategy", "adaptive")
    if not (strategy in NAMES or isinstance(strategy, Strategy)):
        raise refuse(f"{name}: strategy", f"one of {', '.join(NAMES)}, or a ub.Strategy", strategy)
    pinned = strategy.pinned() if isinstance(strategy, Strategy) else {}
    options, shadows = without_shadows(name, options)
    for policy in POLICIES:
        fits(f"{name}: {policy}", policy, options.get(policy))
        if options.get(policy) is not None:
            pinned[policy] = options[policy]
    return Settings(
        name=name,
        effects=checked(options.get("effects", "unknown")),
        validate=plain_function(name, "validate", options.get("validate")),
        schema=checked_schema(f"{name}: schema", options.get("schema")),
        verify=_verification(name, options.get("verify")),
        fallback=_fallback(name, options.get("fallback")),
        deadline=_deadline(name, options.get("deadline")),
        key=plain_function(name, "key", options.get("key")),
        strategy=strategy.name if isinstance(strategy, Strategy) else strategy,
        pinned=pinned,
        shadows=shadows,
        memory=_memory(name, options.get("memory")),
    )


def without_shadows(name: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return *options* with what is in force beside each ``ub.Shadow``, and the policies in the shadows."""
    shadows: dict[str, Any] = {}
    kind: Any = getattr(sys.modules.get("unbreakable.policies.shadow"), "Shadow", None)  # who has one has loaded it
    for policy in POLICIES if kind is not None else ():  # another thread may be in the middle of loading it
        shadow = options.get(policy)
        if isinstance(shadow, kind):
            path = f"{name}: {policy}: Shadow.policy"
            if shadow.policy is None or shadow.policy is False:
                raise refuse(path, "a policy to measure", shadow.policy)
            fits(path, policy, shadow.policy)
            shadows[policy] = shadow.policy
            options = {**options, policy: shadow.beside}
    return options, shadows


def plain_function(name: str, option: str, value: Any) -> Any:
    """Return the function given as *option*, or None; refuse anything else, and what has to be awaited."""
    if value is not None and not callable(value):
        raise refuse(f"{name}: {option}", "a function", value)
    if value is not None and is_async(value):
        raise refuse(f"{name}: {option}", "a plain function, which does not wait for anything", value)
    return value


def _verification(name: str, value: Any) -> Verify | None:
    if value is None or isinstance(value, Verify):
        return value
    try:
        return Verify(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None


def check_hedge(name: str, effects: Any, hedge: Any) -> None:
    """Refuse copies of what may not be known to run twice at once: there would be none, and nobody would be told."""
    if isinstance(hedge, Hedge) and not may_run_twice_at_once(checked(effects)):
        expected = 'given with effects="none" or "idempotent", which say that it may run twice at once,'
        raise ConfigurationError(f'{name}: hedge must be {expected} not with effects="{effects}"')


def _fallback(name: str, value: Any) -> Fallback | None:
    if callable(value):
        takes_one(f"{name}: fallback", value)
    return None if value is None else Fallback(value)


def _memory(name: str, value: Any) -> Any:
    if value is not None and not all(callable(getattr(value, verb, None)) for verb in ("get", "add", "watch")):
        raise refuse(f"{name}: memory", "a ub.LocalMemory, or what has its get, add and watch", value)
    return value


def _deadline(name: str, value: Any) -> float | None:
    if value is not None:
        check.seconds(f"{name}: deadline", value, positive=True, endless=True)
    return None if value is None else float(value)
