"""Signs of life: what is shown is the earliest of what is at work, whatever begins and ends beside it."""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import threading

import pytest

from unbreakable.loops import QuantumLoopEngine, life
from unbreakable.loops.page import FAILING, MAGIC, MOST_LANES, Page, new_page, opened
from unbreakable.loops.pulse import FEW, NEVER, Lane, Pulse
from unbreakable.runtime import ASYNCIO, BLOCKING

sleep = ASYNCIO.sleep

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="such memory is Linux's")]


def shown(hang: float = 30.0) -> tuple[Pulse, Page]:
    """Return what gives signs of life, and the page where they are seen."""
    ours, [descriptor] = new_page(hang)
    theirs = opened(descriptor)
    assert ours is not None
    assert theirs is not None
    pulse = Pulse()
    pulse.show_on(theirs)
    return pulse, ours


def test_the_earliest_is_shown():
    """Of three promises the first to be due is shown with its name, until it is kept; then the next one."""
    pulse, page = shown()
    lane = pulse.join()
    late, early, middle = (lane.promise(seconds, name) for seconds, name in [(9.0, "a"), (1.0, "b"), (5.0, "c")])
    seen = []
    for promise in (early, late, middle):
        [sign] = page.due().values()
        seen.append((sign.due == min(each[0] for each in (late, early, middle) if each[2]), page.name(lane.number)))
        lane.keep(promise)

    assert [(True, "b"), (True, "c"), (True, "c")] == seen
    assert {} == page.due()
    assert 3 == page.count_ended()


def test_a_hundred_thousand_at_work_take_one_place():
    """However many are at work on an event loop, the page shows one of them, and what is held is bounded."""
    pulse, page = shown()
    lane, dice = pulse.join(), random.Random(7)
    promises = [lane.promise(dice.uniform(10.0, 99.0), "work") for _ in range(100_000)]
    [sign] = page.due().values()
    assert min(promises)[0] == sign.due
    first = lane.promise(1.0, "first")
    dice.shuffle(promises)
    for promise in promises:
        lane.keep(promise)

    assert first[0] == page.due()[lane.number].due
    assert 2 * FEW >= len(lane._others)
    lane.keep(first)
    assert {} == page.due()


def test_random_promises_are_shown_as_by_a_plain_search():
    """In any order of beginnings and ends the page shows what a search through all of them would."""
    pulse, page = shown()
    lane, dice, at_work = pulse.join(), random.Random(3), []
    for _ in range(3_000):
        if at_work and dice.random() < 0.5:
            lane.keep(at_work.pop(dice.randrange(len(at_work))))
        else:
            at_work.append(lane.promise(dice.uniform(1.0, 9.0), "work"))
        due = page.due()
        assert min((each[0] for each in at_work), default=None) == (due[lane.number].due if due else None)


def test_each_thread_has_a_lane_and_gives_it_back():
    """Loops that begin outside of an event loop have one each; what one leaves another one has."""
    pulse, page = shown()
    first, second = pulse.join(), pulse.join()
    assert 2 == page.loops
    first.promise(1.0, "first")
    second.promise(2.0, "second")
    assert {first.number, second.number} == set(page.due())
    pulse.leave(first)
    assert {second.number} == set(page.due())
    assert first.number == pulse.join().number


def test_more_threads_than_there_are_lanes_are_not_watched():
    """Who finds no lane goes on without one."""
    pulse, page = shown()
    lanes = [pulse.join() for _ in range(MOST_LANES + 5)]

    assert 6 == lanes.count(None)  # one is the interpreter's
    assert MOST_LANES - 1 == page.loops


def test_loops_on_an_event_loop_share_a_lane_with_a_heart():
    """It beats as long as there are loops; none of them left, nothing is promised."""
    pulse, page = shown(hang=0.1)

    async def live() -> tuple[list[Lane], int]:
        lanes = [pulse.join() for _ in range(3)]
        seen = set()
        for _ in range(300):
            seen.add(page.due()[lanes[0].number].due)
            if len(seen) > 3:
                break
            await sleep(0.01)
        for lane in lanes:
            pulse.leave(lane)
        return lanes, len(seen)

    lanes, beats = asyncio.run(live())

    assert beats > 3
    assert 1 == len(set(map(id, lanes)))
    assert (0, 0, {}) == (page.loops, page.count_ended(), page.due())


def test_what_a_closed_event_loop_has_promised_is_forgotten():
    """It will never be kept, and nobody hangs; what is kept after all is written nowhere."""
    pulse, page = shown()

    async def live() -> tuple[Lane, list[object]]:
        lane = pulse.join()
        assert lane is not None
        return lane, lane.promise(1.0, "left")

    lane, promise = asyncio.run(live())
    assert lane.number in page.due()
    pulse.beat()
    assert lane.number not in page.due()
    assert 0 == page.loops
    other = pulse.join()
    other.promise(2.0, "other")
    lane.keep(promise)
    pulse.leave(lane)

    assert ({0, other.number}, 1) == (set(page.due()), page.loops)


def test_loops_that_fail_are_counted_until_they_are_well_or_their_event_loop_is_closed():
    """Whoever speaks for a loop says how it is; one whose event loop is closed says no more."""
    pulse, page = shown()

    async def main():
        pulse.ails("closed", fails=True, survives=True)

    asyncio.run(main())
    pulse.ails("one", fails=True, survives=False)
    pulse.ails("one", fails=True, survives=True)
    pulse.ails("two", fails=False, survives=True)
    seen = [page.ailing]
    pulse.beat()
    seen.append(page.ailing)
    pulse.ails("one", fails=False, survives=False)
    pulse.ails("three", fails=False, survives=False)
    seen.append(page.ailing)

    assert [(2, 3), (1, 2), (0, 1)] == seen


def test_a_page_without_room_for_it_has_no_counts():
    """A supervisor of an earlier version has started this worker."""
    page = Page(bytearray(FAILING * 8))
    page.ailing = (3, 1)

    assert page.ailing is None


@pytest.mark.parametrize(
    ("hang", "is_users", "seconds"), [(30.0, True, 5.0), (30.0, False, 30.0), (0.0, False, math.inf)]
)
def test_only_a_deadline_of_the_users_is_taken_at_its_word(hang, is_users, seconds):
    """Others are those of --hang, if they are shorter; off, nothing is promised of them."""
    pulse, _ = shown(hang)

    assert seconds == pulse.seconds(5.0, is_users=is_users)


def test_off_no_heart_beats():
    """With --hang 0 neither the interpreter nor an event loop promises anything."""
    pulse, page = shown(hang=0.0)

    async def live() -> None:
        pulse.join()

    asyncio.run(live())

    assert NEVER == pulse.beat()
    assert {} == page.due()


def test_without_a_supervisor_nothing_is_promised():
    """Who joins has no lane, and a wish is nobody's."""
    pulse = Pulse()
    pulse.wish("a new one")
    pulse.leave(None)

    assert (None, None) == (pulse.join(), pulse.beat())


def test_a_wish_is_heard_once_and_in_full():
    """The first reason stands, cut to the room that it has."""
    pulse, page = shown()
    assert "" == page.wish
    pulse.wish("ä" * 500)
    pulse.wish("another")

    assert "ä" * 100 in page.wish


def test_a_page_of_another_version_is_not_read():
    """A library that was upgraded under its supervisor gives no sign that this one would misread."""
    page, [descriptor] = new_page(30.0)
    page.memory[: len(MAGIC)] = b"ubpulse0"

    assert opened(descriptor) is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_forked_child_gives_no_sign():
    """They would be taken for its parent's."""
    pulse, page = shown()
    pulse.join().promise(1.0, "parent")
    before = page.due()
    pulse.forget()

    assert (None, None) == (pulse.join(), pulse.beat())
    assert before == page.due()


def test_threads_that_go_on_beside_each_other_have_lanes_of_their_own(monkeypatch):
    """A lane is written by one thread: what two have promised there, one could leave for nobody to keep."""
    pulse, page = shown()
    monkeypatch.setattr(life, "PULSE", pulse)
    go_on, begun = threading.Event(), []

    def work():
        begun.append(1)
        assert go_on.wait(10)

    loop = QuantumLoopEngine().create_loop(work, interval=0.01, overlap="allow_all", max_iterations=3, deadline=5.0)
    loop.start()
    while len(begun) < 3:
        BLOCKING.world.sleep(0.001)
    lanes = len(page.due())
    go_on.set()
    loop.wait_sync()

    assert (3, {}, 0) == (lanes, page.due(), page.loops)


def test_a_promise_is_renewed_in_its_place():
    """It has the same name and counts as nothing that has ended; what is earlier is shown first."""
    pulse, page = shown()
    lane = pulse.join()
    first, second = lane.promise(1.0, "a"), lane.promise(2.0, "b")
    renewed = lane.renew(first, 3.0)

    assert (second[0], "b", 0) == (page.due()[lane.number].due, page.name(lane.number), page.count_ended())
    lane.keep(second)
    assert (renewed[0], "a") == (page.due()[lane.number].due, page.name(lane.number))
    lane.keep(renewed)
    assert ({}, 2) == (page.due(), page.count_ended())


def test_what_is_cut_has_its_grace_only_where_the_event_loop_turns(monkeypatch):
    """Until the cut is made the deadline is what counts, and then its grace: a blocked event loop makes none."""
    pulse, page = shown(hang=0.0)
    monkeypatch.setattr(life, "PULSE", pulse)
    dues: list[float] = []
    left: list[float] = []

    def look() -> None:
        [due] = [sign.due for number, sign in page.due().items() if page.name(number) == "work"]
        dues.append(due)
        left.append(due - ASYNCIO.now())

    async def work() -> None:
        look()
        try:
            await sleep(60.0)
        finally:
            await sleep(0)
            look()

    async def live() -> None:
        loop = QuantumLoopEngine().create_loop(work, interval=60.0, deadline=0.4)
        loop.start()
        while len(left) < 2:
            await sleep(0.01)
        await loop.stop()

    asyncio.run(live())

    assert left[0] <= 0.411
    assert left[1] <= 0.051
    assert dues[1] >= dues[0] + 0.039  # cut at 0.4, or later
