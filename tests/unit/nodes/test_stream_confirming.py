"""What waits for the disk when a stream is closed is confirmed by the last sync."""

from __future__ import annotations

import asyncio

from unbreakable.nodes.streaming.confirming import Confirming
from unbreakable.runtime import ASYNCIO


async def test_closing_confirms_what_waits(monkeypatch):
    """Whoever was to make the sync may not have got to it."""
    told = []
    confirming = Confirming(lambda: 7, lambda: told.append(True), 0)
    monkeypatch.setattr(confirming, "_in_a_thread", lambda: None)
    waiting = asyncio.ensure_future(confirming.wait(7, ASYNCIO, 5.0))
    await ASYNCIO.sleep(0)
    await ASYNCIO.sleep(0)
    confirming.close()

    assert (True, [True]) == (await waiting, told)
