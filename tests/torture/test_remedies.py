"""Remedies that misbehave: slow, hanging, raising, wanted by many at once, in need of a remedy themselves."""

from __future__ import annotations

import asyncio
import threading

import pytest

import unbreakable as ub
from unbreakable.errors import CircuitOpen
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
PATIENCE = 20.0


class Login:
    """An API whose token is dead until somebody logs in."""

    def __init__(self, colour, seconds=0.0, fails=()):
        self.colour, self.seconds, self.fails = colour, seconds, list(fails)
        self.alive, self.logins, self.calls = False, 0, 0
        self.error = PermissionError("401")

    async def call(self):
        self.calls += 1
        if not self.alive:
            raise self.error
        return "in"

    async def log_in(self, failure):
        self.logins += 1
        await self.colour.sleep(self.seconds)
        if self.fails:
            raise self.fails.pop(0)
        self.alive = True


def door_of(api, **options):
    """Return the protected call of *api* with its remedy."""
    door = api.colour.protect(api.call, effects="idempotent", **{"breaker": False, **options})
    door.remedy(type(api.error), name="log in")(api.colour.plain(api.log_in))
    return door


@pytest.mark.parametrize("seconds", [0.01, 5.0])
@pytest.mark.parametrize("breaker", [None, ub.CircuitBreaker(5)])
def test_fifty_callers_need_one_remedy(colour, seconds, breaker):
    """Of many calls that fail alike, one applies the remedy, the others wait for it and use its result."""

    async def story():
        api = Login(colour, seconds)
        door = door_of(api, breaker=breaker)
        ends = await crowd(colour, door, 50)
        return ends, api.logins, api.calls, colour.now()

    assert ({"in"}, 1, 100, seconds) == colour.play(story)


async def crowd(colour, door, size):
    """Return the ends of *size* calls made at the same moment."""
    if colour.is_async:
        return set(await asyncio.gather(*(door() for _ in range(size)), return_exceptions=True))
    outcomes, over = [], colour.runtime.waiter()

    def caller():
        outcomes.append(door.outcome())
        if len(outcomes) == size:
            over.wake()

    for _ in range(size):
        colour.runtime.world.spawn(caller, "caller")
    assert await colour.runtime.wait(over, 100.0)
    return {outcome.value or outcome.error for outcome in outcomes}


def test_fifty_threads_need_one_remedy():
    """The same with real threads that fail within microseconds."""
    lock, alive, logins = threading.Lock(), [], []
    meet = threading.Barrier(50)

    @ub.protect("target", effects="idempotent", breaker=False)
    def door():
        if not alive:
            raise PermissionError("401")
        return "in"

    @door.remedy(PermissionError)
    def log_in(failure):
        with lock:
            logins.append(1)
        threading.Event().wait(0.05)
        alive.append(1)

    ends = []

    def caller():
        meet.wait(PATIENCE)
        ends.append(door.outcome().value)

    people = [threading.Thread(target=caller) for _ in range(50)]
    for one in people:
        one.start()
    for one in people:
        one.join()

    assert (["in"] * 50, 1) == (ends, len(logins))


def test_a_thread_that_loses_the_processor_between_failure_and_remedy_needs_no_other():
    """What was mended after an attempt had failed is not mended again, however late its thread comes to ask."""
    alive, logins, failed, mended = [], [], threading.Event(), threading.Event()

    @ub.protect("target", effects="idempotent", breaker=False)
    def door():
        if not alive:
            raise PermissionError("401")
        return "in"

    def one_is_slow(failure):
        if threading.current_thread() is slow:
            failed.set()
            mended.wait(PATIENCE)
        return True

    @door.remedy(one_is_slow)
    def log_in(failure):
        logins.append(1)
        alive.append(1)

    slow = threading.Thread(target=door)
    slow.start()
    failed.wait(PATIENCE)
    door()
    mended.set()
    slow.join()

    assert len(logins) == 1


def test_a_remedy_that_raises_is_not_the_end(colour):
    """A remedy that fails once is tried again before the next attempt; its own error is told, not raised."""

    async def story():
        api = Login(colour, fails=[RuntimeError("login is down")])
        api.error = ConnectionError("the session broke")
        outcome = await colour.call(door_of(api).outcome)
        return outcome.status.value, api.logins, outcome.explain()

    status, logins, told = colour.play(story)

    assert ("healed", 2) == (status, logins)
    assert "remedy log in failed: RuntimeError: login is down" in told


def test_a_remedy_that_always_raises_leaves_the_users_own_error(colour):
    """The caller gets the error of the operation, not that of the remedy."""

    async def story():
        api = Login(colour, fails=[RuntimeError("login is down")] * 99)
        outcome = await colour.call(door_of(api).outcome)
        return type(outcome.error), outcome.attempts <= 3

    assert (PermissionError, True) == colour.play(story)


def test_a_remedy_that_hangs_is_cut_by_the_deadline_of_the_call():
    """Nobody waits for a hanging remedy beyond the deadline, neither who applies it nor who waits for its turn."""

    async def story():
        hung = []

        @ub.protect("target", effects="idempotent", breaker=False, deadline=10.0)
        async def door():
            raise PermissionError("401")

        @door.remedy(PermissionError)
        async def hang(failure):
            hung.append(1)
            await sleep(1e6)

        began = asyncio.get_running_loop().time()
        ends = await asyncio.gather(*(door.outcome() for _ in range(50)))
        seconds = asyncio.get_running_loop().time() - began
        (remedy,) = door.node.remedies
        return (
            {type(end.error) for end in ends},
            round(seconds, 3),
            remedy.turn.alone.inside,
            len(remedy.turn.alone.line),
        )

    with virtual_time():
        assert ({PermissionError}, 10.0, 0, 0) == asyncio.run(story())


def test_a_remedy_may_call_what_it_mends(colour):
    """A remedy that calls the protected function itself is not healed by itself, and ends."""

    async def story():
        depth = []

        async def work():
            raise PermissionError("401")

        door = colour.protect(work, effects="idempotent", breaker=False)

        async def mend(failure):
            depth.append(1)
            await colour.call(door)

        door.remedy(PermissionError)(colour.plain(mend))
        outcome = await colour.call(door.outcome)
        return type(outcome.error), len(depth) <= 3, outcome.attempts <= 3

    assert (PermissionError, True, True) == colour.play(story)


def test_a_remedy_that_calls_through_a_full_bulkhead_does_not_hang(colour):
    """A remedy inside the only place there is cannot get another; it fails, and the place is free afterwards."""

    async def story():
        async def work():
            raise PermissionError("401")

        door = colour.protect(work, effects="idempotent", breaker=False, bulkhead=ub.Bulkhead(1, wait=2.0))

        async def mend(failure):
            await colour.call(door)

        door.remedy(PermissionError)(colour.plain(mend))
        outcome = await colour.call(door.outcome)
        return type(outcome.error), door.node.get_status().in_flight

    assert (PermissionError, 0) == colour.play(story)


@pytest.mark.parametrize("answer", [True, "a new token", 7, ["x"], object(), {}])
def test_what_a_remedy_returns_besides_arguments_does_not_matter(colour, answer):
    """A remedy that happens to return something has worked all the same."""

    async def story():
        api = Login(colour)

        async def log_in(failure):
            await api.log_in(failure)
            return answer

        door = colour.protect(api.call, effects="idempotent")
        door.remedy(PermissionError, name="log in")(colour.plain(log_in))
        outcome = await colour.call(door.outcome)
        return outcome.status.value, outcome.remedies, api.logins

    assert ("healed", ("log in",), 1) == colour.play(story)


def test_changed_arguments_belong_to_the_call_that_asked_for_them(colour):
    """A remedy that changes an argument changes it for its own call only; every other call gets its own."""

    async def story():
        async def work(word, size=10):
            if size > 5:
                raise ValueError("too long")
            return word, size

        door = colour.protect(work, effects="idempotent", breaker=False)

        async def shrink(failure):
            return {"size": 5}

        door.remedy(ValueError)(colour.plain(shrink))
        healed = [await colour.call(door, word) for word in "ab"]
        return healed, await colour.call(door, "c", 3)

    assert ([("a", 5), ("b", 5)], ("c", 3)) == colour.play(story)


class Left(BaseException):
    """Somebody pulled the plug."""


def test_a_remedy_that_is_interrupted_frees_its_turn(colour):
    """A BaseException in a remedy passes, and the next call can apply the remedy again."""

    async def story():
        api = Login(colour, fails=[Left()])
        door = door_of(api, bulkhead=ub.Bulkhead(1))
        with pytest.raises(Left):
            await colour.call(door)
        return await colour.call(door), door.node.get_status().in_flight

    assert ("in", 0) == colour.play(story)


def test_a_predicate_that_raises_means_no(colour):
    """A remedy whose predicate fails is not chosen, and does no harm."""

    async def story():
        api = Login(colour)
        door = door_of(api)
        door.remedy(lambda failure: 1 / 0, name="odd")(lambda failure: None)
        return await colour.call(door)

    assert "in" == colour.play(story)


def test_with_the_circuit_open_remedies_are_left_in_peace(colour):
    """A refusal of ours is nothing that a remedy for the target's errors should see."""

    async def story():
        api = Login(colour)
        door = door_of(api, breaker=ub.CircuitBreaker())
        door.node.breaker.force_open()
        outcome = await colour.call(door.outcome)
        return type(outcome.error), api.logins, api.calls

    assert (CircuitOpen, 0, 0) == colour.play(story)


def test_a_remedy_for_everything_is_not_for_our_own_refusals(colour):
    """While the circuit is open every call is refused, and none of them calls the remedy."""

    async def story():
        applied = []
        api = Login(colour)
        door = door_of(api, breaker=ub.CircuitBreaker())
        door.remedy(Exception, name="restart")(applied.append)
        door.node.breaker.force_open()
        await colour.call(door.outcome)
        return len(applied)

    assert 0 == colour.play(story)


def test_another_sort_of_failure_says_nothing_about_a_remedy(colour):
    """What fails afterwards by something else is no evidence that the remedy did not work."""

    async def story():
        trouble = [PermissionError("401"), ConnectionResetError("gone")]

        async def call():
            await colour.sleep(0.01)
            if trouble:
                raise trouble.pop(0)
            return 1

        door = colour.protect(call, effects="idempotent")

        async def mend(failure):
            await colour.sleep(0.01)

        door.remedy(PermissionError, name="log in")(colour.plain(mend))
        outcome = await colour.call(door.outcome)
        scores = [row.get("log in") for row in door.node.get_status().remedies.values()]
        return outcome.status.value, [row["tried"] for row in scores if row]

    status, tried = colour.play(story)

    assert ("healed", 0) == (status, sum(tried))


@pytest.mark.parametrize("options", [{"retry": False}, {"retry": ub.Retry(1)}, {"retry": ub.Retry(3, on=OSError)}])
def test_a_remedy_is_applied_for_the_next_call_where_none_is_repeated(colour, options):
    """It is found out by the first call, which fails, and the others are well; what is not for it is left alone."""
    api = Login(colour)
    api.error = LookupError("logged out")  # none of those that the last one is for
    door = door_of(api, **options)

    async def story():
        return [(await colour.call(door.outcome)).ok for _ in range(4)]

    assert [False, True, True, True] == colour.play(story)
    assert 1 == api.logins
