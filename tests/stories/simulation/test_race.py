"""What only reads may be raced: two ways at once, the first good answer wins, and it is paid for."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from dataclasses import replace

import pytest
from tests.dense import most
from tests.racing import Ways, of, play, sleep

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


@pytest.fixture(autouse=True)
def _losers_are_cancelled(monkeypatch):
    """Let none go on for the sake of the speed-up, as some that chance picks would."""
    monkeypatch.setattr("unbreakable.simulation.jobs.RUN_ON", 0.0)


@pytest.mark.parametrize("effects", ["idempotent", "unknown", "once"])
def test_only_what_has_no_effects_is_raced(effects):
    """Both copies are executed, so anything else is refused before it begins, with what to do instead."""
    ways = Ways(primary=1.0)

    with pytest.raises(ConfigurationError, match=f'race must be False with effects="{effects}".*effects="none"'):
        ways.ask_plainly(ub.QuantumSimulationEngine(), effects=effects)
    assert [] == ways.begun


@pytest.mark.parametrize("race", [1, None, "yes"])
def test_race_is_yes_or_no(race):
    """What is neither True nor False is refused."""
    with pytest.raises(ConfigurationError, match="race must be True or False"):
        Ways(primary=1.0).ask_plainly(ub.QuantumSimulationEngine(), race=race)


@pytest.mark.parametrize(
    ("seconds", "winner", "at"),
    [({"primary": 10.0, "replica": 1.0}, "replica", 1.0), ({"primary": 2.0}, "primary", 2.0)],
)
def test_two_ways_begin_at_once_and_the_first_good_answer_wins(seconds, winner, at):
    """The loser is cancelled; where there is a single way it is asked twice."""

    async def story(clock):
        ways = Ways(**seconds)
        assert winner == await ways.ask(ub.QuantumSimulationEngine())
        assert at == clock.now()
        assert 2 == len(ways.begun)
        assert {*seconds} == {*ways.begun}
        await sleep(0)
        assert len(ways.cancelled) == len(seconds) - 1  # two of one way answer at the same moment

    play(story)


def test_a_failure_never_beats_a_good_answer():
    """The replica refuses at once, and the primary way answers later."""

    async def story(clock):
        ways = Ways(primary=2.0, replica=0.1)
        ways.errors["replica"] = OSError("replica")
        return await ways.ask(ub.QuantumSimulationEngine()), clock.now()

    assert ("primary", 2.0) == play(story)


def test_when_both_fail_the_call_is_healed_as_any_other():
    """The next attempt is made by one way alone."""

    async def story(clock):
        ways, engine = Ways(primary=0.1, replica=0.2), ub.QuantumSimulationEngine()
        ways.errors.update(primary=OSError("primary"), replica=OSError("replica"))
        with pytest.raises(OSError, match=r"primary|replica"):
            await ways.ask(engine)
        return len(ways.begun)

    assert 4 == play(story)  # two at once, and the second and third attempt


def test_when_both_fail_a_third_way_is_asked():
    """The next attempt is no race any more: it goes where none of the two has gone."""

    async def story(clock):
        ways, engine = Ways(primary=0.1, replica=0.11, mirror=0.5), ub.QuantumSimulationEngine()
        await ways.often(engine, 60, race=False)
        ways.errors.update(primary=ConnectionRefusedError(), replica=ConnectionRefusedError())
        ways.clear()
        return await ways.ask(engine), ways.begun

    answer, begun = play(story)
    assert "mirror" == answer
    assert ["primary", "replica"] == sorted(begun[:2])


def test_an_answer_that_is_there_at_once_is_not_raced():
    """Nothing could be gained by a second copy."""

    async def story(clock):
        engine, calls = ub.QuantumSimulationEngine(), []

        async def work() -> int:
            calls.append(1)
            return 7

        assert 7 == await engine.execute_quantum(work, name="job", effects="none", race=True)
        return calls

    assert [1] == play(story)


def test_the_best_two_of_three_are_raced():
    """The slowest of three ways is hardly ever asked."""

    async def story(clock):
        ways, engine = Ways(primary=0.1, replica=0.11, mirror=2.0), ub.QuantumSimulationEngine()
        await ways.often(engine, 80, race=False)
        ways.clear()
        await ways.often(engine, 100)
        return [ways.begun.count(name) for name in ways.seconds], engine.get_quantum_stats().raced

    (_, replica, mirror), copies = play(story)
    assert copies > 15
    assert mirror < 8 < replica


def test_races_are_paid_from_the_budget_of_copies():
    """However many are wanted, copies are a fifth of the calls and what there was to begin with, no more."""

    async def story(clock):
        ways, engine = Ways(primary=0.1, replica=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 200)
        return len(ways.begun) - 200, engine.get_quantum_stats()

    copies, stats = play(story)
    assert 30 < copies <= 0.2 * 200 + 10
    assert (200, copies) == (stats.total_executions, stats.raced)
    assert stats.extra_load >= copies / 200
    assert copies == stats.to_dict()["raced"]


def test_a_race_makes_no_more_copies_than_two():
    """What the plan would send to a slow attempt is not sent on top."""

    async def story(clock):
        ways = Ways(primary=0.05)
        engine = ub.QuantumSimulationEngine()
        for number in range(80):
            ways.seconds["primary"] = 0.05 if number % 10 else 1.0
            await ways.ask(engine, race=False)
        ways.seconds["primary"] = 1.2
        ways.clear()
        await ways.ask(engine)
        return ways.begun

    assert 2 == len(play(story))


def test_the_primary_way_that_is_measured_goes_first_and_on(monkeypatch):
    """When it loses it is not cancelled: how long it would have taken is what the speed-up is told by."""

    async def story(clock):
        ways, engine = Ways(primary=0.2, replica=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 20, race=False)
        [(_, job)] = engine._jobs.values()
        known = job.pairs.controls
        ways.clear()
        with monkeypatch.context() as patched:
            patched.setattr(ASYNCIO, "random", lambda: 0.0)
            assert "replica" == await ways.ask(engine)
        await sleep(1.0)
        return ways.begun, ways.ended, job.pairs.controls - known

    assert (["primary", "replica"], ["replica", "primary"], 1) == play(story)


def test_only_the_attempt_that_measures_the_baseline_has_no_rival(monkeypatch):
    """The next one of the same call is copied when it is late, as any other."""
    monkeypatch.setattr("unbreakable.simulation.trial.Running.most", 0)  # it could not go on, so it goes alone

    async def story(clock):
        ways, engine = Ways(primary=0.2, replica=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 20, race=False)
        target = of(engine).target
        target.adopt(replace(target.plan, hedge=ub.Hedge(0.2)))
        ways.seconds["replica"], ways.errors["primary"] = 5.0, OSError()
        ways.clear()
        with monkeypatch.context() as patched:
            patched.setattr(ASYNCIO, "random", lambda: 0.0)
            await ways.ask(engine)
        return ways.begun

    assert ["primary", "replica", "replica"] == play(story)


# ── both teach ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_loser_is_known_to_take_longer_than_it_was_waited_for():
    """It is not taken for as fast as the winner, and its age is kept as that of an attempt that was given up."""
    rescues = []

    async def story(clock):
        ways, engine = Ways(primary=0.3, replica=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 1)
        of(engine).on(ub.events.Hedged, lambda told: told.after and rescues.append(told))
        await ways.often(engine, 149)
        target, raced = of(engine).target, engine.get_quantum_stats().raced - len(rescues)
        ages = target.traffic.cut.count + target.traffic.beside_cut.count + len(target.ages) + len(target.beside_cut)
        return target.arms.value("primary")[0], target.arms.value("replica")[0], ages, raced

    slow, fast, ages, raced = play(story)
    assert fast == pytest.approx(-2.3, abs=0.01)
    assert slow > fast + 0.3
    assert raced == ages


@pytest.mark.parametrize(("fails", "winner"), [("primary", "replica"), ("replica", "primary")])
def test_a_copy_that_fails_is_known_to_have_failed(fails, winner):
    """Its call succeeds all the same, and tells nobody of it; the model of the target knows."""

    async def story(clock):
        ways, engine = Ways(primary=1.0, replica=1.0), ub.QuantumSimulationEngine()
        ways.seconds[winner], ways.errors[fails] = 2.0, OSError(fails)
        assert winner == await ways.ask(engine)
        target = of(engine).target
        return (
            [fault[2] for fault in target.faults],
            round(target.arms.value(fails)[1]),
            of(engine).get_status().success_count,
        )

    assert ([1.0], 1, 1) == play(story)


def test_a_copy_that_is_told_that_the_request_is_wrong_says_nothing_against_the_target():
    """It answered, and was right, for all that is known."""

    class NotFound(Exception):
        http_status = 404

    async def story(clock):
        ways, engine = Ways(primary=2.0, replica=1.0), ub.QuantumSimulationEngine()
        ways.errors["replica"] = NotFound()
        await ways.ask(engine)
        return list(of(engine).target.faults)

    assert [] == play(story)


def test_of_a_way_that_always_loses_something_is_known():
    """It was never waited for: all that can be told is that it takes longer."""

    async def story(clock):
        ways, engine = Ways(primary=1e4, replica=0.1), ub.QuantumSimulationEngine()
        await ways.often(engine, 3)
        arms = of(engine).target.arms
        return arms.value("primary")[0] > arms.value("replica")[0]

    assert play(story)


def test_a_caller_who_cancels_takes_both_copies_with_him():
    """Nothing is left at work."""

    async def story(clock):
        ways = Ways(primary=10.0, replica=10.0)
        task = asyncio.ensure_future(ways.ask(ub.QuantumSimulationEngine()))
        await sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sorted(ways.cancelled)

    assert ["primary", "replica"] == play(story)


# ── in plain code ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_plain_functions_are_raced_in_threads():
    """The loser, which cannot be stopped, goes on alone; its late answer is known, and counts for nothing else."""
    ways, engine = Ways(primary=10.0, replica=1.0), ub.QuantumSimulationEngine()
    with virtual_time() as clock:
        assert ("replica", 1.0) == (ways.ask_plainly(engine), clock.now())
        clock.advance(20.0)
        assert ["replica", "primary"] == ways.ended
        assert [10.0] == list(of(engine).target.ages)
        assert 1 == engine.get_quantum_stats().total_executions


def test_without_budget_a_plain_function_stays_in_its_thread():
    """A race that cannot be paid costs no thread."""
    ways, engine, threads = Ways(primary=0.1, replica=0.1), ub.QuantumSimulationEngine(), []
    with virtual_time() as clock:
        for _ in range(2):
            ways.ask_plainly(engine)
        clock.advance(5.0)

        def who() -> None:
            import threading

            threads.append(threading.current_thread() is threading.main_thread())

        engine.execute_quantum_sync(who, name="job", effects="none", race=True)
    assert [True] == threads


@pytest.mark.parametrize("is_async", [False, True])
def test_a_race_for_which_there_is_no_thread_is_an_ordinary_call(monkeypatch, is_async):
    """Those that there are may be held by calls that hang; this one needs none."""
    monkeypatch.setattr("unbreakable.runtime.world.MOST_THREADS_EACH", 0)
    engine, how = ub.QuantumSimulationEngine(), {"name": "job", "effects": "none", "race": True}

    def work() -> int:
        return threading.get_ident()

    found = asyncio.run(engine.execute_quantum(work, **how)) if is_async else engine.execute_quantum_sync(work, **how)
    assert threading.get_ident() == found


def test_so_many_losers_are_left_in_threads_and_no_more():
    """A way that hangs does not take a thread with each race; when time is up for those that did there may be more."""
    engine = ub.QuantumSimulationEngine()

    def primary() -> None:
        race = ub.current().race  # there is one, too, where the primary way is measured
        time.sleep(1e4 if race is not None and race.at_once else 0.3)  # noqa: TID251 - virtual time

    def replica() -> None:
        time.sleep(0.1)  # noqa: TID251 - virtual time

    def raced(times: int, *, race: bool = True) -> int:
        before, how = engine.get_quantum_stats().raced, {"name": "job", "effects": "none", "race": race}
        for _ in range(times):
            engine.execute_quantum_sync(primary, alternatives={"replica": replica}, **how)
        return engine.get_quantum_stats().raced - before

    with virtual_time() as clock:
        raced(60, race=False)
        assert 8 == raced(60)
        clock.advance(100.0)
        assert raced(5) > 0


@pytest.mark.parametrize("seed", range(1, 1 + most(4, 2)))
def test_races_leave_enough_for_those_who_are_late(seed):
    """Nobody needs a race; a call that hangs needs its copy, and had none where races had spent what there was."""
    dice, took = random.Random(seed), list[float]()

    async def ask() -> None:
        await sleep(1e6 if dice.random() < 0.01 else 0.02 * dice.lognormvariate(0.0, 0.3))

    async def story(clock):
        engine = ub.QuantumSimulationEngine()

        async def one() -> None:
            began = clock.now()
            await engine.execute_quantum(ask, effects="none", race=True)
            took.append(clock.now() - began)

        calls = []
        for _ in range(3_000):
            calls.append(asyncio.create_task(one()))
            await sleep(dice.expovariate(100.0))
        await asyncio.gather(*calls)
        return engine.get_quantum_stats().raced

    assert 300 < play(story)
    assert 1.0 > sorted(took)[-3]
