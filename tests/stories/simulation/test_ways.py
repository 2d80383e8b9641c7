"""A job that can be done in several ways is done as long as one of them works."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.mark.parametrize("effects", ["none", "unknown", "once"])
def test_a_way_that_is_down_closes_no_other_one(effects):
    """The circuit is that of the job, which can still be done; when no way works, it opens."""
    engine, down, ended = ub.QuantumSimulationEngine(), set(), []

    def way(name: str, seconds: float):
        async def work() -> None:
            await sleep(seconds)
            if name in down:
                raise ConnectionRefusedError(name)

        return work

    primary, replica = way("primary", 0.01), way("replica", 0.02)

    async def herd(times: int) -> set[str]:
        how = {"name": "job", "effects": effects, "alternatives": {"replica": replica}}
        for _ in range(times):
            calls = (engine.execute_quantum(primary, **how) for _ in range(10))
            ended.extend(type(each).__name__ for each in await asyncio.gather(*calls, return_exceptions=True))
            await sleep(0.05)
        return set(ended)

    async def main() -> None:
        await herd(20)
        down.add("primary")
        assert "CircuitOpen" not in await herd(100)
        down.add("replica")
        assert "CircuitOpen" in await herd(10)

    with virtual_time():
        asyncio.run(main())
