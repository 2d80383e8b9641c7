"""Learned time limits find their way back when the target is no longer what it was."""

from __future__ import annotations

import asyncio
import functools
import itertools

import pytest
from tests.dense import crossed

import unbreakable as ub
from unbreakable.fractal.target import COLD
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


@pytest.fixture(autouse=True)
def _virtual():
    with virtual_time():
        yield


def node_that_learned(seconds: float, **options) -> ub.FractalNode:
    """Return a node with a plan made from calls that took so long."""
    node = ub.FractalNode("n", effects="none", breaker=False, budget=False, **options)
    ended = calls(node, seconds, 2 * COLD)
    assert [ub.Status.OK] * 2 * COLD == ended
    return node


def calls(node: ub.FractalNode, seconds: float, times: int) -> list[ub.Status]:
    async def work() -> None:
        await sleep(seconds)

    async def main() -> list[ub.Status]:
        ended = []
        for _ in range(times):
            ended.append((await node.execute(work)).status)
            await sleep(0.001)
        return ended

    return asyncio.run(main())


def test_a_target_that_became_slower_than_its_limit_is_learned_anew():
    """No call fails, or even counts as healed, for a limit that became too short."""
    node = node_that_learned(0.1)
    assert 0.5 == node.get_status().plan["timeout"]

    assert {ub.Status.OK} == set(calls(node, 4.0, 300))
    limit = node.get_status().plan["timeout"]
    assert limit is None or limit > 4.0


@pytest.mark.parametrize("retry", [None, False])
def test_a_limit_that_is_learned_meanwhile_does_not_fail_a_call_either(retry):
    """A call began before anything was known, and takes much longer than those that ended since."""
    call = ub.protect(sleep, effects="none", breaker=False, budget=False, retry=retry)

    async def main() -> ub.Outcome:
        slow = asyncio.ensure_future(call.outcome(9.0))
        for _ in range(2 * COLD):
            await call(0.1)
            await sleep(0.001)
        return await slow

    assert asyncio.run(main()).ok
    assert 0.5 == call.node.get_status().plan["timeout"]


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({"retry": ub.Retry(3, on=ValueError)}, 9.0), ({"deadline": 0.9}, 0.8)],
    ids=["a cut is none of the errors to repeat on", "no time is left for another attempt"],
)
def test_a_limit_cuts_only_what_can_be_made_again(options, seconds):
    """A call whose cut nothing would follow takes the time that it takes."""
    node = node_that_learned(0.1, **options)
    assert 0.5 == node.get_status().plan["timeout"]

    assert [ub.Status.OK] == calls(node, seconds, 1)


def test_a_pinned_limit_is_never_stretched():
    """What the user pinned stays, whatever it cuts."""
    node = node_that_learned(0.1, timeout=ub.Timeout(0.5))

    assert {ub.Status.FAILED} == set(calls(node, 4.0, 60))
    assert 0.5 == node.get_status().plan["timeout"]


def test_hangs_now_and_then_stretch_nothing():
    """One attempt in ten that hangs is cut as before."""
    node = node_that_learned(0.1)
    for _ in range(40):
        calls(node, 100.0, 1)
        calls(node, 0.1, 10)

    assert 0.5 == node.get_status().plan["timeout"]


def test_one_call_in_hundreds_may_take_long():
    """A few calls that take long whenever they are made succeed, and after a while without being cut in vain."""
    node = ub.FractalNode("n", effects="none")

    for _ in range(12):
        assert ub.Status.FAILED not in calls(node, 0.01, 499) + calls(node, 2.0, 1)
    begun = ASYNCIO.now()
    calls(node, 2.0, 1)
    assert 3.0 > ASYNCIO.now() - begun


@pytest.mark.parametrize("how", ["plain", "converted"])
@pytest.mark.parametrize("callers", [1, 10])
@pytest.mark.parametrize("seconds", [1.0, 8.0, 20.0])
def test_plain_calls_of_a_target_that_becomes_slow_fail_no_more_than_others(seconds, callers, how):
    """The quick path holds to it, too, also where the operation turns its cancellation into an error of its own."""
    latency = 0.01

    @ub.protect("n", effects="none")
    async def work():
        try:
            await sleep(latency)
        except asyncio.CancelledError:
            if how == "converted":
                raise ConnectionError("query cancelled") from None
            raise

    async def run(times):
        for _ in range(times):
            await work()

    asyncio.run(run(100))
    latency = seconds

    async def main():
        await asyncio.gather(*(run(20) for _ in range(callers)))

    asyncio.run(main())

    assert ("closed", 0) == (work.node.get_status().breaker, work.node.get_status().failure_count)


@pytest.mark.parametrize(("seconds", "callers"), crossed([1.0, 8.0, 20.0], [1, 10, 100]))
def test_a_target_that_becomes_slow_but_answers_is_no_outage(seconds, callers):
    """After a step to whatever latency the deadline allows no call fails and the circuit stays closed."""
    node = node_with_a_past()

    async def main():
        return await asyncio.gather(*(run_of(node, seconds) for _ in range(callers)))

    ended = asyncio.run(main())

    assert 0 == sum(each.count(ub.Status.FAILED) for each in ended)
    assert "closed" == node.get_status().breaker


@pytest.mark.parametrize("form", ["plain", "outcome"])
@pytest.mark.parametrize("start", [3.0, 100.0])
@pytest.mark.parametrize("seconds", [1.0, 2.0, 8.0])
def test_plain_code_that_asks_how_long_it_has_does_not_fail_by_the_answer(seconds, start, form):
    """An operation that keeps to its limit by itself is one that was cut: repeated, or left until its deadline."""
    latency = 0.01

    @ub.protect("n", effects="none", budget=ub.RetryBudget(ratio=0.0, floor=0.0, start=start))
    def work():
        left = ub.current().remaining()
        BLOCKING.world.sleep(min(left, latency))
        if latency > left:
            raise TimeoutError("no answer in time")

    def run(times):
        for _ in range(times):
            work() if form == "plain" else work.outcome().unwrap()

    run(100)
    latency = seconds
    run(40)

    status = work.node.get_status()
    assert ("closed", 0, True) == (status.breaker, status.failure_count, status.heal_count <= 12)


def test_who_cannot_pay_for_another_attempt_keeps_this_one():
    """A learned limit cuts nobody for whom the budget has no repeat left."""
    node = ub.FractalNode("n", effects="none", budget=ub.RetryBudget(ratio=0.0, floor=0.0, start=3.0))
    calls(node, 0.01, 2 * COLD)

    async def main():
        return await asyncio.gather(*(run_of(node, 2.0, times=1) for _ in range(50)))

    ended = [status for each in asyncio.run(main()) for status in each]

    assert (0, True) == (ended.count(ub.Status.FAILED), ended.count(ub.Status.HEALED) <= 3)


@pytest.mark.parametrize("how", ["quick", "script"])
@pytest.mark.parametrize("wait", [0.0, 20.0])
@pytest.mark.parametrize(("seconds", "rest"), [(2.0, 30.0), (8.0, 1.0), (1e6, 4.0)])
def test_nobody_is_cut_while_the_circuit_would_refuse_the_next_attempt(seconds, rest, wait, how):
    """Others' failures open the circuit: who is still waited for goes on, and is cut once a repeat is let through."""

    @ub.protect("n", effects="none", hedge=False, breaker=ub.CircuitBreaker(3, rest=rest, wait=wait))
    async def work(how_long):
        if how_long < 0:
            raise ConnectionResetError
        await sleep(how_long if len(cut) < 1 or how_long < 1e6 else 0.0)

    cut = []
    work.node.on(ub.events.AttemptFailed, lambda event: "AttemptTimeout" in event.error and cut.append(event))

    async def main():
        for _ in range(100):
            await work(0.01)
        slow = asyncio.create_task(work(seconds) if how == "quick" else work.outcome(seconds))
        await sleep(0.1)
        await asyncio.gather(*(work.outcome(-1.0) for _ in range(3)))
        for _ in range(20):
            await sleep(1.0)
            await work.outcome(0.01)
        return await slow

    ended = asyncio.run(main())

    assert how == "quick" or ended.ok


@pytest.mark.parametrize(("deadline", "seconds", "pause"), [(5.0, 1.5, 0.1), (2.0, 0.8, 0.03), (10.0, 4.0, 0.2)])
def test_a_target_that_became_slow_is_no_outage_however_short_the_deadline(deadline, seconds, pause):
    """The silence in which attempts are cut is of our own making: every call is answered within its deadline."""
    node = ub.FractalNode("n", effects="none", deadline=deadline)

    async def main():
        await asyncio.gather(*[run_of(node, 0.02, times=1) for _ in range(300)])
        slow = []
        for _ in range(200):
            slow.append(asyncio.create_task(run_of(node, seconds, times=1)))
            await sleep(pause)
        return {end for ends in await asyncio.gather(*slow) for end in ends}

    assert {ub.Status.OK} == asyncio.run(main())


@pytest.mark.parametrize(("deadline", "seconds"), [(2.0, 1.6), (1.2, 0.75), (5.0, 4.4)])
def test_a_target_that_takes_nearly_the_whole_deadline_is_soon_left_to_it(deadline, seconds):
    """What was slow again after a cut is not cut again; nobody takes what our cuts have cost for an outage."""
    node = ub.FractalNode("n", effects="none", deadline=deadline)

    async def main():
        await asyncio.gather(*[run_of(node, 0.1, times=1) for _ in range(300)])
        slow = await run_of(node, seconds, times=40)
        quick = await run_of(node, 0.1, times=400)
        return slow, quick

    slow, quick = asyncio.run(main())
    assert [ub.Status.OK] * 30 == slow[10:]
    assert [ub.Status.OK] * 400 == quick
    assert ub.policies.State.CLOSED is node.breaker.state


def test_a_limit_that_was_doubted_counts_again_when_the_target_is_quick():
    """One slow hour does not leave hangs to the deadline for ever."""
    node, hangs = node_that_learned(0.1, deadline=2.0, hedge=False), []

    async def hang_once():
        hangs.append(1)
        await sleep(1e6 if len(hangs) == 1 else 0.1)

    async def main():
        node.target.slow_again = 1.0
        await run_of(node, 0.1, times=400)
        return (await node.execute(hang_once)).status

    assert ub.Status.HEALED is asyncio.run(main())


def test_a_target_that_hangs_opens_the_circuit_soon_after_a_deadline():
    """Five attempts that nobody could pay to cut are waited for until their deadlines, and those are its fault."""
    node = node_with_a_past()
    opened = []
    node.on(ub.events.CircuitOpened, lambda event: opened.append(event.at))
    begun = ASYNCIO.now()

    async def main():
        tasks = []
        for _ in range(40):
            tasks.append(asyncio.create_task(run_of(node, 1e6, times=1)))
            await sleep(1.0)

    asyncio.run(main())

    assert 30.0 <= opened[0] - begun <= 36.0


def test_a_target_that_comes_back_slower_is_found_again():
    """The attempts that look whether it is back wait longer each time: it is not held to the limit of faster days."""
    node = node_with_a_past()
    node.breaker.force_open()
    node.breaker.reset()

    async def outage():
        await asyncio.gather(*(run_of(node, 1e6, times=2) for _ in range(10)))

    async def back():
        ended = []
        for _ in range(300):
            ended.append((await node.execute(functools.partial(sleep, 10.0))).status)
            await sleep(1.0)
        return ended

    asyncio.run(outage())
    assert "open" == node.get_status().breaker

    assert {ub.Status.OK} == set(asyncio.run(back())[150:])


def test_callers_who_leave_stretch_nothing():
    """Cancellations by callers say nothing of whether the limit is right."""
    node = ub.FractalNode("n", effects="none", hedge=False)

    async def main():
        await run_of(node, 0.01, times=300)
        for _ in range(5):
            for _ in range(300):
                task = asyncio.create_task(run_of(node, 0.01, times=1))
                await sleep(0.005)
                task.cancel()
            await run_of(node, 0.01, times=260)

    asyncio.run(main())

    assert 0.5 == node.get_status().plan["timeout"]


def test_each_repetition_in_a_call_has_twice_the_patience_of_the_one_before():
    """A limit that was learned may be wrong: the call itself finds out, without asking anybody."""
    node = node_that_learned(0.1, hedge=False, retry=ub.Retry(4, backoff=ub.Backoff(0.0, jitter=False)))
    begun = []

    async def hangs_thrice() -> None:
        begun.append(ASYNCIO.now())
        await sleep(100.0 if len(begun) <= 3 else 0.1)

    async def main() -> ub.Status:
        return (await node.execute(hangs_thrice)).status

    assert ub.Status.HEALED == asyncio.run(main())
    gaps = [after - before for before, after in itertools.pairwise(begun)]
    assert pytest.approx([0.5, 1.0, 2.0], abs=0.01) == gaps


def node_with_a_past() -> ub.FractalNode:
    """Return a node that has learned from a hundred fast answers."""
    node = ub.FractalNode("n", effects="none")
    calls(node, 0.01, 100)
    assert 0.5 == node.get_status().plan["timeout"]
    return node


async def run_of(node: ub.FractalNode, seconds: float, times: int = 20) -> list[ub.Status]:
    """Return how so many calls, which take so long, ended one after the other."""
    return [(await node.execute(functools.partial(sleep, seconds))).status for _ in range(times)]


@pytest.mark.parametrize("quick", [True, False])
def test_who_is_not_waited_for_is_known_to_take_longer(quick):
    """Callers who leave early leave evidence: the target is slower than those who stayed make it look."""
    seen = []

    @ub.protect("n", effects="none", hedge=False, timeout=False)
    async def work(seconds):
        await sleep(seconds)

    async def main():
        for number in range(900):
            call = work if quick else work.outcome
            task = asyncio.create_task(call(10.0 if number % 3 == 0 else 0.01))
            await sleep(1.0)
            task.cancel()
            await asyncio.wait({task})
        seen.append(work.node.target.traffic.cut.count)

    asyncio.run(main())

    assert seen[0] >= 50
