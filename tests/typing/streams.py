"""The face of streams as its users write it: never run, only read by type checkers."""

from __future__ import annotations

from typing import Literal, assert_type

from unbreakable.nodes import Ack, Batch, Batching, DeadLetter, StreamNode, StreamStatus, StreamSummary


async def streams() -> None:
    """Put items in, and have them handled or take them out in batches."""

    async def handle(order: dict[str, int]) -> None:
        """Handle one."""

    stream = StreamNode(handle, max_buffer=100, overflow="spill", durability="durable", effects="idempotent")
    assert_type(await stream.put({"id": 1}), Ack)
    assert_type((await stream.put({"id": 1}, wait=0)).level, Literal["memory", "process", "durable"])
    assert_type(await stream.process_stream([1, 2]), StreamSummary)
    assert_type(await stream.drain(within=5.0), bool)
    assert_type(stream.dead_letters(), tuple[DeadLetter, ...])
    assert_type(await stream.redeliver("id"), int)
    assert_type(stream.discard("id"), int)
    assert_type(stream.get_status(), StreamStatus)
    assert_type(await stream.aclose(grace=1.0), StreamStatus)

    async with StreamNode(batch=Batching(10, linger=0.5)) as reader:
        async for batch in reader.batches():
            assert_type(batch, Batch)
            assert_type(batch.ids, tuple[str, ...])
            batch.ack()
    for batch in StreamNode().batches_sync():
        assert_type(batch, Batch)

    StreamNode(print, durability="eternal")  # type: ignore[arg-type]
