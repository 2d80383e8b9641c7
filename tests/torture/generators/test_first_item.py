"""Up to its first item a generator is a call like any other; after that nothing is repeated."""

from __future__ import annotations

import asyncio
import functools
import math

import pytest
from tests.torture.generators.conftest import flaky

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, ConfigurationError, DeadlineExceeded, VerificationFailed


class AuthError(Exception):
    """The token died."""


def test_an_attempt_that_fails_before_its_first_item_is_repeated(hand):
    """The consumer sees each item once, after two attempts of which it knows nothing."""

    async def story():
        tries = []
        stream = hand.guard(flaky(hand, tries, failures=2))
        return await hand.all(stream()), tries, stream.node.get_status().heal_count

    assert ([0, 1, 2], [0.0, 1.0, 2.0], 1) == hand.play(story)


@pytest.mark.parametrize("handed", [1, 2, 5])
def test_a_failure_after_the_first_item_is_raised_and_never_repeated(hand, handed):
    """No item comes twice, and the note says why there was no further attempt."""

    async def story():
        tries = []

        async def items():
            tries.append(1)
            for item in range(handed):
                yield item
            raise ConnectionError("broken in the middle")

        came, error = await hand.until(hand.guard(items, effects="none")())
        return came, tries, type(error), error.__notes__

    came, tries, kind, notes = hand.play(story)

    count = "one item was" if handed == 1 else f"{handed} items were"
    assert (list(range(handed)), [1], ConnectionError) == (came, tries, kind)
    assert len(notes) == 1
    assert f"no further attempt: {count} handed on already" in notes[0]


def test_a_failure_without_a_first_item_tells_its_story(hand):
    """The generator's own exception comes out of the first step, once all attempts are used."""

    async def story():
        tries = []
        came, error = await hand.until(hand.guard(flaky(hand, tries, failures=9))())
        return came, len(tries), type(error), error.__notes__[0]

    came, tries, kind, told = hand.play(story)

    assert ([], 3, ConnectionError) == (came, tries, kind)
    assert "stream failed after 3 attempts in 2.000 s" in told


def test_nothing_runs_before_the_first_item_is_asked_for(hand):
    """As with every generator, the call alone does nothing, and one that is closed at once has never been."""

    async def story():
        tries = []
        stream = hand.guard(flaky(hand, tries, failures=0))
        items = stream()
        await hand.close(items)
        return tries, stream.node.get_status().total_executions

    assert ([], 0) == hand.play(story)


def test_wrong_arguments_are_refused_where_the_generator_is_called():
    """That is where Python refuses them, too."""

    @ub.protect
    async def items(first):
        yield first

    @ub.protect
    def plain_items(first):
        yield first

    for stream in (items, plain_items):
        with pytest.raises(TypeError, match="takes 1 positional argument"):
            stream(1, 2)


def test_a_remedy_may_change_the_arguments_before_the_first_item(hand):
    """Healing is the same as for any call."""

    async def story():
        async def items(key="dead"):
            if key == "dead":
                raise AuthError(key)
            yield key

        stream = hand.guard(items)
        stream.remedy(AuthError)(lambda failure: {"key": "fresh"})
        return await hand.all(stream("dead")), stream.node.get_status().heal_count

    assert (["fresh"], 1) == hand.play(story)


def test_repeats_before_the_first_item_are_paid_from_the_budget(hand):
    """Without tokens there is one attempt."""

    async def story():
        tries = []
        stream = hand.guard(flaky(hand, tries, failures=1), budget=ub.RetryBudget(start=0, floor=0.0))
        return (await hand.until(stream()))[0], len(tries)

    assert ([], 1) == hand.play(story)


@pytest.mark.parametrize("effects", ["none", "idempotent", "unknown", "once"])
def test_effects_decide_whether_a_first_attempt_is_repeated(hand, effects):
    """What must happen once is not begun again after a failure that leaves a doubt."""

    async def story():
        tries = []
        stream = hand.guard(flaky(hand, tries, failures=1), effects=effects)
        return (await hand.until(stream()))[0], len(tries)

    assert (([], 1) if effects == "once" else ([0, 1, 2], 2)) == hand.play(story)


def test_a_generator_without_items_is_a_success(hand):
    """Nothing to hand on is no failure, and is counted."""

    async def story():
        tries = []
        stream = hand.guard(flaky(hand, tries, failures=0, then=()), bulkhead=ub.Bulkhead(1))
        ends = [await hand.all(stream()) for _ in range(2)]
        return ends, stream.node.get_status().success_count

    assert ([[], []], 2) == hand.play(story)


# ── what is verified ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_first_item_that_is_not_accepted_is_a_failed_attempt(hand):
    """A target that answers with an error for its first item is asked again, its generator closed."""

    async def story():
        tries, closed = [], []

        async def items():
            tries.append(1)
            try:
                yield "overloaded" if len(tries) == 1 else "hello"
                yield "world"
            finally:
                closed.append(len(tries))

        stream = hand.guard(items, verify=lambda item: item != "overloaded")
        return await hand.all(stream()), closed

    assert (["hello", "world"], [1, 2]) == hand.play(story)


def test_a_later_item_that_is_not_accepted_is_raised(hand):
    """What was handed on stays; the refused item is not, and the generator is closed."""

    async def story():
        closed = []

        async def items():
            try:
                yield 1
                yield -1
                yield 2
            finally:
                closed.append(True)

        stream = hand.guard(items, verify=lambda item: item > 0)
        came, error = await hand.until(stream())
        return came, type(error), closed, stream.node.get_status().failure_count

    assert ([1], VerificationFailed, [True], 1) == hand.play(story)


def test_a_generator_is_closed_before_it_is_told_that_its_item_was_refused(hand):
    """Whoever hears of it may open the next one."""

    async def story():
        closed, known = [], []

        async def items():
            try:
                yield 1
                yield -1
            finally:
                closed.append(True)

        stream = hand.guard(items, verify=lambda item: item > 0)
        stream.node.on(ub.events.Failed, lambda event: known.extend(closed))
        await hand.until(stream())
        return known

    assert [True] == hand.play(story)


def test_a_schema_makes_something_of_each_item(hand):
    """What the schema function returns is what is handed on."""

    async def story():
        async def items():
            yield "1"
            yield "10"
            yield "x"

        came, error = await hand.until(hand.guard(items, schema=functools.partial(int, base=2))())
        return came, type(error)

    assert ([1, 2], VerificationFailed) == hand.play(story)


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_deadline_limits_the_time_to_the_first_item_alone(hand):
    """A consumer that takes its time, and a stream that goes on for long, are past it."""

    async def story():
        async def page():
            await hand.sleep(0.1)

        inner = hand.protect(page, deadline=1.0)

        async def items():
            for item in range(3):
                yield item
                await hand.sleep(5.0)
                await hand.call(inner)

        came = []
        stream = hand.guard(items, deadline=2.0)()
        for _ in range(3):
            came.append(await hand.next(stream))
            await hand.sleep(50.0)
        return came

    assert [0, 1, 2] == hand.play(story)


def test_a_deadline_before_the_first_item_ends_the_call(hand):
    """The next attempt would come too late."""

    async def story():
        tries = []
        stream = hand.guard(flaky(hand, tries, failures=9), deadline=0.5)
        return (await hand.until(stream()))[0], len(tries)

    assert ([], 1) == hand.play(story)


def test_an_async_generator_is_cut_at_the_deadline_before_its_first_item():
    """Whoever waits for a first item is not kept for ever."""

    async def story():
        @ub.protect("silent", deadline=2.0)
        async def items():
            await asyncio.Event().wait()
            yield 1

        with pytest.raises(DeadlineExceeded):
            await anext(items())

    with ub.testing.virtual_time():
        asyncio.run(story())


def test_a_pinned_timeout_limits_each_wait_for_an_item_and_not_the_consumer():
    """The first wait that is cut is repeated; a later one is raised; between them the consumer has all the time."""

    async def story(clock):
        tries, closed = [], []

        @ub.protect("slow", effects="idempotent", timeout=ub.Timeout(2.0), retry=ub.Retry(2))
        async def items():
            tries.append(1)
            try:
                if len(tries) == 1:
                    await asyncio.Event().wait()
                yield 1
                await asyncio.sleep(1.9)  # noqa: TID251 - virtual
                yield 2
                await asyncio.Event().wait()
            finally:
                closed.append(len(tries))

        stream = items()
        came = [await anext(stream)]
        await asyncio.sleep(60.0)  # noqa: TID251 - virtual
        came.append(await anext(stream))
        began = clock.now()
        with pytest.raises(AttemptTimeout, match=r"cut after waiting 2\.000 s for item 3") as caught:
            await anext(stream)
        assert 0 == asyncio.current_task().cancelling()
        return came, len(tries), closed, round(clock.now() - began, 6), len(caught.value.__notes__)

    with ub.testing.virtual_time() as clock:
        assert ([1, 2], 2, [1, 2], 2.0, 1) == asyncio.run(story(clock))


def test_a_limit_for_one_wait_is_over_with_it():
    """While it is closed a generator has all the time."""

    async def story():
        left = []

        @ub.protect("slow", timeout=ub.Timeout(2.0))
        async def items():
            try:
                yield 1
                left.append(round(ub.current().remaining(), 3))
                yield 2
            finally:
                left.append(ub.current().remaining())

        stream = items()
        await anext(stream)
        await anext(stream)
        await asyncio.sleep(60.0)  # noqa: TID251 - virtual
        await stream.aclose()
        return left

    with ub.testing.virtual_time():
        assert [2.0, math.inf] == asyncio.run(story())


def test_a_learned_limit_is_for_the_first_item_alone():
    """What was learned from first items says nothing of how long the others take."""

    async def story():
        slow = False

        @ub.protect("learning", effects="idempotent")
        async def items():
            await asyncio.sleep(0.01)  # noqa: TID251 - virtual
            yield 1
            if slow:
                await asyncio.sleep(1_000.0)  # noqa: TID251 - virtual
                yield 2

        for _ in range(120):
            assert [1] == [item async for item in items()]
        slow = True
        return [item async for item in items()], items.node.target.plan.timeout is not None

    with ub.testing.virtual_time():
        assert ([1, 2], True) == asyncio.run(story())


@pytest.mark.parametrize("option", ["hedge", "strategy"])
def test_the_items_of_a_generator_are_not_raced(hand, option):
    """A hedge is refused where it is written: the copies could not stay in the task that consumes them."""
    value = ub.Hedge(0.1) if option == "hedge" else ub.Strategy("mine", hedge=ub.Hedge(0.1))

    with pytest.raises(ConfigurationError, match="hedge must be False or None"):
        hand.guard(flaky(hand, [], failures=0), effects="none", **{option: value})


def test_a_plain_generator_takes_no_timeout():
    """Nothing could cut it in its consumer's thread, and in another its consumer would be cut off from it."""
    with pytest.raises(ConfigurationError, match="plain generator cannot be cut"):

        @ub.protect("plain", timeout=ub.Timeout(1.0))
        def items():
            yield 1
