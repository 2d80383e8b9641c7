"""A time limit that is given as a guess is where learning begins."""

from __future__ import annotations

import asyncio

import unbreakable as ub
from unbreakable.testing import virtual_time

GUESS = ub.Timeout(2.0, learned=True)


def test_a_guess_holds_until_a_limit_is_learned():
    """The first call that hangs costs the guess; what is learned from forty successes takes its place."""

    async def story():
        node = ub.FractalNode("partner", effects="idempotent", timeout=GUESS, retry=ub.Retry(3), deadline=10.0)
        hangs = [True]

        async def ask(ctx):
            if hangs and hangs.pop():
                await asyncio.Event().wait()
            await asyncio.sleep(0.01)  # noqa: TID251 - virtual

        first = await node.execute(ask)
        limit = node.get_status().plan["timeout"]
        for _ in range(100):
            await node.execute(ask)
        return first.status, first.attempts, round(first.elapsed), limit, node.get_status().plan["timeout"]

    with virtual_time():
        status, attempts, elapsed, limit, learned = asyncio.run(story())

    assert (ub.Status.HEALED, 2, 2, 2.0) == (status, attempts, elapsed, limit)
    assert learned < 2.0


def test_a_guess_is_never_why_a_call_fails():
    """A target that is slower than anybody had thought is waited for."""

    async def story():
        node = ub.FractalNode("partner", effects="idempotent", timeout=GUESS, retry=ub.Retry(3), deadline=30.0)

        async def ask(ctx):
            await asyncio.sleep(7.0)  # noqa: TID251 - virtual
            return "done"

        return (await node.execute(ask)).unwrap()

    with virtual_time():
        assert "done" == asyncio.run(story())
