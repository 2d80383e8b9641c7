"""Sum up how a node is doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from unbreakable.fractal.status import Latency, NodeStatus
from unbreakable.fractal.target import Target
from unbreakable.policies import State
from unbreakable.stats import Counts, Quantile

RESTING = (State.OPEN, State.HALF_OPEN, State.RAMPING, State.FORCED_OPEN)


def survey(node: Any) -> NodeStatus:
    """Return the status of *node*, what its children did and learned included."""
    family, counts = node.family.now()
    children = tuple(survey(child) for child in family)
    own, asked, targets = node.targets.every(), node.targets.asked(), targets_of(node)
    add_up(counts, node, children)
    rate = counts.value()
    resting = [target.circuit.state for target in own if target.circuit.state in RESTING]
    gates = {id(target.gate): target.gate for target in own if target.gate is not None}.values()  # twins share theirs
    remedies = remedies_of(targets)
    return NodeStatus(
        name=node.name,
        state="resting" if resting else "new" if rate is None else "working",
        total_executions=counts.finished,
        success_count=counts.ok + counts.healed,
        failure_count=counts.failed,
        heal_count=counts.healed,
        degraded_count=counts.degraded,
        copies_sent=node.copies.sent,
        copies_won=node.copies.won,
        success_rate=1.0 if rate is None else rate,
        heal_rate=counts.heal_rate or 0.0,
        latency=latency_of(targets),
        breaker=(resting[0] if resting else node.breaker.state).value,
        limit=max((target.gate.most for target in asked if target.gate is not None), default=None),
        in_flight=sum(gate.inside for gate in gates) if gates else None,
        budget=None if node.budget is None else node.budget.level(node.payer.successes(), node.drivers[0].now()),
        throttle=throttled(node, own),
        signatures=len(remedies),
        remedies=remedies,
        plan=max((target.plan for target in asked), key=attrgetter("observations")).to_dict(),
        foresights=foresights_of(targets),
        background=lessons_of(targets),
        shadows=shadows_of(own),
        children=children,
    )


def throttled(node: Any, targets: Sequence[Target]) -> float | None:
    """Return which share of the calls is refused by a throttle, with ``key`` the most of any; None without one."""
    now = node.drivers[0].now()
    shares = [target.flow.share(now) for target in targets if target.flow is not None and target.flow.shedding]
    return max(shares, default=None)


def targets_of(node: Any) -> list[Target]:
    """Return the targets of *node* and of all nodes under it."""
    return [*node.targets.every(), *(target for child in list(node.children) for target in targets_of(child))]


def remedies_of(targets: Sequence[Target]) -> dict[str, dict[str, dict[str, float]]]:
    """Return by signature how each remedy did, over all *targets*."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for experience in {id(target.experience): target.experience for target in targets}.values():  # twins share theirs
        for signature, scores in experience.to_dict().items():
            known = found.setdefault(signature, {})
            for name, score in scores.items():
                known[name] = score if name not in known else _together(known[name], score)
    return found


def foresights_of(targets: Sequence[Target]) -> dict[str, dict[str, Any]]:
    """Return by signature what is foreseen; of several targets, what the one foresees that has prevented most."""
    found: dict[str, dict[str, Any]] = {}
    for experience in {id(target.experience): target.experience for target in targets}.values():  # twins share theirs
        for signature, told in ({} if experience.outlook is None else experience.outlook.to_dict()).items():
            if signature not in found or told["prevented"] > found[signature]["prevented"]:
                found[signature] = told
    return found


def _together(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Return two records of a remedy as one: what was seen is added, estimates are weighed by it."""
    tried = one["tried"] + other["tried"]
    weight = one["tried"] / tried if tried else 0.5
    return {
        "tried": tried,
        "worked": one["worked"] + other["worked"],
        "estimate": weight * one["estimate"] + (1.0 - weight) * other["estimate"],
    }


def counts_of(node: Any) -> Counts:
    """Return how the calls of *node* and its children ended."""
    children, counts = node.family.now()
    counts.merge(node.targets.tally())
    for child in children:
        counts.merge(counts_of(child))
    return counts  # type: ignore[no-any-return]


def add_up(counts: Counts, node: Any, children: Sequence[NodeStatus]) -> None:
    """Add to *counts* how the calls of *node* and its *children* ended."""
    counts.merge(node.targets.tally())
    for child in children:
        counts.update(
            ok=child.success_count - child.heal_count,
            healed=child.heal_count,
            degraded=child.degraded_count,
            failed=child.failure_count,
        )


def latency_of(targets: Sequence[Target]) -> Latency:
    """Return how long successes took, those not folded yet included."""
    latency, piled = Quantile(), list[float]()
    latency.merge_all(each for target in targets for each in (target.latency, target.in_haste))
    for target in targets:
        piled += [*target.ring, *(detour.attempt for detour in list(target.detours))]
    latency.update_many(piled)
    return Latency(p50=latency.value(0.5), p90=latency.value(0.9), p99=latency.value(0.99))


def shadows_of(targets: Sequence[Target]) -> dict[str, dict[str, int]]:
    """Return what policies that only measure would have done, over all *targets*."""
    found: dict[str, dict[str, int]] = {}
    for shades in {id(target.shades): target.shades for target in targets if target.shades}.values():  # twins share
        for name, counts in shades.value().items():
            known = found.setdefault(name, {})
            for what, number in counts.items():
                together = max if what.startswith("most") else int.__add__
                known[what] = together(known.get(what, 0), number)
    return found


def lessons_of(targets: Sequence[Target]) -> dict[str, int]:
    """Return how often each background sub-operation ran."""
    learned: dict[str, int] = {}
    for target in targets:
        for path, times in list(target.learned.items()):
            learned[path] = learned.get(path, 0) + times
    return learned
