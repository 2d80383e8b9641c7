"""A loop that fails says so in the log of its program: once, in words that help, and nothing per iteration."""

from __future__ import annotations

import contextlib
import logging

import pytest

from unbreakable.loops import complaints
from unbreakable.loops.page import SIZE, Page
from unbreakable.loops.pulse import Pulse

FAILED = "loop work has failed, and goes on; what fails like this is not logged again: "
TRIED = "loop work has failed {} times in a row: {}"
RESET = TRIED.format(5, "its state is again that of its latest good iteration")
ANEW = TRIED.format(8, "its execution paths are made anew")
SURVIVES = TRIED.format(13, "it survives, with its longest pause between two attempts")


@pytest.fixture
def said(caplog):
    """Return a function that returns what was logged: how loudly, and what."""
    caplog.set_level(logging.INFO, "unbreakable")
    return lambda: [(each.levelname, each.getMessage()) for each in caplog.records]


def warnings(*lines):
    """Return each of these *lines* as a warning."""
    return [("WARNING", line) for line in lines]


def failing(stage, errors, **settings):
    """Return a loop whose iterations raise one of *errors* after the other, and go well where that is None."""
    left = iter(errors)

    async def work(ctx):
        error, ctx.state["begun"] = next(left, None), ctx.iteration
        if error is not None:
            raise error

    return stage.loop(work, **{"interval": 1.0, "effects": "once", **settings})


def test_a_loop_that_always_fails_says_so_once(play, caplog, said):
    """With where it was raised; then what is done about it, and nothing of hundreds of further failures."""

    async def story(stage):
        errors = (ConnectionError(f"refused by port {number}") if number else None for number in range(10_000))
        failing(stage, errors).start()
        await stage.sleep(4_000.0)
        return stage.engine.get_status().loops[0].ledger.failed

    assert play(story) > 200
    assert warnings(f"{FAILED}ConnectionError: refused by port 1", RESET, ANEW, SURVIVES) == said()
    assert "test_loop_complains" in caplog.text


def test_a_log_that_is_set_up_later_hears_of_what_fails_still(play, said, monkeypatch):
    """What nobody could hear was not said: modules start loops, and programs set up their logs after that."""
    hears = []
    monkeypatch.setattr(complaints, "is_heard", lambda: bool(hears))

    async def story(stage):
        failing(stage, (ConnectionError("refused") for _ in range(10_000))).start()
        await stage.sleep(2.5)
        before = said()
        hears.append(True)
        await stage.sleep(20.0)
        return before

    assert [] == play(story)
    assert warnings(f"{FAILED}ConnectionError: refused") == said()[:1]


def test_each_sort_of_failure_is_told(play, said):
    """Another error may be the one that matters; of sorts without end a few are told."""

    async def story(stage):
        errors = [
            ValueError("a"),
            KeyError("b"),
            ValueError("a"),
            *(type(f"E{n}", (Exception,), {})() for n in range(99)),
        ]
        failing(stage, errors, interval=0.1).start()
        await stage.sleep(200.0)

    play(story)

    told = [line for _, line in said() if line.startswith(FAILED)]
    assert [f"{FAILED}ValueError: a", f"{FAILED}KeyError: 'b'", f"{FAILED}E0"] == told[:3]
    assert len(told) < complaints.MOST


def test_it_is_told_when_the_loop_is_well_again(play, said):
    """By three good iterations in a row."""

    async def story(stage):
        failing(stage, [OSError("down")] * 2).start()
        await stage.sleep(20.0)

    play(story)

    assert [*warnings(f"{FAILED}OSError: down"), ("INFO", "loop work is well again, after 4 s")] == said()


@pytest.mark.parametrize(("good", "times"), [(3, 1), (70, 2)])
def test_what_comes_back_soon_is_not_told_again(play, said, good, times):
    """A loop that fails now and then would fill the log."""

    async def story(stage):
        failing(stage, [OSError("down"), *([None] * good), OSError("down")]).start()
        await stage.sleep(100.0)

    play(story)

    assert times == sum(line.startswith(FAILED) for _, line in said())
    assert times == sum(level == "INFO" for level, _ in said())


def test_iterations_beside_each_other_speak_with_one_voice(play, said):
    """As many as fail at the same time, it is one loop that fails."""

    async def story(stage):
        async def work(ctx):
            await stage.work_for(10.0)
            raise OSError("down")

        loop = stage.loop(work, interval=1.0, overlap="allow_all", effects="once")
        loop.start()
        await stage.sleep(30.0)

    play(story)

    assert warnings(f"{FAILED}OSError: down") == said()


def test_nothing_is_said_while_the_program_ends(play, said, monkeypatch):
    """It takes from its loops what they work with, their worker processes first."""
    monkeypatch.setattr(complaints, "_ending", [])
    complaints.hush()

    async def story(stage):
        failing(stage, [OSError("down")] * 20).start()
        await stage.sleep(100.0)

    play(story)

    assert [] == said()


def test_a_log_that_fails_stops_nothing(play, monkeypatch):
    """A full disk is no reason to have no iterations."""

    def fail(record):
        raise OSError("no space left")

    async def story(stage):
        loop = failing(stage, [ValueError("a")] * 20)
        loop.start()
        await stage.sleep(400.0)
        return loop.get_status()

    logger = logging.getLogger("unbreakable.loops")
    logger.addFilter(fail)
    with contextlib.ExitStack() as stack:
        stack.callback(logger.removeFilter, fail)
        status = play(story)

    assert 20 == status.ledger.failed
    assert status.ledger.run > 20


def test_a_supervisor_sees_how_many_loops_fail_and_survive(play, monkeypatch):
    """Until they are well, or end."""

    async def story(stage):
        seen = []
        loops = [failing(stage, [OSError("down")] * count, name=str(count)) for count in (0, 2, 20, 1_000)]
        for loop in loops:
            loop.start()
        for seconds in (1.5, 8.5, 190.0, 300.0):
            await stage.sleep(seconds)
            seen.append(page.ailing)
        await stage.stop(loops[-1])
        return [*seen, page.ailing]

    page, pulse = Page(bytearray(SIZE)), Pulse()
    monkeypatch.setattr(complaints, "PULSE", pulse)
    pulse._page = page

    assert [(3, 0), (2, 0), (2, 2), (1, 1), (0, 0)] == play(story)
