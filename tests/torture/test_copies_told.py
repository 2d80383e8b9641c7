"""Whoever wants to know whether second copies help is told: by the story of a call, by events, by the status."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO

sleep = ASYNCIO.sleep


def heard_of(node):
    """Return a list of what is told of copies of *node* from now on."""
    heard = []
    for kind in (ub.events.Hedged, ub.events.CopyWon):
        node.on(kind, lambda event: heard.append((type(event).__name__, event.after)))
    return heard


def answering(colour, answers):
    """Return what takes so many seconds, and then returns or raises so, as each of *answers* says."""

    async def work():
        seconds, answer = answers.pop(0)
        await colour.sleep(seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return work


@pytest.mark.parametrize(
    ("copy", "line", "won"),
    [
        ((1.0, "b"), "3.000 s  the copy of attempt 1 answered first", 1),
        ((1.0, OSError("reset")), "3.000 s  the copy of attempt 1 failed: OSError: reset", 0),
        ((9.0, "b"), "2.000 s  sends a copy of attempt 1", 0),
    ],
)
def test_a_call_tells_what_its_copy_came_to(colour, copy, line, won):
    """It has won, or failed, or was sent in vain: the last line of the story, the events and the figures say so."""
    answers = [(6.0, "a"), copy]

    async def story():
        door = colour.protect(answering(colour, answers), effects="none", hedge=ub.Hedge(2.0), retry=False)
        heard = heard_of(door.node)
        outcome = await colour.call(door.outcome)
        status = door.node.get_status()
        return outcome.explain().splitlines()[-1].strip(), heard, (status.copies_sent, status.copies_won)

    events = [("Hedged", 2.0), ("CopyWon", 2.0)][: 1 + won]
    assert (line, events, (1, won)) == colour.play(story)


def test_the_copies_of_children_count_for_their_parent(colour):
    """As their calls do, whatever becomes of the child."""
    parent = ub.FractalNode("parent")
    child = ub.FractalNode("child", parent=parent, effects="none", hedge=ub.Hedge(2.0))
    answers = [(6.0, "a"), (1.0, "b")] * 2

    async def story():
        execute = child.execute if colour.is_async else child.execute_sync
        for _ in range(2):
            await colour.call(execute, colour.plain(answering(colour, answers)))
            await colour.sleep(9)
        parent.drop_child(child)
        return parent.get_status(), child.get_status()

    assert [(2, 2), (2, 2)] == [(each.copies_sent, each.copies_won) for each in colour.play(story)]


def test_a_no_of_a_copy_is_told_as_one(colour):
    """It has answered first, if the attempt itself does not answer at all."""
    answers = [(60.0, "a"), (1.0, LookupError("not there"))]

    async def story():
        door = colour.protect(
            answering(colour, answers),
            effects="none",
            hedge=ub.Hedge(2.0),
            retry=ub.Retry(2, on=ConnectionError),
            deadline=40.0,
        )
        outcome = await colour.call(door.outcome)
        return [line.split("  ")[-1] for line in outcome.explain().splitlines()]

    told = colour.play(story)
    assert "the copy of attempt 1 was told no: LookupError: not there" in told
