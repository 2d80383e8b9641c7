"""What an engine cannot do anything with is refused where it is given."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError


def rows() -> Iterator[int]:
    yield 1


async def pages() -> AsyncIterator[int]:
    yield 1


class Source:
    def __call__(self) -> Iterator[int]:
        yield 1

    def rows(self) -> Iterator[int]:
        yield 1


def seven() -> int:
    return 7


@pytest.mark.parametrize("own", [["mine", "mine"], ["random"], ["patient", "balanced"]])
def test_strategies_of_one_name_are_refused(own):
    """Of two of one name only the better would be shown, and one that is called "random" is never chosen."""
    with pytest.raises(
        ConfigurationError, match=r"strategies must be .+ of a name that no other has, of the seven either"
    ):
        ub.QuantumSimulationEngine(strategies=[ub.Strategy(name, retry=ub.Retry(9)) for name in own])


@pytest.mark.parametrize("items", [rows, pages, functools.partial(rows), Source(), Source().rows])
def test_generators_are_refused(items):
    """Calling one does nothing: what fails later would be told as a success."""
    engine, wanted = ub.QuantumSimulationEngine(), "must be a function that returns: calling a generator does nothing"

    with pytest.raises(ConfigurationError, match=f"operation {wanted}"):
        asyncio.run(engine.execute_quantum(items))
    with pytest.raises(ConfigurationError, match=f"operation {wanted}"):
        engine.execute_quantum_sync(items)
    with pytest.raises(ConfigurationError, match=rf"alternatives\['other'\] {wanted}"):
        engine.execute_quantum_sync(seven, alternatives={"other": items})
    assert 0 == engine.get_quantum_stats().total_executions
