"""A gate keeps one contract on every driver: never too many inside, first come first served, no trace of who left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import threading

import pytest

from unbreakable.runtime import ASYNCIO, BLOCKING, Gate, TimeUp, run_blocking

SOON = 10.0
SHORT = 0.02


def figures(gate: Gate) -> tuple[int, int]:
    return gate.inside, len(gate.line)


def test_places_are_taken_and_given_back(stage):
    """As many as there are places go in, nobody else; who leaves makes room."""

    async def story(runtime):
        gate = runtime.gate(2)
        entered = [await gate.enter(runtime, 0.0) for _ in range(3)]
        gate.leave()
        return entered, gate.enter_nowait(), gate.enter_nowait(), figures(gate)

    assert ([True, True, False], True, False, (2, 0)) == stage.play(story)


def test_who_waits_longest_goes_first(stage):
    """Places are given to those in line in the order in which they came, whoever asks in between."""

    async def story(runtime):
        gate, order = runtime.gate(1), []
        assert gate.enter_nowait()

        def somebody(name):
            async def step():
                assert await gate.enter(runtime, SOON)
                order.append(name)
                assert not gate.enter_nowait()
                gate.leave()

            return step

        for name in range(5):
            stage.start(somebody(name))
            await stage.until(lambda name=name: len(gate.line) == name + 1)
        gate.leave()
        await stage.everybody()
        return order, figures(gate)

    assert ([0, 1, 2, 3, 4], (0, 0)) == stage.play(story)


def test_a_wait_in_vain_is_bounded_and_leaves_no_trace(stage):
    """Who waited in vain holds no place and stands in no line."""

    async def story(runtime):
        gate = runtime.gate(1)
        assert gate.enter_nowait()
        began = runtime.now()
        entered = await gate.enter(runtime, SHORT)
        return entered, SHORT - 0.001 <= runtime.now() - began < SOON, figures(gate)

    assert (False, True, (1, 0)) == stage.play(story)


def test_who_is_cut_while_waiting_leaves_no_trace(stage):
    """A waiter that is cancelled or left behind stands in no line, and those behind it move up."""

    async def story(runtime):
        gate, entered = runtime.gate(1), []
        assert gate.enter_nowait()

        async def behind():
            entered.append(await gate.enter(runtime, SOON))

        async def cut():
            stage.start(behind)
            with contextlib.suppress(TimeUp):
                await runtime.within(SHORT, lambda: gate.enter(runtime, math.inf))

        await cut()
        await stage.until(lambda: len(gate.line) == 1)
        gate.leave()
        await stage.everybody()
        return entered, figures(gate)

    assert ([True], (1, 0)) == stage.play(story)


def test_the_line_is_bounded(stage):
    """Who finds the line full is turned away at once."""

    async def story(runtime):
        gate = Gate(1, queue=2)
        assert gate.enter_nowait()
        for place in range(2):
            stage.start(lambda: gate.enter(runtime, SOON))
            await stage.until(lambda place=place: len(gate.line) == place + 1)
        turned_away = await gate.enter(runtime, math.inf)
        for _ in range(3):
            gate.leave()
        await stage.everybody()
        return turned_away, figures(gate)

    assert (False, (0, 0)) == stage.play(story)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_place_given_at_the_moment_of_a_cancel_is_not_lost(moment):
    """Whether the place or the cancellation comes first, the place is free afterwards."""

    async def story():
        gate = Gate(1)
        assert gate.enter_nowait()
        waiting = asyncio.ensure_future(gate.enter(ASYNCIO, SOON))
        while not gate.line:
            await ASYNCIO.sleep(0)
        if moment == "before":
            waiting.cancel()
            gate.leave()
        else:
            gate.leave()
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return figures(gate)

    assert (0, 0) == asyncio.run(story())


def test_a_place_given_at_the_moment_the_wait_is_over_is_taken():
    """Who is handed the place while giving up has it, for the hand-over cannot be taken back."""

    class Late:
        """A driver whose wait ends a moment before the news comes."""

        waiter = staticmethod(BLOCKING.waiter)

        async def wait(self, waiter, seconds):
            gate.leave()
            return False

    gate = Gate(1)
    gate.enter_nowait()

    assert run_blocking(gate.enter(Late(), 1.0))
    assert (1, 0) == figures(gate)


def test_a_place_is_not_handed_to_an_event_loop_that_is_gone():
    """Whoever waited on a loop that was closed under them passes the place on as soon as they are forgotten."""
    gate = Gate(1)
    gate.enter_nowait()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(gate.enter(ASYNCIO, math.inf))
    loop.run_until_complete(ASYNCIO.sleep(0))
    loop.run_until_complete(ASYNCIO.sleep(0))
    waiting._log_destroy_pending = False
    loop.close()

    gate.leave()
    del waiting
    gc.collect()

    assert gate.enter_nowait()


class Crowd:
    """Threads and event loops that all want to pass one gate."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.lock = gate, threading.Lock()
        self.inside = self.peak = self.served = 0

    async def visit(self, runtime):
        assert await self.gate.enter(runtime, 30.0)
        with self.lock:
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        await runtime.sleep(0)
        with self.lock:
            self.inside -= 1
            self.served += 1
        self.gate.leave()

    def thread(self):
        for _ in range(200):
            run_blocking(self.visit(BLOCKING))

    def loop(self):
        async def visits():
            for _ in range(20):
                await asyncio.gather(*(self.visit(ASYNCIO) for _ in range(10)))

        asyncio.run(visits())


def test_one_gate_serves_threads_and_event_loops_together():
    """With real threads and two event loops at one gate, never more than allowed are inside, and nobody is lost."""
    crowd = Crowd(Gate(3))

    people = [threading.Thread(target=target) for target in [crowd.thread] * 4 + [crowd.loop] * 2]
    for one in people:
        one.start()
    for one in people:
        one.join()

    assert (1200, 3, (0, 0)) == (crowd.served, crowd.peak, figures(crowd.gate))
