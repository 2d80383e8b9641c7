"""Targets of one name are predicted, and judged, each by itself."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class Client:
    """A client of a partner that takes about so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.dice = seconds, random.Random(seconds)

    async def ask(self) -> None:
        await sleep(self.seconds * self.dice.lognormvariate(0.0, 0.3))


def twice(first, second) -> None:
    """Ask both, one after the other, 2,600 times."""

    async def main() -> None:
        for _ in range(2_600):
            await first()
            await second()
            await sleep(0.01)

    with virtual_time(1):
        asyncio.run(main())


@pytest.mark.parametrize("name", [None, "partner"])
def test_two_operations_of_one_name_do_not_cost_each_other_the_trust(name):
    """The one takes twenty milliseconds, as predicted of it, and the other two seconds, as predicted of that."""
    engine, quick, slow = ub.QuantumSimulationEngine(), Client(0.02), Client(2.0)
    twice(
        lambda: engine.execute_quantum(quick.ask, name=name, effects="none"),
        lambda: engine.execute_quantum(slow.ask, name=name, effects="idempotent"),
    )
    target = name or f"{__name__}.Client.ask"
    found = engine.get_quantum_stats().calibration[target]

    assert 4_000 < found.n
    assert 0.8 < found.within_bands
    assert 0.44 < found.within_p50 < 0.56
    assert engine.simulate(target).distrust is None
    assert ["adaptive", "adaptive"] == [node.target.plan.strategy for node, _ in engine._jobs.values()]


def test_two_protected_functions_of_one_name_do_not_either():
    """A search and a booking at one partner, as most would name them."""
    search = ub.protect("partner", effects="none")(Client(0.02).ask)
    book = ub.protect("partner", effects="idempotent")(Client(2.0).ask)
    twice(search, book)

    assert ["adaptive", "adaptive"] == [each.node.target.plan.strategy for each in (search, book)]


def test_an_engine_that_was_given_namesakes_tells_of_both():
    """Their calls are counted together, each compared with what was predicted of it."""
    engine, nodes = ub.QuantumSimulationEngine(), []
    for seconds in (0.02, 2.0):
        nodes.append(ub.FractalNode("partner", operation=Client(seconds).ask, effects="none"))
        engine.adopt(nodes[-1])
    twice(nodes[0].execute, nodes[1].execute)
    found = engine.get_quantum_stats().calibration

    assert ["partner"] == [*found]
    assert 4_000 < found["partner"].n
    assert 0.8 < found["partner"].within_bands
