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


class Odd:
    """Be a word that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None


@pytest.mark.parametrize("word", [[], {}, Odd(), b"none"])
@pytest.mark.parametrize("what", ["effects", "name"])
def test_what_is_no_word_is_refused_in_words(what, word):
    """Be it a list, or what cannot even be compared with the four."""
    with pytest.raises(ConfigurationError, match=f"{what} must be"):
        ub.QuantumSimulationEngine().execute_quantum_sync(seven, **{what: word})


@pytest.mark.parametrize("large", [1e308, 1e306])
def test_weights_whose_sum_is_no_number_to_reckon_with_are_refused(large):
    """They would have made every score infinite, or none."""
    with pytest.raises(ConfigurationError, match="ScoreWeights must be weights"):
        ub.ScoreWeights(time=large, quality=large, risk=large)


def test_names_in_a_decision_do_nothing_to_the_terminal():
    """Escape codes and line ends are shown as what they are: a name may be a stranger's."""
    evil = "\x1b[2J\r\nx\x9b"
    engine = ub.QuantumSimulationEngine(8, strategies=[ub.Strategy(f"my{evil}", retry=ub.Retry(6))])
    decision = engine.simulate(f"flüge{evil}")

    for text in (decision.explain(), decision._repr_html_()):
        assert [] == [mark for mark in text if not mark.isprintable() and mark != "\n"]
        assert "my\\x1b[2J\\r\\nx\\x9b" in text
        assert "flüge\\x1b[2J\\r\\nx\\x9b" in text
    assert len(decision.explain().splitlines()) == 3 + len(decision.universes)


@pytest.mark.parametrize("bind", [False, True])
def test_another_way_that_cannot_be_asked_is_refused(bind):
    """One that needs two arguments would never be asked, since each try of it fails: it is named at once."""
    engine = ub.QuantumSimulationEngine()

    class Fleet:
        def replica(self, ctx: ub.Context, region: str) -> str:
            return region

        def nearest(self, ctx: ub.Context, region: str = "CAI") -> str:
            return region

    def replica(ctx: ub.Context, region: str) -> str:
        return region

    wrong = Fleet().replica if bind else replica
    right = Fleet().nearest if bind else functools.partial(replica, region="CAI")

    for _ in range(2):  # what is remembered of it is refused, too
        with pytest.raises(ConfigurationError, match=r"alternatives\['replica'\].*context or nothing"):
            engine.execute_quantum_sync(lambda: "GIZ", alternatives={"replica": wrong})
    assert engine.execute_quantum_sync(lambda: "GIZ", alternatives={"replica": right}) in ("GIZ", "CAI")
