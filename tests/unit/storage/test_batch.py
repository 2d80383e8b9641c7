"""One turn of an event loop makes one commit."""

from __future__ import annotations

import asyncio

import pytest

from unbreakable.errors import StateFull
from unbreakable.storage.batch import LoopBatch


class Commits:
    """Remembers what was committed together, and refuses some of it."""

    def __init__(self, refused=()):
        self.made, self.refused = [], set(refused)

    def __call__(self, entries):
        if self.refused & set(entries):
            raise StateFull("no room")
        self.made.append(list(entries))


async def written(commit, *batches):
    batch = LoopBatch(asyncio.get_running_loop(), commit)
    return await asyncio.gather(*(batch.write(entries) for entries in batches), return_exceptions=True)


async def test_writes_of_one_turn_are_one_commit():
    """A thousand runs at work do not make a thousand commits."""
    commit = Commits()
    await written(commit, ["a", "b"], ["c"])

    assert [["a", "b", "c"]] == commit.made


async def test_nobody_goes_on_before_the_commit():
    """An acknowledgement means that it is there."""
    commit, order = Commits(), []
    batch = LoopBatch(asyncio.get_running_loop(), lambda entries: order.append("commit") or commit(entries))
    await batch.write(["a"])
    order.append("acknowledged")

    assert ["commit", "acknowledged"] == order


async def test_what_cannot_be_written_does_not_take_others_with_it():
    """Each gets its own answer."""
    commit = Commits(refused=["bad"])
    answers = await written(commit, ["a"], ["bad", "b"], ["c"])

    assert [None, StateFull, None] == [answer and type(answer) for answer in answers]
    assert [["a"], ["c"]] == commit.made


async def test_a_writer_that_was_cancelled_leaves_the_others_alone():
    """What it wrote may be committed; nobody waits for it any more."""
    commit = Commits()
    batch = LoopBatch(asyncio.get_running_loop(), commit)
    gone, stays = asyncio.ensure_future(batch.write(["gone"])), asyncio.ensure_future(batch.write(["stays"]))
    asyncio.get_running_loop().call_soon(gone.cancel)
    await stays

    assert [["gone", "stays"]] == commit.made
    with pytest.raises(asyncio.CancelledError):
        await gone
