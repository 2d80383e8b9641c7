"""What users see of the simulation engine: strategies weighed in a model, the best way found, figures that hold."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.testing import virtual_time


@pytest.fixture(autouse=True)
def clock():
    with virtual_time() as clock:
        yield clock


def target(seconds: float, fails: float = 0.0, seed: int = 1):
    """Return an operation that takes about so long and fails so often, and how often it was called."""
    dice, calls = random.Random(seed), []

    async def operation(ctx: ub.Context) -> int:
        calls.append(ctx.attempt)
        await asyncio.sleep(dice.lognormvariate(0.0, 0.3) * seconds)  # noqa: TID251 - virtual
        if dice.random() < fails:
            raise ConnectionError("reset")
        return 7

    return operation, calls


async def run(engine: ub.QuantumSimulationEngine, operation, times: int, **how):
    for _ in range(times):
        try:
            await engine.execute_quantum(operation, None, **how)
        except ConnectionError:
            continue


def test_an_operation_is_executed_exactly_once_per_request():
    """Weighing strategies executes nothing: a counting operation counts its requests."""
    engine = ub.QuantumSimulationEngine(universe_count=7)
    operation, calls = target(0.1)

    asyncio.run(run(engine, operation, 300, name="counted", effects="once"))
    for _ in range(50):
        engine.simulate("counted")

    assert 300 == len(calls)
    assert 300 == engine.get_quantum_stats().total_executions


def test_a_value_comes_back_and_an_error_stays_the_user_s():
    """The engine returns what the operation returns, and raises what it raises, with a note."""
    engine = ub.QuantumSimulationEngine()

    async def fails() -> None:
        raise LookupError("nothing there")

    async def story() -> None:
        assert {"city": "CAI"} == await engine.execute_quantum(lambda ctx: ctx.input, {"city": "CAI"}, name="plain")
        with pytest.raises(LookupError, match="nothing there") as caught:
            await engine.execute_quantum(fails)
        assert "unbreakable:" in caught.value.__notes__[0]

    asyncio.run(story())


def test_sync_code_has_the_same():
    """A plain function is run from plain code."""
    engine = ub.QuantumSimulationEngine()

    assert 3 == engine.execute_quantum_sync(lambda: 3, name="plain")
    assert 1 == engine.get_quantum_stats().total_executions


def test_the_first_use_is_planned_from_a_guess():
    """Before anything is known the cold settings are in force, under the name of the balanced strategy."""
    engine = ub.QuantumSimulationEngine()

    seen = []
    engine.execute_quantum_sync(lambda ctx: seen.append(ctx.strategy), name="new")

    stats = engine.get_quantum_stats()
    assert ["balanced"] == seen
    assert (1, {"balanced": 1}) == (stats.total_simulations, stats.best_strategies)
    assert None is stats.avg_speedup


def test_a_decision_shows_every_universe_and_the_reason():
    """What simulate() returns names the winner, says how old the model is, and explains all in words."""
    engine = ub.QuantumSimulationEngine(universe_count=7)
    operation, _ = target(0.05, fails=0.1)
    asyncio.run(run(engine, operation, 400, name="partner", effects="idempotent"))

    decision = engine.simulate("partner")

    assert "partner" == decision.target
    assert 7 == len(decision.universes)
    assert decision.winner in {each.strategy for each in decision.universes}
    assert decision.model_age is not None
    assert 200 <= decision.observations
    assert decision.winner in decision.explain()
    assert decision.plan["attempts"] >= 3
    best = next(each for each in decision.universes if each.strategy == decision.winner)
    assert 0.95 < best.prediction.success <= 1.0
    assert all(0.0 <= each.score <= 100.0 for each in decision.universes)


def test_a_decision_says_what_changes_are_worth():
    """Both forms of its table end with the exchange rates of the weights that it was made with."""
    even = ub.QuantumSimulationEngine(weights=ub.ScoreWeights(time=1, quality=0, risk=0)).simulate("never seen")
    usual = ub.QuantumSimulationEngine().simulate("never seen")

    assert "ten times fewer failures +12.5, twice as fast +4.5, half the p99 +1.8" in usual.explain()
    assert usual.explain().endswith("5 % more requests -0.8, 10 % -3.2, 25 % -20.0")
    assert "ten times fewer failures +0.0, twice as fast +15.1" in even.explain()
    assert all(line in each._repr_html_() for each in (usual, even) for line in [each.explain().split("\n  ")[-1]])


def test_a_target_nobody_heard_of_is_weighed_by_a_guess_that_says_so():
    """Nothing was learned, so the careful default wins and the model has no age."""
    decision = ub.QuantumSimulationEngine().simulate("never seen")

    assert ("balanced", None, 0) == (decision.winner, decision.model_age, decision.observations)
    assert {"optimistic", "pessimistic", "conservative", "aggressive", "balanced"} == {
        each.strategy for each in decision.universes
    }
    assert "a guess" in decision.explain()
    assert decision.winner == max(decision.universes, key=lambda each: each.score).strategy


def test_the_strategy_that_was_decided_on_is_the_one_that_is_executed():
    """Once something was learned, calls follow the winner."""
    engine = ub.QuantumSimulationEngine()
    operation, _ = target(0.05, fails=0.05)
    asyncio.run(run(engine, operation, 500, name="partner", effects="idempotent"))
    seen = []

    async def look(ctx: ub.Context) -> None:
        seen.append(ctx.strategy)

    asyncio.run(engine.execute_quantum(look, name="partner", effects="idempotent"))
    assert [engine.simulate("partner").winner] == seen


def test_predictions_are_kept_beside_what_was_observed():
    """The calibration says how many calls were as fast as predicted, and how many succeeded."""
    engine = ub.QuantumSimulationEngine()
    operation, _ = target(0.05, fails=0.05)
    asyncio.run(run(engine, operation, 3_000, name="partner", effects="idempotent"))

    found = engine.get_quantum_stats().calibration["partner"]
    assert 2_000 < found.n
    assert 0.42 < found.within_p50 < 0.58
    assert 0.85 < found.within_p90 < 0.95
    assert 0.97 < found.within_p99
    assert 0.99 < found.observed
    assert found.predicted == pytest.approx(found.observed, abs=0.005)


def test_the_faster_way_is_found_and_the_speed_up_is_measured():
    """A replica that is ten times faster gets the calls; the speed-up is told with an interval around the truth."""
    engine = ub.QuantumSimulationEngine()
    slow, slow_calls = target(0.2, seed=1)
    fast, fast_calls = target(0.02, seed=2)

    asyncio.run(run(engine, slow, 1_500, name="job", effects="none", alternatives={"replica": fast}))

    speedup = engine.get_quantum_stats().avg_speedup
    assert 1_400 < len(fast_calls)
    assert 80 > len(slow_calls)
    assert speedup is not None
    assert speedup.low < 10.0 < speedup.high
    assert str(speedup).endswith("x")


@pytest.mark.parametrize("effects", ["unknown", "once"])
def test_no_call_is_sent_to_a_way_that_is_down_only_to_measure_it(effects):
    """What may not be made again the other way would fail for a figure, and for ever."""
    engine, failed = ub.QuantumSimulationEngine(), []

    async def down() -> None:
        raise ConnectionResetError("down")

    async def main() -> None:
        how = {"name": "job", "effects": effects, "alternatives": {"replica": target(0.02)[0]}}
        for number in range(1_000):
            try:
                await engine.execute_quantum(down, **how)
            except ConnectionResetError:
                failed.append(number)

    asyncio.run(main())
    assert 5 > len([number for number in failed if number >= 100])


def test_where_nothing_can_be_gained_no_speed_up_is_told():
    """One way alone is as fast as itself."""
    engine = ub.QuantumSimulationEngine()
    operation, _ = target(0.05)
    asyncio.run(run(engine, operation, 500, name="job", effects="none"))

    assert None is engine.get_quantum_stats().avg_speedup


def test_what_fails_one_way_is_rescued_by_another():
    """A call whose way fails goes another one, at once, and the failing way is left."""
    engine = ub.QuantumSimulationEngine()
    broken, broken_calls = target(0.01, fails=1.0)
    works, _ = target(0.1, seed=2)

    async def story() -> list[int]:
        return [
            await engine.execute_quantum(broken, None, name="job", effects="none", alternatives={"backup": works})
            for _ in range(200)
        ]

    assert [7] * 200 == asyncio.run(story())
    assert 30 > len(broken_calls)


def test_each_key_has_a_way_of_its_own():
    """What is best for one context is learned for it alone."""
    engine = ub.QuantumSimulationEngine()
    used: dict[str, list[str]] = {"EU": [], "US": []}

    def way(name: str, near: str):
        async def operation(ctx: ub.Context) -> None:
            used[ctx.input].append(name)
            await asyncio.sleep(0.01 if ctx.input == near else 0.3)  # noqa: TID251 - virtual

        return operation

    async def story() -> None:
        for number in range(600):
            place = "EU" if number % 2 else "US"
            await engine.execute_quantum(
                way("eu", "EU"), place, name="job", effects="none", alternatives={"us": way("us", "US")}, key=place
            )

    asyncio.run(story())
    assert 0.9 < used["EU"].count("eu") / 300
    assert 0.9 < used["US"].count("us") / 300


@pytest.mark.parametrize("key", [lambda ctx: ctx.input, lambda ctx, unused=0: ctx.input])
def test_a_key_may_be_a_function_of_the_context(key):
    """Each key has a circuit, and a plan, of its own: what is down for one tenant is not refused to another."""
    engine, calls = ub.QuantumSimulationEngine(), []

    def ask(ctx: ub.Context) -> str:
        calls.append(ctx.input)
        if ctx.input == "broken":
            raise ConnectionError("reset")
        return "fine"

    for _ in range(60):
        with contextlib.suppress(ConnectionError, ub.errors.CircuitOpen):
            engine.execute_quantum_sync(ask, "broken", name="job", key=key)
        assert "fine" == engine.execute_quantum_sync(ask, "whole", name="job", key=lambda ctx: ctx.input)

    assert 5 == calls.count("broken")
    assert 40 <= engine.simulate("job[whole]").observations
    assert 0 == engine.simulate("job").observations


def test_a_key_that_cannot_be_had_refuses_the_call():
    """A key function that fails is told as the refusal that it is."""
    engine = ub.QuantumSimulationEngine()

    with pytest.raises(ub.errors.ValidationFailed, match="no key"):
        engine.execute_quantum_sync(lambda: 1, {}, name="job", key=lambda ctx: ctx.input["tenant"])


def test_plain_functions_choose_among_ways_too():
    """Sync alternatives are chosen and rescued the same way."""
    engine = ub.QuantumSimulationEngine()

    def slow() -> str:
        time.sleep(1.0)  # noqa: TID251 - virtual
        return "slow"

    def fast() -> str:
        time.sleep(0.01)  # noqa: TID251 - virtual
        return "fast"

    got = [
        engine.execute_quantum_sync(slow, name="job", effects="none", alternatives={"fast": fast}) for _ in range(100)
    ]
    assert 80 < got.count("fast")


def test_a_second_engine_with_the_same_memory_begins_where_the_first_was():
    """What was learned is handed on: the first call follows the learned strategy and goes the better way."""
    memory = ub.LocalMemory()
    slow, _ = target(0.2, seed=1)
    fast, _ = target(0.02, seed=2)
    how = {"name": "job", "effects": "none", "alternatives": {"replica": fast}}
    first = ub.QuantumSimulationEngine(memory=memory)
    asyncio.run(run(first, slow, 800, **how))
    first.aclose_sync()

    later = ub.QuantumSimulationEngine(memory=memory)
    unused, unused_calls = target(0.2)
    asyncio.run(run(later, unused, 40, **how))

    assert 4 >= len(unused_calls)  # the few that measure the baseline
    assert 800 <= later.simulate("job").observations


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"universe_count": 0}, "universe_count must be a whole number from 1 up"),
        ({"universe_count": 8}, "universe_count must be at most 7"),
        ({"weights": 1}, "weights must be a ub.ScoreWeights"),
        ({"memory": "a place"}, "memory"),
        ({"strategies": ["fast"]}, "strategies must be a list of ub.Strategy"),
        ({"strategies": ub.Strategy("mine")}, "strategies must be a list of ub.Strategy"),
        ({"strategies": [ub.Strategy("mine", breaker=False)]}, "strategies: mine: breaker must be None"),
        ({"strategies": [ub.Strategy("mine", bulkhead=ub.Bulkhead(3))]}, "strategies: mine: bulkhead must be None"),
    ],
)
def test_a_wrong_engine_is_refused(wrong, message):
    """Settings are checked where they are written."""
    with pytest.raises(ConfigurationError, match=message):
        ub.QuantumSimulationEngine(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"operation": 7}, "operation must be a function"),
        ({"alternatives": [print]}, "alternatives must be a dictionary of functions"),
        ({"alternatives": {"primary": print}}, "alternatives must be keyed by names other than"),
        ({"alternatives": {"other": 7}}, "alternatives"),
        ({"effects": "harmless"}, "effects must be one of"),
        ({"key": []}, "key must be hashable"),
        ({"race": True}, "race must be False"),
        ({"name": ""}, "name must be a word"),
    ],
)
def test_a_wrong_execution_is_refused(wrong, message):
    """What cannot be run is refused before anything is."""
    engine, given = ub.QuantumSimulationEngine(), {"operation": lambda: 1, "name": "x", **wrong}

    with pytest.raises(ConfigurationError, match=message):
        engine.execute_quantum_sync(given.pop("operation"), **given)


def test_figures_are_ready_for_json():
    """Statistics and decisions are handed on as plain dictionaries."""
    import json

    engine = ub.QuantumSimulationEngine()
    operation, _ = target(0.05)
    asyncio.run(run(engine, operation, 100, name="job", effects="none"))

    assert 100 == json.loads(json.dumps(engine.get_quantum_stats().to_dict()))["total_executions"]
    assert "job" == json.loads(json.dumps(engine.simulate("job").to_dict()))["target"]


def test_an_engine_adopts_what_a_system_adopts():
    """Nodes of every kind and protected functions; anything else is refused."""
    engine = ub.QuantumSimulationEngine()
    function, cache, node = ub.protect("function")(lambda: 1), ub.CacheNode(name="cache"), ub.FractalNode("node")
    for each in (function, cache, node):
        engine.choose_for(each)
        engine.adopt(each)
    function()
    cache.get_sync("key", lambda: 1)
    node.execute_sync(lambda: 1)

    assert 3 == engine.get_quantum_stats().total_executions
    assert "function" == engine.simulate("function").target
    for adopt in (engine.adopt, engine.choose_for):
        with pytest.raises(ConfigurationError, match="node must be a node or a protected function, not 7"):
            adopt(7)


def test_a_strategy_that_was_named_is_in_force_from_the_first_call():
    """Before anything is learned, too: "balanced" is only the first of those that nobody named."""
    named, adaptive = (ub.FractalNode("n", **given) for given in ({"strategy": "aggressive"}, {}))
    engine = ub.QuantumSimulationEngine()
    for node in (named, adaptive):
        engine.adopt(node)

    assert ["aggressive", "balanced"] == [node.execute_sync(lambda: 1).strategy for node in (named, adaptive)]
    assert "aggressive" == ub.FractalNode("n", strategy="aggressive").execute_sync(lambda: 1).strategy
