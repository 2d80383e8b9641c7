"""The quick path and its second attempt: what is met there for the first time, or comes in between."""

from __future__ import annotations

import asyncio
import sys

import pytest

import unbreakable as ub
from unbreakable.fractal.again import Repeat
from unbreakable.testing import virtual_time

AGAIN = ub.Retry(3, backoff=ub.Backoff(1.0, factor=1.0, jitter=False))


class Play:
    """Call a plain function, protected with some options, in one colour and in virtual time."""

    def __init__(self, colour):
        self.colour, self.door = colour, None

    def __call__(self, function, *calls, **options):
        async def work(*args):
            return function(*args)

        async def one(args):
            return await door(*args)

        is_async = self.colour == "async"
        self.door = door = ub.protect("target", effects="none", **options)(work if is_async else function)
        with virtual_time():
            return [asyncio.run(one(args)) if is_async else door(*args) for args in calls]


@pytest.fixture(params=["async", "sync"])
def play(request):
    """Return a way to call, in each colour."""
    return Play(request.param)


def test_a_key_that_is_met_for_the_first_time_is_one_more_target(play):
    """Its first call goes another way than those after it, to the same end."""
    values = play(lambda key: key, ("a",), ("b",), ("a",), key=lambda key: key)

    assert ["a", "b", "a"] == values
    assert {"a": 2, "b": 1} == {name: play.door.node.targets.if_any((name,), {}).successes for name in ("a", "b")}


def test_what_comes_up_in_the_pause_is_for_the_script(play, monkeypatch):
    """A circuit that is forced open meanwhile refuses the second attempt, and the call ends by the first failure."""
    wait, made = Repeat.wait, []

    async def wait_while_it_is_opened(self):
        await wait(self)
        self.ctx.node.breaker.force_open()

    def down():
        made.append(1)
        raise ConnectionError("down")

    monkeypatch.setattr(Repeat, "wait", wait_while_it_is_opened)
    with pytest.raises(ConnectionError, match="down"):
        play(down, (), retry=AGAIN)

    assert [1] == made


def test_who_is_interrupted_in_the_second_attempt_is_gone(play):
    """Ctrl-C passes at once, and the place is free for the next call."""
    made = []

    def interrupted():
        made.append(1)
        raise [ConnectionError("down"), KeyboardInterrupt, ValueError("next")][len(made) - 1]

    options = {"retry": AGAIN, "bulkhead": ub.Bulkhead(1), "breaker": ub.CircuitBreaker(2)}
    with pytest.raises(KeyboardInterrupt):
        play(interrupted, (), **options)
    status = play.door.node.get_status()

    assert ([1, 1], 0, 0, "closed") == (made, status.in_flight, status.total_executions, status.breaker)


def test_a_place_that_was_cleared_meanwhile_is_not_given_back_on_top(play):
    """After a fork every place of a bulkhead is free, also that of the call that goes on in the child."""
    insides = play(
        lambda: play.door.node.after_fork() or play.door.node.target.gate.inside, (), bulkhead=ub.Bulkhead(2)
    )
    gate = play.door.node.target.gate

    assert ([0], 0) == (insides, gate.inside)
    assert [True, True, False] == [gate.enter_nowait() for _ in range(3)]


class Odd(TypeError):
    """An error that does not say where it came up, but to Python's own ``ExitStack``, which asks since 3.13."""

    def __getattribute__(self, name):
        if name == "__traceback__" and sys._getframe(1).f_globals["__name__"] != "contextlib":
            raise RuntimeError("nobody's business")
        return super().__getattribute__(name)


def test_an_error_that_does_not_say_where_it_came_up_is_the_programs_own(play):
    """It is not taken for a function called wrongly."""
    with pytest.raises(Odd):
        play(lambda: (_ for _ in ()).throw(Odd("odd")), (), retry=False)
