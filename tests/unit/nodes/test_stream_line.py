"""Only the first in line tries, and everybody leaves it without a trace."""

from __future__ import annotations

import asyncio

from unbreakable.nodes.streaming.line import stand
from unbreakable.runtime import ASYNCIO, Line


async def test_who_comes_later_does_not_try_first():
    """Also in the moment in which the first in line was called and has not looked yet."""
    line, room = Line(), []

    def attempt():
        return room.pop() if room else None

    first = asyncio.ensure_future(stand(line, attempt, ASYNCIO, 5.0))
    await ASYNCIO.sleep(0)
    room.append("room")
    line.call()
    second = asyncio.ensure_future(stand(line, attempt, ASYNCIO, 0.05))

    assert ("room", None) == (await first, await second)
    assert 0 == len(line)


async def test_an_attempt_that_raises_lets_the_next_one_try():
    """A stream that is closed tells each of those who wait."""
    line, told = Line(), []

    def attempt():
        told.append(True)
        if len(told) > 2:
            raise LookupError

    waiting = [asyncio.ensure_future(stand(line, attempt, ASYNCIO, 5.0)) for _ in range(3)]
    await ASYNCIO.sleep(0)
    line.call()
    await ASYNCIO.sleep(0)
    line.call()
    errors = await asyncio.gather(*waiting, return_exceptions=True)

    assert [LookupError] * 3 == [type(error) for error in errors]
    assert 0 == len(line)


async def test_who_was_cancelled_makes_way():
    """The next one is called at once."""
    line, room = Line(), ["room"]
    gone = asyncio.ensure_future(stand(line, lambda: None, ASYNCIO, 5.0))
    stays = asyncio.ensure_future(stand(line, room.pop, ASYNCIO, 5.0))
    await ASYNCIO.sleep(0)
    gone.cancel()

    assert "room" == await stays


def test_who_waited_on_a_closed_event_loop_holds_nobody_up():
    """Their place is given away."""
    line = Line()
    loop = asyncio.new_event_loop()
    forgotten = loop.create_task(stand(line, lambda: None, ASYNCIO, 1_000.0))
    loop.run_until_complete(asyncio.wait({forgotten}, timeout=0.01))
    forgotten._log_destroy_pending = False
    loop.close()

    assert "room" == asyncio.run(stand(line, lambda: "room", ASYNCIO, 5.0))
