"""A job that can be done in several ways is done as long as one of them works."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random

import pytest
from tests.dense import crossed, most

import unbreakable as ub
from unbreakable.errors import DeadlineExceeded
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


@pytest.mark.parametrize("effects", ["unknown", "once"])
@pytest.mark.parametrize("hangs", [False, True])
def test_a_way_that_fails_is_left_in_peace(effects, hangs):
    """However well it did before: after three failures in a row calls that cannot be repeated go another way."""
    engine, down, seen = ub.QuantumSimulationEngine(), set(), []

    async def primary() -> None:
        seen.append(1)
        await sleep(1e6 if down and hangs else 0.05)
        if down:
            raise OSError

    async def replica() -> None:
        await sleep(0.1)

    async def often(times: int) -> int:
        """Return how many of so many calls failed."""
        failed = 0
        for _ in range(times):
            try:
                await engine.execute_quantum(primary, name="job", effects=effects, alternatives={"replica": replica})
            except (OSError, DeadlineExceeded):
                failed += 1
            await sleep(1.0)
        return failed

    async def main() -> None:
        assert 0 == await often(300)
        down.add("primary")
        assert 6 >= await often(60)  # three, and one after each rest, of five seconds and twice as many each time
        down.clear()
        assert 0 == await often(600)
        assert 600 < len(seen)

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize(("dead", "seed"), crossed(["primary", "replica"], range(4)))
def test_a_way_that_is_dead_costs_a_flaky_one_nothing(dead, seed):
    """A tenth of the attempts fail by the way that works; repeated there, and not by the dead one, they succeed."""
    engine, dice, asked = ub.QuantumSimulationEngine(), random.Random(seed), []

    async def flaky() -> str:
        await sleep(0.01)
        if dice.random() < 0.1:
            raise OSError
        return "done"

    async def gone() -> str:
        asked.append(1)
        raise ConnectionRefusedError

    async def main() -> list[str]:
        ways, ended = {dead: gone, "replica" if dead == "primary" else "primary": flaky}, []
        how = {"name": "job", "effects": "idempotent", "alternatives": {"replica": ways["replica"]}}
        for _ in range(1_000):
            try:
                ended.append(await engine.execute_quantum(ways["primary"], **how))
            except Exception as error:
                ended.append(type(error).__name__)
            await sleep(0.05)
        return ended

    with virtual_time(seed):
        ended = asyncio.run(main())
    assert 996 <= ended.count("done")  # one in a thousand fails three times by chance
    assert "CircuitOpen" not in ended
    assert 9 > len(asked)


def test_a_wrong_request_puts_no_way_to_rest():
    """Whoever asks for what is not there is told so by every way; the best one is the best as before."""
    engine, used = ub.QuantumSimulationEngine(), []

    class NotFound(Exception):
        http_status = 404

    def way(name: str, seconds: float):
        async def look(ctx: ub.Context) -> None:
            used.append(name)
            await sleep(seconds)
            if ctx.input == "missing":
                raise NotFound

        return look

    primary, others = way("primary", 0.01), {"replica": way("replica", 0.5), "mirror": way("mirror", 0.6)}

    async def ask(*names: str) -> None:
        used.clear()
        for name in names:
            with contextlib.suppress(NotFound):
                await engine.execute_quantum(primary, name, name="job", effects="none", alternatives=others)

    async def main() -> None:
        await ask(*["there"] * 100)
        await ask(*["missing"] * 3)
        await ask(*["there"] * 20)

    with virtual_time():
        asyncio.run(main())
    assert 18 <= used.count("primary")


def test_what_a_way_does_for_one_key_says_nothing_of_another():
    """All is well for one tenant; the circuit of another one, for whom no way works, opens all the same."""
    engine, ended = ub.QuantumSimulationEngine(), {"ann": [], "bob": []}

    async def work(ctx: ub.Context) -> None:
        await sleep(0.01)
        if ctx.input == "bob":
            raise ConnectionRefusedError

    primary, replica = functools.partial(work), functools.partial(work)

    async def call(tenant: str) -> None:
        how = {"name": "job", "effects": "none", "alternatives": {"replica": replica}, "key": lambda ctx: ctx.input}
        try:
            await engine.execute_quantum(primary, tenant, **how)
        except Exception as error:
            ended[tenant].append(type(error).__name__)

    async def often(tenant: str, times: int) -> None:
        for _ in range(times):
            await call(tenant)

    async def main() -> None:
        await asyncio.gather(often("ann", 1_000), often("bob", 20))

    with virtual_time():
        asyncio.run(main())
    assert [] == ended["ann"]
    assert 3 >= ended["bob"].index("CircuitOpen")


async def awaited() -> None:
    """Be a way that does nothing until it is awaited."""


WAITS = [awaited, functools.partial(awaited), ub.protect("way")(awaited)]


@pytest.mark.parametrize("way", WAITS, ids=["function", "partial", "protected"])
def test_plain_code_has_no_way_that_has_to_be_awaited(way):
    """It would be turned to, and fail unseen, each time when the operation does: nobody would know before."""
    engine, made = ub.QuantumSimulationEngine(), []

    with pytest.raises(ub.errors.ConfigurationError, match=r"'replica'.*a plain function, since nothing is awaited"):
        engine.execute_quantum_sync(lambda: made.append(1), name="job", effects="none", alternatives={"replica": way})
    assert [] == made


@pytest.mark.parametrize(("succeeds", "measured"), [(True, 13), (False, 3)])
def test_the_primary_way_is_measured_whatever_the_dice_say(monkeypatch, succeeds, measured):
    """One call in twenty goes there until there is a baseline; none is sent to be measured while it is down."""
    engine, seen = ub.QuantumSimulationEngine(), []

    async def primary() -> None:
        seen.append(1)
        await sleep(0.2)
        if not succeeds:
            raise ConnectionRefusedError("primary")

    async def main() -> None:
        for _ in range(300):
            await engine.execute_quantum(primary, name="job", effects="none", alternatives={"replica": replica})

    async def replica() -> None:
        await sleep(0.02)

    with virtual_time(), monkeypatch.context() as patched:
        patched.setattr(ASYNCIO, "random", lambda: 0.3)
        asyncio.run(main())
    assert measured == len(seen)
    assert succeeds == (engine.get_quantum_stats().avg_speedup is not None)


@pytest.mark.parametrize("seed", range(most(3, 1)))
def test_no_way_is_so_quick_that_calls_are_lost_for_it(seed):
    """One that fails a fifth of the time would use up the budget, and then fail calls, where another one never does."""
    dice, lost, sent = random.Random(seed), [], []

    async def sound() -> None:
        sent.append("sound")
        await sleep(0.28 * dice.lognormvariate(0.0, 0.1))

    async def brittle() -> None:
        sent.append("brittle")
        await sleep(0.012 * dice.lognormvariate(0.0, 0.3))
        if dice.random() < 0.2:
            raise ConnectionError("reset")

    async def story() -> None:
        engine, calls = ub.QuantumSimulationEngine(), []
        for _ in range(2_000):
            call = engine.execute_quantum(sound, effects="idempotent", alternatives={"brittle": brittle})
            calls.append(asyncio.create_task(call))
            await sleep(dice.expovariate(5.0))
        lost.extend(each for each in await asyncio.gather(*calls, return_exceptions=True) if each is not None)

    with virtual_time(seed):
        asyncio.run(story())
    assert [] == lost
    assert 1.1 > len(sent) / 2_000


@pytest.mark.parametrize("effects", ["unknown", "once", "idempotent"])
def test_a_way_that_hangs_is_left_before_anybody_s_time_is_over(effects):
    """Calls that may not run twice wait for it until the deadline; those that come meanwhile need not follow them."""
    lost = []

    async def far() -> None:
        await sleep(0.2)

    async def near() -> None:
        await sleep(10_000.0 if 30.0 < ASYNCIO.now() - began < 60.0 else 0.02)

    async def story() -> None:
        engine, calls = ub.QuantumSimulationEngine(), []

        async def one(at: float) -> None:
            try:
                await engine.execute_quantum(far, effects=effects, alternatives={"near": near})
            except DeadlineExceeded:
                lost.append(at)

        for number in range(1_800):
            calls.append(asyncio.create_task(one(number / 20.0)))
            await sleep(0.05)
        await asyncio.gather(*calls)

    with virtual_time():
        began = ASYNCIO.now()
        asyncio.run(story())
    assert 20 > len(lost)  # half a second, and who looks whether it is back
