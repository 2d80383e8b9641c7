"""What an engine does for nodes and protected functions that are not its own."""

from __future__ import annotations

import asyncio

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation import numbers
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def test_two_of_one_name_are_two():
    """What both executed is counted."""
    engine = ub.QuantumSimulationEngine()
    first, second = ub.protect("partner")(lambda: 1), ub.protect("partner")(lambda: 2)
    for each in (first, second):
        engine.adopt(each)
    for _ in range(10):
        first()
    second()

    assert 11 == engine.get_quantum_stats().total_executions


def plan_of(mine: ub.Strategy, *phases: list[float], **pinned: object) -> dict[str, object]:
    """Return the plan in force after so many answers' seconds, phase by phase, with *mine* preferred for its speed."""
    weights = ub.ScoreWeights(time=1, quality=0, risk=0)
    engine = ub.QuantumSimulationEngine(strategies=[mine], weights=weights)

    @ub.protect("ask", effects="none", breaker=False, **pinned)
    async def ask(seconds: float) -> None:
        await sleep(seconds)

    async def main() -> None:
        engine.adopt(ask)
        numbers.at_hand()
        for phase in phases:
            for seconds in phase:
                await ask(seconds)

    with virtual_time():
        asyncio.run(main())
    return dict(ask.node.get_status().plan)


SLOW_TAIL = [0.02, 0.02, 0.02, 0.02, 0.45] * 120


def test_what_a_strategy_of_the_user_s_own_sets_is_in_force():
    """Two copies early win where only time counts; what it leaves open is learned."""
    plan = plan_of(ub.Strategy("mine", hedge=ub.Hedge(0.03, most=2), retry=ub.Retry(1)), SLOW_TAIL)

    assert ("mine", 1, 0.03) == (plan["strategy"], plan["attempts"], plan["hedge"])
    assert isinstance(plan["timeout"], float)


def test_what_is_pinned_at_the_node_is_no_strategy_s_to_change():
    """A strategy that was handed in for many nodes sends no copies where they are switched off."""
    mine = ub.Strategy("mine", hedge=ub.Hedge(0.03, most=2), retry=ub.Retry(1))
    plan = plan_of(mine, SLOW_TAIL, hedge=False, retry=ub.Retry(2))

    assert (2, None) == (plan["attempts"], plan["hedge"])
