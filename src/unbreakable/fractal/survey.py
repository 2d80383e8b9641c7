"""Sum up how a node is doing."""

from __future__ import annotations

from typing import Any

from unbreakable.fractal.status import Latency, NodeStatus
from unbreakable.policies import State
from unbreakable.stats import Counts, Quantile

RESTING = (State.OPEN, State.HALF_OPEN, State.FORCED_OPEN)


def survey(node: Any) -> NodeStatus:
    """Return the status of *node*, its children's calls included."""
    children = tuple(survey(child) for child in list(node.children))
    targets = node.targets.every()
    counts, latency, successes = Counts(), Quantile(), node.left_behind + node.targets.left_behind
    learned: dict[str, int] = {}
    for target in targets:
        counts.merge(target.counts)
        latency.merge(target.latency)
        latency.update_many(list(target.ring))
        successes += target.successes
        for path, times in target.learned.items():
            learned[path] = learned.get(path, 0) + times
    ok = successes - counts.healed + sum(child.success_count - child.heal_count for child in children)
    healed = counts.healed + sum(child.heal_count for child in children)
    degraded = counts.degraded + sum(child.degraded_count for child in children)
    failed = counts.failed + sum(child.failure_count for child in children)
    finished = ok + healed + degraded + failed
    resting = any(target.circuit.state in RESTING for target in targets)
    gate = node.target.gate
    experiences = {id(target.experience): target.experience for target in targets}.values()  # twins share theirs
    return NodeStatus(
        name=node.name,
        state="resting" if resting else "working" if finished else "new",
        total_executions=finished,
        success_count=ok + healed,
        failure_count=failed,
        heal_count=healed,
        degraded_count=degraded,
        success_rate=(ok + healed) / finished if finished else None,
        heal_rate=healed / (healed + failed) if healed + failed else None,
        latency=Latency(p50=latency.value(0.5), p90=latency.value(0.9), p99=latency.value(0.99)),
        breaker=node.breaker.state.value,
        limit=None if gate is None else gate.most,
        in_flight=None if gate is None else gate.inside,
        budget=None if node.budget is None else node.budget.level(node.payer.successes(), node.drivers[0].now()),
        signatures=sum(len(experience) for experience in experiences),
        remedies={signature: scores for each in experiences for signature, scores in each.to_dict().items()},
        plan=node.target.plan.to_dict(),
        background=learned,
        children=children,
    )
