"""What the engine says of its speed-up: each call is set against what its first attempt alone would have come to."""

from __future__ import annotations

import asyncio
import math

import pytest
from tests import pinned

import unbreakable as ub
from unbreakable.policies import Backoff, Hedge, Plan, Retry
from unbreakable.runtime import ASYNCIO
from unbreakable.simulation import trial
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
FAST, SLOW, AFTER, DEADLINE = 0.01, 1.0, 0.02, 5.0


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


class Pinned(pinned.Pinned):
    """An engine under one plan, of these settings."""

    def __init__(self, **settings) -> None:
        settings = {"hedge": Hedge(AFTER, threads=False), "retry": Retry(2, backoff=Backoff(0.01)), **settings}
        super().__init__(Plan(effects=settings.pop("effects", "none"), deadline=DEADLINE, budget=None, **settings))

    def known(self):
        """Return what is kept: seconds of calls, seconds alone, and ages."""
        return [[round(each, 3) for each in pile] for pile in self.job.pairs._piles[:3]]


@pytest.fixture
def all_go_on(monkeypatch):
    monkeypatch.setattr("unbreakable.simulation.jobs.RUN_ON", 1.0)


@pytest.fixture
def none_goes_on(monkeypatch):
    monkeypatch.setattr("unbreakable.simulation.jobs.RUN_ON", 0.0)


class Target:
    """A target whose first attempts take long, and whose copies do not."""

    def __init__(self, first: float = SLOW, error: Exception | None = None) -> None:
        self.first, self.error = first, error
        self.ended, self.cancelled, self.begun = 0, 0, 0

    async def __call__(self, ctx: ub.Context) -> str:
        self.begun += 1
        try:
            await sleep(FAST if ctx.rival or ctx.attempt > 1 else self.first)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None and not ctx.rival and ctx.attempt == 1:
            raise self.error
        assert ub.current() is ctx
        assert ctx.remaining() > 0
        self.ended += 1
        return "value"


async def ask(engine: Pinned, target, *, then: float = 0.0, **how) -> str:
    effects = engine.pinned.effects
    value = await engine.execute_quantum(target, name="job", effects=effects, **how)
    await sleep(then)
    return value


@pytest.mark.usefixtures("all_go_on")
def test_an_attempt_that_lost_goes_on_and_tells_how_long_it_takes():
    """The caller has the copy's answer at once; what the operation alone would have taken is known later."""
    engine, target = Pinned(), Target()

    async def story() -> None:
        began = ASYNCIO.now()
        assert "value" == await ask(engine, target)
        assert AFTER + FAST == pytest.approx(ASYNCIO.now() - began)
        assert 0 == engine.job.pairs.added
        await sleep(SLOW)

    asyncio.run(story())
    assert (2, 2, 0) == (target.begun, target.ended, target.cancelled)
    assert [[0.03], [SLOW], [0.03]] == engine.known()


@pytest.mark.usefixtures("none_goes_on")
def test_an_attempt_that_lost_is_cancelled_where_the_dice_say_so():
    """Then it is known that it takes longer than the copy took, and that this was left to chance."""
    engine, target = Pinned(), Target()
    asyncio.run(ask(engine, target, then=2 * SLOW))

    assert (1, 1) == (target.ended, target.cancelled)
    ((call,), (alone,), (age,)) = engine.known()
    assert (0.03, 0.03) == (call, age)
    assert math.isnan(alone)


@pytest.mark.usefixtures("all_go_on")
@pytest.mark.parametrize(("first", "error"), [(2 * DEADLINE, None), (SLOW, OSError("reset"))])
def test_what_fails_after_it_lost_never_ends(first, error):
    """It is cut at the call's deadline, which the operation alone would have had, too."""
    engine, target = Pinned(), Target(first, error)
    asyncio.run(ask(engine, target, then=2 * DEADLINE))

    assert [[0.03], [math.inf], [0.03]] == engine.known()
    assert (error is None) == target.cancelled


def test_a_first_attempt_that_fails_counts_although_the_call_is_rescued():
    """The operation alone would have failed; the user has seen nothing of it."""
    engine, target = Pinned(hedge=None), Target(FAST, OSError("reset"))

    async def story() -> None:
        for _ in range(8):
            await ask(engine, target)

    asyncio.run(story())
    calls, alone, _ = engine.known()
    assert [math.inf] * 8 == alone
    assert math.inf > max(calls)
    assert None is engine.get_quantum_stats().avg_speedup  # nobody knows how many times faster than never


@pytest.mark.usefixtures("all_go_on")
@pytest.mark.parametrize("effects", ["once", "unknown"])
def test_what_must_not_happen_twice_is_never_let_go_on(effects):
    """There are no copies either; the first attempt ends the call."""
    engine, target = Pinned(effects=effects), Target()
    asyncio.run(ask(engine, target))

    assert (1, 1) == (target.begun, target.ended)
    assert [SLOW] == engine.known()[1]


@pytest.mark.usefixtures("all_go_on")
def test_not_more_than_a_few_go_on_at_the_same_time(monkeypatch):
    """The others are cancelled when their copies win; there is room again when one has ended."""
    monkeypatch.setattr(trial.Running, "most", 2)
    engine, target = Pinned(), Target()

    async def story() -> None:
        for _ in range(4):
            await ask(engine, target)
        await sleep(SLOW)
        await ask(engine, target, then=SLOW)

    asyncio.run(story())
    assert 2 == target.cancelled
    assert 3 == sum(SLOW == alone for alone in engine.known()[1])


@pytest.mark.usefixtures("all_go_on")
@pytest.mark.parametrize("close", ["aclose", "aclose_sync", "in a thread"])
def test_closing_the_engine_ends_what_goes_on(close):
    """Nothing of the engine's is under way after it was closed."""
    engine, target = Pinned(), Target(DEADLINE / 2)

    async def story() -> None:
        await ask(engine, target)
        if close == "aclose":
            await engine.aclose()
        elif close == "aclose_sync":
            engine.aclose_sync()
        else:
            await asyncio.to_thread(engine.aclose_sync)
        await sleep(0.001)
        assert 1 == target.cancelled

    asyncio.run(story())


@pytest.mark.usefixtures("all_go_on")
def test_a_caller_that_cancels_the_call_cancels_what_would_go_on():
    """It has waited for the clean-up of all attempts, as for what it awaits itself; nobody is the faster for it."""
    engine, target = Pinned(hedge=Hedge(AFTER, threads=False)), Target()

    async def slow_as_well(ctx: ub.Context) -> None:
        try:
            await sleep(SLOW)
        except asyncio.CancelledError:
            await sleep(0.1)
            target.cancelled += 1
            raise

    async def story() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(engine, slow_as_well), 0.5)
        assert 2 == target.cancelled

    asyncio.run(story())
    assert [[math.inf], [math.inf]] == engine.known()[:2]


@pytest.mark.usefixtures("all_go_on")
def test_nothing_goes_on_inside_another_call():
    """Whoever stands around the call may wait until all is over that was done in it."""
    engine, target = Pinned(), Target()

    @ub.protect("outer")
    async def outer() -> str:
        return await ask(engine, target, then=2 * SLOW)

    asyncio.run(outer())
    assert (1, 1) == (target.ended, target.cancelled)


@pytest.mark.usefixtures("all_go_on")
def test_a_loop_that_ends_ends_what_goes_on():
    """The end of ``asyncio.run`` cancels it, and what is known by then is kept."""
    engine, target = Pinned(), Target()
    asyncio.run(ask(engine, target))

    assert 1 == target.cancelled
    ((call,), (alone,), (age,)) = engine.known()
    assert (0.03, 0.03) == (call, age)
    assert math.isnan(alone)


def test_a_call_that_measures_the_other_way_is_rescued_like_any_other():
    """It is sent the primary way by chance; as soon as the better way would have answered, that one is asked, too."""
    engine, slowest = Pinned(), []

    async def primary(ctx: ub.Context) -> None:
        await sleep(SLOW)

    async def replica(ctx: ub.Context) -> None:
        await sleep(FAST)

    async def story() -> None:
        for number in range(300):
            began = ASYNCIO.now()
            await ask(engine, primary, alternatives={"replica": replica})
            if number > 50:
                slowest.append(ASYNCIO.now() - began)
            await sleep(0.1)  # so that few go on at the same time
        await sleep(SLOW)

    asyncio.run(story())
    assert AFTER + FAST > max(slowest) > 2 * FAST
    found = engine.get_quantum_stats().avg_speedup
    assert SLOW / FAST == pytest.approx(found.ratio, rel=0.01)
    assert "paired" == found.estimator


def test_calls_are_left_out_while_the_way_that_they_are_compared_with_is_down():
    """Nobody is sent there for a figure, so nobody knows what the operation alone would come to."""
    engine = Pinned(hedge=None)

    async def down(ctx: ub.Context) -> None:
        raise ConnectionRefusedError

    async def replica(ctx: ub.Context) -> None:
        await sleep(FAST)

    async def story() -> None:
        for _ in range(100):
            await ask(engine, down, alternatives={"replica": replica})
            is_down.append(rests.is_down("primary"))

    engine.execute_quantum_sync(lambda: 1, name="job", effects="none")
    ((node, _),) = engine._jobs.values()
    rests, is_down = node.target.rests, [False]
    asyncio.run(story())

    assert 20 < sum(is_down)
    assert 1 + 100 - sum(is_down[:-1]) == engine.job.pairs.added


@pytest.mark.usefixtures("all_go_on")
def test_the_gain_of_copies_is_told_at_the_99th_percentile():
    """The median gains nothing, and that is what is said of it; the tail does."""
    engine, calls = Pinned(), [0]

    async def target(ctx: ub.Context) -> None:
        calls[0] += not ctx.rival
        await sleep(FAST if ctx.rival or calls[0] % 25 else SLOW)

    async def story() -> None:
        for _ in range(600):
            await ask(engine, target, then=0.05)  # so that few go on at the same time
        await sleep(SLOW)

    asyncio.run(story())
    stats = engine.get_quantum_stats()
    assert None is stats.avg_speedup
    assert SLOW / (AFTER + FAST) == pytest.approx(stats.p99_speedup.ratio, rel=1e-3)
    assert stats.p99_speedup.extra_load == pytest.approx(0.04, abs=0.001)
    assert 0.0 == stats.p99_speedup.rescued
    assert "p99" in repr(stats.p99_speedup)
    assert stats.to_dict()["p99_speedup"]["baseline"] == "the primary operation alone"
