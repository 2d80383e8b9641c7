"""Retry storms: what repeats may cost a target that is down, and how long one waits for it."""

from __future__ import annotations

import asyncio
import time

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.breaking import CALLED, MINE
from tests.torture.matrix.peer import Breaker, Budget, Retry
from tests.torture.matrix.target import Target, end_of, end_of_sync, fails, lets_through


@behaviour(
    "layers do not know of each other",
    "    return any(is_the_same(inner, other) for inner in spent for other in known)\n",
    "    return False\n",
)
async def nested_retries_do_not_multiply(peer):
    """Three layers of three attempts make at most four calls of a target that is down."""
    target = Target(down=True)
    door = target.ask
    for layer in range(3):
        door = peer.protect(renamed(door, layer), retry=Retry(3, 0.0))
    await end_of(door())

    assert target.calls <= 4


def renamed(door, layer):
    """Return a function that calls *door*, as code between two layers does."""

    async def between():
        return await door()

    between.__qualname__ = between.__name__ = f"layer_{layer}"
    return between


@behaviour(
    "layers do not know of each other",
    "    return any(is_the_same(inner, other) for inner in spent for other in known)\n",
    "    return False\n",
)
def nested_plain_retries_do_not_multiply(peer):
    """Three layers of three attempts of plain functions make at most four calls of a target that is down."""
    target = Target(down=True)

    def inner():
        return target.ask_sync()

    inner_door = peer.protect(inner, retry=Retry(3, 0.0))

    def middle():
        return inner_door()

    middle_door = peer.protect(middle, retry=Retry(3, 0.0))

    def outer():
        return middle_door()

    end_of_sync(peer.protect(outer, retry=Retry(3, 0.0)))

    assert target.calls <= 4


@behaviour(
    "repeats are free",
    "        paid = self._take(ctx, cost)",
    "        return True\n        paid = self._take(ctx, cost)",
)
def budget_holds_in_an_outage(peer):
    """Two hundred calls of a target that is down cost it at most a tenth more, and what the budget began with."""
    calls = []

    def work():
        calls.append(1)
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(len(calls)))
        raise OSError(f"{letters} is down")  # nobody learns anything from that

    door = peer.protect(work, retry=Retry(3, 0.0), budget=Budget(0.1, 10))
    for _ in range(200):
        end_of_sync(door)

    assert 200 < len(calls) <= 200 + 20 + 12


@behaviour(
    "every function has a purse of its own",
    "self if parent is None or self.has_own else parent.payer",
    "self",
)
def one_budget_for_several_functions(peer):
    """Two functions that ask the same target share a budget."""
    one, other = Target(down=True), Target(down=True)
    doors = peer.shared_budget([one.ask_sync, other.ask_sync], Retry(3, 0.0), Budget(0.0, 10))
    for _ in range(30):
        for door in doors:
            end_of_sync(door)

    assert 60 < one.calls + other.calls <= 60 + 12


@behaviour(
    "copies are free",
    "        now, purse, copies = ctx.runtime.now(), self.payer.purse, self.payer.purse_for_copies\n",
    "        return True\n",
)
async def copies_are_budgeted(peer):
    """When every call is slow, a budget bounds how many second copies are made, and no call fails for want of it."""
    target = Target()
    door = peer.protect(target.ask, hedge=0.02, budget=Budget(0.1, 10))
    ends = [await end_of(door(0.05)) for _ in range(60)]

    assert ["up"] * 60 == ends
    assert 60 < target.calls <= 60 + 6 + 12


@behaviour("whatever is raised is repeated", " or not self.covers(failure.error):", ":")
async def other_errors_are_not_retried(peer):
    """An error of a type that retrying is not meant for costs one attempt."""
    calls = []

    async def work():
        calls.append(1)
        raise LookupError("no such customer")

    ended = await end_of(peer.protect(work, retry=Retry(3, 0.0, on=OSError))())

    assert (LookupError, 1) == (type(ended), len(calls))


@behaviour(
    "nobody is heard",
    "self.backoff, failure.retry_after",
    "self.backoff, None",
)
async def pauses_asked_for_are_kept(peer):
    """When the target asks for a pause, the next attempt is not made before it is over."""
    error, moments = peer.after(), []

    async def work():
        moments.append(peer.now())
        if len(moments) == 1:
            raise error(0.4)
        return "up"

    assert "up" == await peer.protect(work, retry=Retry(3, 0.01, on=error))()
    assert 0.38 < moments[1] - moments[0] < 1.5


@behaviour(
    "pauses outlast the deadline",
    "            if pause >= ctx.left():\n",
    "            if pause >= 1e9:\n",
)
async def pauses_past_the_deadline_are_refused(peer):
    """When the target asks for a pause that the deadline has no room for, the call fails at once."""
    error, moments = peer.after(), []

    async def work():
        moments.append(peer.now())
        raise error(5.0)

    began = peer.now()
    ended = await end_of(peer.protect(work, retry=Retry(3, 0.01, on=error), deadline=0.5)())

    assert isinstance(ended, error)
    assert (1, True) == (len(moments), peer.now() - began < 0.4)


@behaviour("nothing is ever hopeless", "GONE = 0.835", "GONE = 2.0")
def hopeless_errors_are_given_up(peer):
    """What no retry has ever helped against, such as a 500 whose body says that the key is wrong, costs one attempt."""
    calls = []

    def work():
        calls.append(1)
        raise OSError("500: auth_error")

    door = peer.learning(work, Retry(3, 0.0))
    for _ in range(40):
        end_of_sync(door)
    before = len(calls)
    for _ in range(20):
        end_of_sync(door)

    assert len(calls) - before <= 22


class TooManyError(BaseException):
    """End a call whose attempts would never end."""


@behaviour(
    "attempts without end",
    CALLED,
    f"value = {MINE}.until_it_succeeds(self.function, *args, **kwargs)\n",
)
def defaults_are_bounded(peer):
    """With nothing but the defaults a call that always fails ends after at most ten attempts."""
    calls = []

    def work():
        calls.append(1)
        if len(calls) > 10:
            raise TooManyError
        raise ConnectionError("down")

    end_of_sync(peer.defaults(work))

    assert 1 < len(calls) <= 10


@behaviour("no jitter", "jitter: bool = True", "jitter: bool = False")
def defaults_spread_the_herd(peer):
    """With nothing but the defaults callers that fail at the same moment do not come back at the same moment."""
    seconds = []
    for _ in range(6):
        moments = []

        def work(moments=moments):
            moments.append(peer.now())
            if len(moments) > 1:
                raise TooManyError
            raise ConnectionError("down")

        end_of_sync(peer.defaults(work))
        seconds += [moments[1] - moments[0]] if len(moments) > 1 else []

    assert 6 == len(seconds), "nothing was retried"
    seconds.sort()
    assert seconds[-2] - seconds[1] > 0.01, f"they came back after {seconds}"


@behaviour(
    "verification does not matter",
    "if verify is not None and quality < verify.at_least:",
    "if False:",
)
async def wrong_results_are_retried(peer):
    """A result that is not what was asked for is tried again."""
    answers = ["", "", "fares"]

    async def work():
        return answers.pop(0)

    door = peer.protect(work, verify=bool, retry=Retry(3, 0.0, on=Exception))

    assert "fares" == await door()


@behaviour(
    "event loops live in real time",
    "            stack.enter_context(_event_loops_in(world))\n",
    "",
    real=True,
    hangs=True,
)
def tests_do_not_wait_for_pauses(peer):
    """In a test a pause of an hour takes no time."""
    target = Target(down=True)
    door = peer.protect(target.ask, retry=Retry(3, 3600.0))
    began = time.monotonic()
    with peer.testing():
        ended = asyncio.run(end_of(door()))

    assert isinstance(ended, OSError)
    assert 3 == target.calls
    assert time.monotonic() - began < 60.0


@behaviour(
    "event loops live in real time",
    "            stack.enter_context(_event_loops_in(world))\n",
    "",
    real=True,
    hangs=True,
)
def tests_do_not_wait_for_limits(peer):
    """In a test a time limit of an hour rings, and a circuit rests for an hour, in no time."""
    target = Target()

    async def story(pause):
        door = peer.protect(target.ask, timeout=3600.0, breaker=Breaker(1, 3600.0, on=Exception))
        await fails(door, 1, 7200.0)
        refused = not await lets_through(door, target)
        await pause(3700.0)
        return refused, await door()

    began = time.monotonic()
    with peer.virtual() as pause:
        ended = asyncio.run(story(pause))

    assert (True, "up") == ended
    assert time.monotonic() - began < 60.0
