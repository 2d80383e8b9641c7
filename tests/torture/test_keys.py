"""Idempotency keys inside repeated calls: the same for the same work, never the same for another."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

import unbreakable as ub
from unbreakable.policies import naming
from unbreakable.policies.naming import essence
from unbreakable.runtime import BLOCKING
from unbreakable.testing import virtual_time

QUICKLY = ub.Retry(3, backoff=ub.Backoff(0.001, factor=1.0, jitter=False))


class Bank:
    """Book what is paid, once for each key, as a careful target does."""

    def __init__(self):
        self.booked = {}
        self.down = {"bob"}

    def pay(self, who):
        self.booked.setdefault(ub.current().idempotency_key, who)

    def paid(self):
        return sorted(self.booked.values())


def test_a_repeat_that_skips_what_was_done_pays_the_rest(colour):
    """A second attempt that leaves out the first payment does not give its key to the second."""

    async def story():
        bank, done = Bank(), []

        async def pay(who):
            if who in bank.down:
                bank.down.clear()
                raise ConnectionError
            bank.pay(who)

        door = colour.protect(pay, retry=False)

        async def order():
            for who in ("ann", "bob"):
                if who not in done:
                    await colour.call(door, who)
                    done.append(who)

        await colour.call(colour.protect(order))
        return bank.paid()

    assert ["ann", "bob"] == colour.play(story)


def test_calls_side_by_side_keep_their_keys_in_whatever_order_they_ask():
    """Of two payments at once each has the same key in every attempt, though the other asks first now."""
    seen = {"ann": [], "bob": []}

    @ub.protect("pay")
    async def pay(who):
        await asyncio.sleep(1 if (who == "ann") == (len(seen["ann"]) == 0) else 2)  # noqa: TID251 - virtual
        seen[who].append(ub.current().idempotency_key)

    @ub.protect("order", retry=QUICKLY)
    async def order():
        await asyncio.gather(pay("ann"), pay("bob"))
        if len(seen["ann"]) < 3:
            raise ConnectionError

    with virtual_time():
        asyncio.run(order())

    assert [1, 1, 2] == [len(set(seen["ann"])), len(set(seen["bob"])), len({seen["ann"][0], seen["bob"][0]})]


def local(who):
    """Return one of two functions of the same name."""
    if who == "ann":

        def work():
            return "ann"

    else:

        def work():
            return "bob"

    return work


@pytest.mark.parametrize("works", [(lambda: "ann", lambda: "bob"), (local("ann"), local("bob"))])
def test_functions_of_one_name_are_told_apart_by_what_they_do(works):
    """Two lambdas of one line, or functions of one name, are different work, whichever is asked for first."""
    seen = {"ann": [], "bob": []}

    @ub.protect("pay")
    async def pay(work):
        who = work()
        await asyncio.sleep(1 if (who == "ann") == (len(seen["ann"]) == 0) else 2)  # noqa: TID251 - virtual
        seen[who].append(ub.current().idempotency_key)

    @ub.protect("order", retry=QUICKLY)
    async def order():
        await asyncio.gather(*map(pay, works))
        if len(seen["ann"]) < 3:
            raise ConnectionError

    with virtual_time():
        asyncio.run(order())

    assert [1, 1, 2] == [len(set(seen["ann"])), len(set(seen["bob"])), len({seen["ann"][0], seen["bob"][0]})]


def test_an_attempt_left_behind_pays_under_the_key_of_the_next():
    """A thread that goes on after its time limit names its payment as the attempt after it does, early or late."""
    for late in (2.5, 20.0):
        keys, starts = [], []

        @ub.protect("pay")
        def pay(who, keys=keys):
            keys.append(ub.current().idempotency_key)

        @ub.protect("order", effects="idempotent", timeout=ub.Timeout(1.0), retry=QUICKLY)
        def order(starts=starts, pay=pay, late=late):
            starts.append(1)
            if len(starts) == 1:
                BLOCKING.world.sleep(late)
            pay("ann")

        with virtual_time() as clock:
            order()
            clock.advance(60)

        assert (2, 1) == (len(keys), len(set(keys)))


def test_an_attempt_left_behind_knows_that_its_own_time_is_up():
    """The second attempt's time limit gives nothing to the thread of the first."""
    ends = []

    @ub.protect("order", effects="idempotent", timeout=ub.Timeout(0.2), retry=QUICKLY)
    def order():
        began = BLOCKING.now()
        while ub.current().remaining() > 0:
            BLOCKING.world.sleep(0.05)
        ends.append(round(BLOCKING.now() - began, 2))

    with virtual_time() as clock:
        order.outcome()
        clock.advance(10)

    assert [0.2] * 3 == [min(end, 0.2) for end in ends]
    assert max(ends) <= 0.25


def test_calls_that_are_alike_are_told_apart_by_their_order(colour):
    """Two payments of the same sum to the same person are two payments, in every attempt."""

    async def story():
        keys = []

        async def pay(who):
            keys.append(ub.current().idempotency_key)

        door = colour.protect(pay)

        async def order():
            await colour.call(door, "ann")
            await colour.call(door, "ann")
            if len(keys) < 4:
                raise ConnectionError

        await colour.call(colour.protect(order))
        return keys

    keys = colour.play(story)

    assert (keys[:2], 2) == (keys[2:], len(set(keys)))


class Account:
    """Something that has no value of its own to tell."""

    def __init__(self, who):
        self.who, self.keys = who, []

    @ub.protect("pay")
    def pay(self, amount):
        self.keys.append(ub.current().idempotency_key)


@dataclasses.dataclass
class Bill:
    """Something that is its value."""

    who: str
    cents: int


def test_the_object_of_a_method_is_part_of_what_is_done():
    """The same object is the same work in every attempt; another object is other work."""
    ann, bob = Account("ann"), Account("bob")

    @ub.protect("order", retry=QUICKLY)
    def order():
        first = ann if len(ann.keys) == 0 else bob
        first.pay(5)
        (bob if first is ann else ann).pay(5)
        if len(ann.keys) < 2:
            raise ConnectionError

    with virtual_time():
        order()

    assert [1, 1, 2] == [len(set(ann.keys)), len(set(bob.keys)), len({*ann.keys, *bob.keys})]


def test_arguments_count_by_value_where_they_have_one():
    """A bill made anew for every attempt is the same bill; a plain object made anew is not known again."""
    bills, objects = [], []

    @ub.protect("by value")
    def by_value(bill, *, lines):
        bills.append(ub.current().idempotency_key)

    @ub.protect("by itself")
    def by_itself(thing):
        objects.append(ub.current().idempotency_key)

    @ub.protect("order", retry=QUICKLY)
    def order():
        pages = {1: "a", "b": 2} if len(bills) < 2 else {"b": 2, 1: "a"}
        by_value(Bill("ann", 5), lines=[{"a": 1.5, "b": {1, 2}}, ("x", None, b"y"), pages])
        by_value(Bill("ann", 6), lines=[{"b": {1, 2}, "a": 1.5}, ("x", None, b"y")])
        by_itself(object())
        if len(bills) < 4:
            raise ConnectionError

    with virtual_time():
        order()

    assert (bills[:2], 2) == (bills[2:], len(set(bills)))
    assert 2 == len(set(objects))


def test_operations_of_one_node_are_told_apart():
    """What a node is given to do is part of what it does: a lambda counts with what it holds on to."""
    keys = []

    def pay(who):
        return lambda: keys.append((who, ub.current().idempotency_key))

    bank = ub.FractalNode("bank")

    def order():
        for who in ("ann", "bob") if not keys else ("bob", "ann"):
            bank.execute_sync(pay(who))
        if len(keys) < 4:
            raise ConnectionError

    with virtual_time():
        ub.protect("order", retry=QUICKLY)(order)()

    assert 2 == len(set(keys))


@pytest.mark.parametrize(("entries", "keys"), [(660, 1), (670, 2)])
def test_every_value_of_a_dictionary_is_looked_at_once(entries, keys):
    """An entry counts three times of two thousand: for its key, its value, and itself."""
    seen = []

    @ub.protect("pay")
    def pay(amounts):
        seen.append(ub.current().idempotency_key)

    @ub.protect("order", retry=QUICKLY)
    def order():
        pay({str(number): number for number in range(entries)})
        if len(seen) < 2:
            raise ConnectionError

    with virtual_time():
        order()

    assert keys == len(set(seen))


def test_too_many_values_to_look_at_make_a_key_of_its_own():
    """A call whose arguments cannot be told from others in a moment is never taken for another."""
    keys = []

    @ub.protect("pay")
    def pay(rows):
        keys.append(ub.current().idempotency_key)

    @ub.protect("order")
    def order():
        endless = []
        endless.append(endless)
        for rows in (list(range(1_000_000)), list(range(1_000_000)), endless):
            pay(rows)

    order()

    assert 3 == len(set(keys))
    assert all(key.startswith("order-") for key in keys)


def test_lambdas_that_take_other_arguments_are_others():
    """What a function does includes how its arguments are handed to it."""
    codes = [each.__code__ for each in (lambda *x: x, lambda **x: x, lambda x: x, lambda *, x: x, lambda x, /: x)]

    assert 5 == len({essence(code) for code in codes})


def test_what_a_call_remembers_of_objects_is_bounded(monkeypatch):
    """Beyond that, what is done with an object has a name of its own all the same, and no two share one."""
    monkeypatch.setattr(naming, "MOST_KNOWN", 3)
    keys, known = [], []
    inner = ub.protect("inner")(lambda thing: keys.append(ub.current().idempotency_key))

    @ub.protect("outer")
    def outer():
        for _ in range(10):
            inner(object())
        known.extend(naming.title_of(ub.current()).known)

    outer()

    assert (3, 10) == (len(known), len(set(keys)))
