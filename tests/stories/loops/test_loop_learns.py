"""A loop that fails as before is healed by what has helped before."""

from __future__ import annotations

import json

from unbreakable.loops.events import LoopHealed, RungTried
from unbreakable.testing import virtual_time


def broken(stage, **settings):
    """Return a loop that breaks when somebody says how, until the rung that mends it is tried; and when it ran."""
    moments, broken = [], {}

    async def work(ctx):
        moments.append(stage.now())
        for words in list(broken):
            raise ConnectionError(words)

    loop = stage.loop(work, **{"effects": "once", "interval": 1.0, **settings})

    def mend(event):
        for words, rung in list(broken.items()):
            if rung == event.rung:
                del broken[words]

    loop.node.on(RungTried, mend)
    return loop, broken, moments


async def spell(stage, loop, broken, moments, words, rung, seconds=200.0):
    """Let it break in one way; return how many seconds it was broken, and how many times it has failed."""
    began, before = len(moments), loop.get_status().ledger.failed
    broken[words] = rung
    await stage.sleep(seconds)
    failures = loop.get_status().ledger.failed - before
    ran = moments[began:]
    return round(ran[failures] - ran[0], 3), failures


def test_what_has_healed_a_failure_is_tried_first_when_it_is_back(play):
    """The eighth failure was the turn of the refresh; from now on it is the first one."""

    async def story(stage):
        loop, broken_by, moments = broken(stage)
        loop.start()
        await stage.sleep(5.5)
        took = [
            await spell(stage, loop, broken_by, moments, f"pool {number} is stuck", "quantum_refresh")
            for number in (17, 4, 112)
        ]
        return took, loop.get_status()

    took, status = play(story)

    assert [(64.0, 8), (1.0, 1), (1.0, 1)] == took
    assert (3, 3) == status.healing.quantum_refresh
    (known,) = status.known_failures
    assert "ConnectionError" in known.signature
    assert ((3, 3), 22.0, 1.0) == (known.healing.quantum_refresh, known.seconds, known.rest)
    assert (
        "after failure 1 in a row: quantum_refresh, for it has healed this failure 2 of 2 times" in status.latest_rung
    )
    assert json.loads(json.dumps(status.to_dict()))["known_failures"] == [json.loads(json.dumps(known.to_dict()))]


def test_another_failure_has_another_remedy_and_the_table_is_for_what_is_unknown(play):
    """One is mended by the reset's turn, one by the refresh's, each at once when it comes back."""

    async def story(stage):
        loop, broken_by, moments = broken(stage)

        async def spells(words, rung):
            return await spell(stage, loop, broken_by, moments, words, rung)

        loop.start()
        await stage.sleep(5.5)
        first = await spells("the pool is stuck", "quantum_refresh"), await spells("no answer", "survival_mode")
        again = await spells("the pool is stuck", "quantum_refresh"), await spells("no answer", "survival_mode")
        return first, again

    first, again = play(story)

    assert ((64.0, 8), (144.0, 13)) == first
    assert ((1.0, 1), (144.0, 13)) == again


def test_an_operation_that_spoils_its_state_is_reset_at_once(play):
    """Deep inside the state, by a number that must not be there."""

    async def story(stage):
        spoil, ran = [], []

        async def work(ctx):
            numbers = ctx.state.setdefault("numbers", [1])
            if spoil:
                numbers.append(spoil.pop())
            ran.append(-1 in numbers)
            if -1 in numbers:
                raise ValueError("a negative number")

        loop = stage.loop(work, effects="once")
        loop.start()
        lengths = []
        for _ in range(3):
            await stage.sleep(50.5)
            spoil.append(-1)
            before = sum(ran)
            await stage.sleep(50.0)
            lengths.append(sum(ran) - before)
        return lengths, loop.get_status().healing.safe_state_reset

    assert ([5, 1, 1], (3, 3)) == play(story)


def test_a_wrong_belief_costs_no_time(play):
    """What has helped is tried in vain, and all else has its turn when it would have had it."""

    async def story(stage):
        loop, broken_by, moments = broken(stage)
        loop.start()
        await stage.sleep(5.5)
        await spell(stage, loop, broken_by, moments, "stuck", "quantum_refresh")
        heard = []
        loop.node.on(RungTried, heard.append)
        took = await spell(stage, loop, broken_by, moments, "stuck", "survival_mode")
        return took, heard

    took, heard = play(story)

    assert (144.0, 13) == took
    assert [
        ("quantum_refresh", 1),
        ("adaptive_backoff", 3),
        ("quantum_refresh", 8),
        ("survival_mode", 13),
    ] == [(event.rung, event.failures) for event in heard]
    assert "it has healed this failure 1 of 1 times, and its turn is 48 intervals away" == heard[0].why
    assert {"it was its turn"} == {event.why for event in heard[1:]}


def test_each_tick_tells_what_was_done_about_it(play):
    """The reason of a failed tick has the rung, and why it was that one."""

    async def story(stage):
        loop, broken_by, moments = broken(stage)
        loop.start()
        await stage.sleep(5.5)
        for _ in range(2):
            await spell(stage, loop, broken_by, moments, "stuck", "quantum_refresh")
        return [line for line in (loop.explain(number) for number in range(406)) if "quantum_refresh" in line]

    told = play(story)

    assert [
        "it was its turn",
        "it has healed this failure 1 of 1 times, and its turn is 48 intervals away",
    ] == [line.partition("failed: ConnectionError: stuck; then quantum_refresh, for ")[2] for line in told]


def test_what_was_learned_outlives_a_stop(play):
    """A new start has all patience, but forgets nothing."""

    async def story(stage):
        loop, broken_by, moments = broken(stage)
        loop.start()
        await stage.sleep(5.5)
        await spell(stage, loop, broken_by, moments, "stuck", "quantum_refresh")
        await stage.stop(loop)
        loop.start()
        await stage.sleep(5.5)
        return await spell(stage, loop, broken_by, moments, "stuck", "quantum_refresh")

    assert (1.0, 1) == play(story)


def test_the_same_day_goes_the_same_way_again(play):
    """Nothing is left to chance."""

    async def story(stage):
        loop, broken_by, moments = broken(stage)
        ways = [("stuck", "quantum_refresh"), ("gone", "survival_mode"), ("torn", "adaptive_backoff")]
        healed = []
        loop.node.on(LoopHealed, healed.append)
        loop.start()
        await stage.sleep(5.5)
        for number in range(12):
            await spell(stage, loop, broken_by, moments, *ways[number % 3])
        return len(moments), [(round(event.at - healed[0].at, 3), event.rung) for event in healed]

    def seeded():
        return virtual_time(seed=7)

    assert play(story, seeded) == play(story, seeded)


def test_an_iteration_that_never_fails_learns_nothing(play):
    """Nor does a short trouble that was over by itself."""

    async def story(stage):
        async def work(ctx):
            if ctx.iteration % 10 == 0:
                raise ConnectionError("now and then")

        loop = stage.loop(work, effects="once")
        loop.start()
        await stage.sleep(100.0)
        return loop.get_status()

    status = play(story)

    assert ((), None) == (status.known_failures, status.latest_rung)
