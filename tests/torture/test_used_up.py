"""Arguments that can be read once: no attempt gets what another one has left of a generator."""

from __future__ import annotations

import asyncio
import threading

import pytest

import unbreakable as ub
from unbreakable.policies.used_up import is_begun
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def rows():
    """Yield three rows."""
    yield from range(3)


async def async_rows():
    """Yield three rows."""
    for row in range(3):
        yield row


def writing(taken, *, fails_after):
    """Return a function that writes rows, and whose first attempt fails after so many of them."""
    tries = []

    def write(rows, *more):
        tries.append(1)
        written = []
        if len(tries) == 1 and fails_after == 0:
            raise ConnectionError("down")
        for row in rows:
            written.append(row)
            if len(tries) == 1 and len(written) == fails_after:
                raise ConnectionError("down")
        taken.append(written)

    return write


@pytest.mark.parametrize("by", ["place", "name", "script"])
@pytest.mark.parametrize("fails_after", [1, 3])
def test_a_generator_that_was_read_from_is_not_handed_to_another_attempt(fails_after, by):
    """Its rows would be lost, and the call a success."""
    taken = []
    with virtual_time():
        door = ub.protect("table", effects="idempotent")(writing(taken, fails_after=fails_after))
        if by == "script":
            told = door.outcome(rows()).explain()
        else:
            with pytest.raises(ConnectionError) as caught:
                door(rows()) if by == "place" else door(rows=rows())
            told = "".join(caught.value.__notes__)

    assert not taken
    assert "the generator rows that it was given has been read from, or may be yet" in told


@pytest.mark.parametrize("source", [rows, lambda: iter(range(3)), lambda: [0, 1, 2]])
def test_what_was_not_read_from_is_handed_on(source):
    """The first attempt failed before; of other iterators nobody can tell."""
    taken = []
    with virtual_time():
        ub.protect("table", effects="idempotent")(writing(taken, fails_after=0))(source(), "more")

    assert [[0, 1, 2]] == taken


def test_a_remedy_that_gives_rows_anew_has_the_call_repeated():
    """What counts is what the next attempt is given."""
    taken = []
    with virtual_time():
        door = ub.protect("table", effects="idempotent")(writing(taken, fails_after=2))

        @door.remedy(ConnectionError)
        def anew():
            return {"rows": rows()}

        door(rows())

    assert [[0, 1, 2]] == taken


class Unsigned:
    """A function that says nothing of what it takes."""

    __signature__ = "none"

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def test_where_a_function_does_not_say_what_it_takes_its_own_generator_counts():
    """Nobody can tell whether a remedy has put another in its place."""
    taken = []
    with virtual_time():
        door = ub.protect("table", effects="idempotent")(Unsigned(writing(taken, fails_after=2)))
        door.remedy(ConnectionError)(lambda: {"rows": rows()})
        outcome = door.outcome(rows())

    assert (False, []) == (outcome.ok, taken), outcome.explain()


def test_a_generator_in_the_context_of_a_node_is_not_handed_to_another_attempt():
    """As the context, or in it."""
    taken, outcomes = [], []
    with virtual_time():
        for given, read in ((rows(), lambda ctx: ctx.input), ({"rows": rows()}, lambda ctx: ctx["rows"])):
            write, node = writing(taken, fails_after=2), ub.FractalNode("n", effects="idempotent")
            outcomes.append(node.execute_sync(lambda ctx, write=write, read=read: write(read(ctx)), given))

    assert [(False, 1)] * 2 == [(outcome.ok, outcome.attempts) for outcome in outcomes]
    assert not taken


def test_a_protected_generator_does_not_begin_again_with_what_is_left():
    """Its first item came from the second row."""
    tries = []

    @ub.protect("lines", effects="idempotent")
    def lines(rows):
        for row in rows:
            tries.append(row)
            if len(tries) == 1:
                raise ConnectionError("down")
            yield row

    with virtual_time(), pytest.raises(ConnectionError):
        list(lines(rows()))
    assert [0] == tries


@pytest.mark.parametrize("options", [{"hedge": ub.Hedge(after=0.1)}, {}])
def test_no_copy_reads_from_the_same_generator(options):
    """Each would get what the other has left: a slow call is waited for alone."""
    taken = []

    async def main():
        @ub.protect("table", effects="none", deadline=60.0, **options)
        async def write(rows, seconds):
            written = []
            async for row in rows:
                await sleep(seconds)
                written.append(row)
            taken.append(written)
            return len(written)

        for _ in range(300):
            await write(async_rows(), 0.01)
        return await write(async_rows(), 5.0)

    with virtual_time():
        assert 3 == asyncio.run(main())
    assert [[0, 1, 2]] * 301 == taken


def test_no_attempt_begins_beside_one_that_may_yet_read():
    """It has the generator in hand, and takes its time before the first row."""
    tries = []

    @ub.protect("table", effects="none", timeout=ub.Timeout(0.1, learned=True), hedge=False)
    async def write(rows):
        tries.append(1)
        await sleep(5.0)
        return [row async for row in rows]

    with virtual_time():
        assert [0, 1, 2] == asyncio.run(write(async_rows()))
    assert [1] == tries


def test_who_was_cut_before_it_read_is_repeated():
    """On an event loop nothing of it is left."""
    tries = []

    @ub.protect("table", effects="none", timeout=ub.Timeout(1.0))
    async def write(rows):
        tries.append(1)
        await sleep(5.0 if len(tries) == 1 else 0.0)
        return [row async for row in rows]

    with virtual_time():
        assert [0, 1, 2] == asyncio.run(write.outcome(async_rows())).value
    assert 2 == len(tries)


@pytest.mark.parametrize(("first", "second", "attempts"), [(True, True, 2), (True, False, 1), (False, True, 1)])
def test_a_remedy_has_to_give_each_that_was_read_from(first, second, attempts):
    """What is as it was is used up, be it handed back by the remedy itself."""
    old, tries = rows(), []

    with virtual_time():

        @ub.protect("table", effects="idempotent")
        def write(one, two):
            tries.append(1)
            if len(tries) == 1:
                next(one), next(two)
                raise ConnectionError("down")
            return [*one, *two]

        @write.remedy(ConnectionError)
        def anew():
            return {"one": rows() if first else old, **({"two": rows()} if second else {})}

        outcome = write.outcome(old, rows())

    assert attempts == outcome.attempts == len(tries)
    assert [0, 1, 2, 0, 1, 2] == outcome.value if outcome.ok else "generator rows" in outcome.explain()


def test_a_remedy_gives_a_node_its_rows_anew():
    """Its operation says nothing of arguments before it is called."""
    write = writing([], fails_after=2)
    node = ub.FractalNode("table", lambda ctx, rows=None: write(rows or ctx["rows"]), effects="idempotent")

    @node.remedy(ConnectionError)
    def anew():
        return {"rows": rows()}

    with virtual_time():
        assert 2 == node.execute_sync(None, {"rows": rows()}).attempts


def test_what_is_no_generator_has_its_copy():
    """A list can be read twice at once."""
    begun = []

    async def main():
        @ub.protect("table", effects="none", hedge=ub.Hedge(after=0.1))
        async def write(rows):
            begun.append(rows)
            await sleep(5.0)

        await write([0, 1, 2])

    with virtual_time():
        asyncio.run(main())
    assert 2 == len(begun)


def test_plain_code_is_told_of_no_learned_limit_where_no_other_attempt_may_follow():
    """It would end itself by a guess, and its call fail for that."""
    with virtual_time(seed=1) as clock:

        @ub.protect("table", effects="none", deadline=60.0)
        def write(rows, seconds):
            for _ in rows:
                if seconds > (left := ub.current().remaining()):
                    clock.advance(left)
                    raise TimeoutError
                clock.advance(seconds)
            return seconds

        for number in range(400):
            write(rows(), 0.01 + 0.002 * (number % 7 == 0))
        assert 2.0 == write(rows(), 2.0)
        assert 1 < write.outcome([0, 1, 2], 2.0).attempts, "a limit was learned"


@pytest.mark.parametrize("in_async", [False, True])
def test_an_attempt_that_was_left_behind_in_a_thread_may_yet_read(in_async):
    """Each of two would get every other row."""
    tries, goes_on = [], threading.Event()

    def write(rows):
        tries.append(1)
        goes_on.wait(10.0)
        return list(rows)

    options = {"effects": "none", "timeout": ub.Timeout(0.05), "retry": ub.Retry(3, backoff=ub.Backoff(0.0))}
    try:
        if in_async:
            node = ub.FractalNode("table", **options)
            told = asyncio.run(node.execute(lambda ctx: write(ctx.input), rows())).explain()
        else:
            told = ub.protect("table", **options)(write).outcome(rows()).explain()
    finally:
        goes_on.set()

    assert [1] == tries
    assert "the generator rows that it was given has been read from, or may be yet" in told


def test_what_has_begun_is_told_from_what_has_not():
    """Also while it is at work, and once it is over."""

    def plain():
        seen.append(is_begun(it))
        yield 1

    async def awaited():
        seen.append(is_begun(it))
        yield 1

    seen = []
    it = plain()
    seen.append(is_begun(it))
    next(it)
    seen.append(is_begun(it))
    it.close()
    seen.append(is_begun(it))

    async def main():
        await anext(it)
        seen.append(is_begun(it))
        await it.aclose()
        seen.append(is_begun(it))

    it = awaited()
    seen.append(is_begun(it))
    asyncio.run(main())

    assert [False, True, True, True, False, True, True, True] == seen
