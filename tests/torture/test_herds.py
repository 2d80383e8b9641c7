"""What crowds do to a circuit, a bulkhead and a line: exactly as many get through as are allowed, whoever they are."""

from __future__ import annotations

import asyncio
import threading

import pytest

import unbreakable as ub
from unbreakable.errors import BulkheadFull, CircuitOpen, Rejected
from unbreakable.policies import Circuit
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
PATIENCE = 20.0  # real seconds within which threads must have met


def play(story):
    """Return what the story returns, in virtual time."""
    with virtual_time():
        return asyncio.run(story())


@pytest.mark.parametrize("permits", [1, 3])
def test_of_twenty_callers_at_a_rested_circuit_exactly_the_permits_get_through(permits):
    """The herd that waited for the rest to be over does not trample the target."""

    async def story():
        broken, calls = [True], []

        async def work():
            calls.append(1)
            await sleep(1)
            if broken:
                raise OSError
            return "up"

        door = ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=10.0, permits=permits))(work)
        with pytest.raises(OSError):
            await door()
        await sleep(10)
        broken.clear()
        calls.clear()
        herd = await asyncio.gather(*(door() for _ in range(20)), return_exceptions=True)
        refused = sum(isinstance(end, CircuitOpen) for end in herd)
        return len(calls), herd.count("up"), refused, door.node.breaker.state.value

    assert (permits, permits, 20 - permits, "closed") == play(story)


def test_of_twenty_threads_at_a_rested_circuit_exactly_one_gets_through():
    """The same with real threads that arrive at the same moment."""
    meet, inside, leave = threading.Barrier(20), threading.Event(), threading.Event()
    broken, ends = [True], []

    @ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=0.001))
    def door():
        if broken:
            raise OSError
        inside.set()
        leave.wait(PATIENCE)
        return "up"

    def caller():
        meet.wait(PATIENCE)
        try:
            ends.append(door())
        except CircuitOpen as refused:
            ends.append(type(refused))
            if len(ends) == 19:
                leave.set()

    with pytest.raises(OSError):
        door()
    broken.clear()
    door.node.breaker.settings = ub.CircuitBreaker(1, rest=1e6)
    door.node.breaker.until = BLOCKING.now()
    crowd = [threading.Thread(target=caller) for _ in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()

    assert (19, 1) == (ends.count(CircuitOpen), ends.count("up"))


def test_a_probe_that_never_returns_does_not_keep_the_circuit_shut():
    """After another rest the next caller may try, and the late answer of the first one counts for nothing."""

    async def story():
        answers = [OSError(), 1000, 0]

        async def work():
            answer = answers.pop(0)
            if isinstance(answer, OSError):
                raise answer
            await sleep(answer)
            return "up"

        door = ub.protect("target", retry=False, deadline=1e6, breaker=ub.CircuitBreaker(1, rest=10.0))(work)
        with pytest.raises(OSError):
            await door()
        await sleep(10)
        hung = asyncio.ensure_future(door())
        await sleep(5)
        with pytest.raises(CircuitOpen):
            await door()
        await sleep(5)
        value = await door()
        state = door.node.breaker.state.value
        door.node.breaker.force_open()
        await hung
        return value, state, door.node.breaker.state.value

    assert ("up", "closed", "forced open") == play(story)


def test_a_stale_success_does_not_close_a_circuit_that_opened_meanwhile():
    """An answer to a question of before the trouble says nothing about the trouble."""

    async def story():
        async def work(seconds, good):
            await sleep(seconds)
            if not good:
                raise OSError
            return "up"

        door = ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=10.0))(work)
        old = asyncio.ensure_future(door(5, good=True))
        with pytest.raises(OSError):
            await door(1, good=False)
        await old
        return door.node.breaker.state.value

    assert "open" == play(story)


def test_a_stale_failure_does_not_open_a_circuit_that_closed_meanwhile():
    """A failure of before the recovery says nothing about the recovered target."""

    async def story():
        async def work(seconds, good):
            await sleep(seconds)
            if not good:
                raise OSError
            return "up"

        door = ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=10.0))(work)
        old = asyncio.ensure_future(door.outcome(20, good=False))
        with pytest.raises(OSError):
            await door(1, good=False)
        await sleep(10)
        await door(1, good=True)
        await old
        return door.node.breaker.state.value

    assert "closed" == play(story)


def test_calls_wait_for_the_circuit_in_line_within_their_deadline():
    """Of a hundred waiting calls one asks, then all go on, at no cost; whose deadline comes first is refused."""

    async def story():
        broken, calls = [True], []

        async def work():
            calls.append(1)
            await sleep(0.1)
            if broken:
                raise OSError
            return "up"

        breaker = ub.CircuitBreaker(1, rest=10.0, wait=60.0)
        door = ub.protect("target", retry=False, breaker=breaker)(work)
        hasty = ub.protect("hasty", retry=False, deadline=5.0, breaker=False)(door)
        with pytest.raises(OSError):
            await door()
        calls.clear()
        budget = door.node.get_status().budget
        herd = [asyncio.ensure_future(door()) for _ in range(100)]
        outcome = await hasty.outcome()
        await sleep(10.05)
        asked = len(calls)
        broken.clear()
        ends = await asyncio.gather(*herd)
        spent = budget - door.node.get_status().budget
        return isinstance(outcome.error, Rejected), round(outcome.elapsed, 3), asked, set(ends), len(calls), spent <= 0

    refused, waited, asked, ends, calls, free = play(story)

    assert (True, 0.0) == (refused, waited)
    assert (1, {"up"}, 100, True) == (asked, ends, calls, free)


def test_whoever_finds_in_line_that_the_rest_has_become_too_long_leaves_it():
    """A look in vain is followed by a longer rest: who has no time for that need not stand there until the end."""

    async def story():
        async def work():
            await sleep(5.0)
            raise OSError

        breaker = ub.CircuitBreaker(1, rest=10.0, most_rest=40.0, wait=100.0)
        door = ub.protect("target", retry=False, deadline=200.0, breaker=breaker)(work)
        hasty = ub.protect("hasty", retry=False, deadline=25.0, breaker=False)(door)
        await door.outcome()
        probe = asyncio.ensure_future(door.outcome())
        await sleep(1.0)
        late = await hasty.outcome()
        state = door.node.breaker.state.value
        await probe
        return type(late.error).__name__, round(late.elapsed, 3), round(late.error.retry_after, 3), state

    assert ("CircuitOpen", 14.0, 20.0, "open") == play(story)


def test_a_circuit_that_closes_before_the_call_stands_in_line_is_noticed():
    """A call that is refused and queues up at the very moment the circuit closes does not sleep through it."""

    @ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=1e6, wait=1e6), deadline=1e6)
    def door():
        return "up"

    circuit = door.node.breaker
    circuit.force_open()

    class Unlucky(type(circuit.line)):
        """A line in which nobody stands until the circuit has closed."""

        def join(self, runtime):
            circuit.reset()
            return super().join(runtime)

    circuit.line = Unlucky()

    assert "up" == door()


def test_who_is_in_line_when_a_circuit_is_opened_by_hand_is_refused_without_asking_the_clock(monkeypatch):
    """There is nothing to wait for: nobody knows when it will be closed again."""
    looks, admit = [], Circuit.admit
    monkeypatch.setattr(Circuit, "admit", lambda self, now: looks.append(now) or admit(self, now))

    async def story():
        async def work():
            raise OSError

        door = ub.protect("target", retry=False, breaker=ub.CircuitBreaker(1, rest=5.0, wait=20.0))(work)
        await door.outcome()
        waiting = asyncio.ensure_future(door.outcome())
        await sleep(1)
        looks.clear()
        door.node.breaker.force_open()
        return (await waiting).error

    assert "forced open" in str(play(story))
    assert len(looks) <= 1


class Yard:
    """A place where threads and tasks work, and somebody counts how many there are at once."""

    def __init__(self, most):
        self.node = ub.FractalNode("target", bulkhead=ub.Bulkhead(most), retry=False, breaker=False)
        self.lock = threading.Lock()
        self.at_work = self.peak = 0
        self.outcomes = []

    def work(self):
        with self.lock:
            self.at_work += 1
            self.peak = max(self.peak, self.at_work)
        with self.lock:
            self.at_work -= 1

    async def async_work(self):
        self.work()
        await sleep(0)

    def thread(self):
        for _ in range(300):
            self.outcomes.append(self.node.execute_sync(self.work))

    def loop(self):
        async def visits():
            for _ in range(30):
                self.outcomes += await asyncio.gather(*(self.node.execute(self.async_work) for _ in range(6)))

        asyncio.run(visits())


def test_one_bulkhead_holds_for_threads_and_two_event_loops_together():
    """Sync callers and the tasks of two loops share the places: never more at work than allowed, none lost."""
    yard = Yard(3)

    crowd = [threading.Thread(target=target) for target in [yard.thread] * 3 + [yard.loop] * 2]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    status = yard.node.get_status()
    full = sum(isinstance(outcome.error, BulkheadFull) for outcome in yard.outcomes)

    assert (0, 1260) == (status.in_flight, len(yard.outcomes))
    assert (1260 - full, full) == (status.success_count, status.failure_count)
    assert yard.peak <= 3


class Mixed:
    """Eight callers, whose hundred calls each end in four different ways."""

    def __init__(self):
        self.node = ub.FractalNode(
            "target", breaker=False, budget=False, retry=ub.Retry(2, backoff=ub.Backoff(0.0)), fallback=self.fall
        )

    def fall(self, failure):
        if isinstance(failure.error, LookupError):
            return "fallen"
        raise failure.error

    def operation(self, number):
        errors = {0: [], 1: [ConnectionError()], 2: [OSError(), OSError()], 3: [LookupError(), LookupError()]}
        troubles = errors[number % 4]

        def work():
            if troubles:
                raise troubles.pop()
            return number

        return work

    def in_threads(self):
        def caller():
            for number in range(100):
                self.node.execute_sync(self.operation(number))

        crowd = [threading.Thread(target=caller) for _ in range(8)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()

    def on_a_loop(self):
        async def caller():
            for number in range(100):
                await self.node.execute(self.operation(number))

        async def everybody():
            await asyncio.gather(*(caller() for _ in range(8)))

        asyncio.run(everybody())


@pytest.mark.parametrize("way", [Mixed.in_threads, Mixed.on_a_loop])
def test_statistics_are_exact_under_concurrency(way):
    """Whoever calls at the same time, every call is counted once, as what it ended in."""
    mixed = Mixed()

    way(mixed)
    status = mixed.node.get_status()

    assert (800, 400, 200, 200, 200) == (
        status.total_executions,
        status.success_count,
        status.heal_count,
        status.failure_count,
        status.degraded_count,
    )


def test_run_blocking_says_so_when_something_suspends():
    """A script that awaits an asyncio object in sync code is a loud error, not a hang."""
    with pytest.raises(RuntimeError, match="suspended"):
        run_blocking(ASYNCIO.sleep(0))
