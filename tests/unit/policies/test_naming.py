"""What a call inside another is named after: its arguments by value, where the value is all there is to them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import pathlib
import re
import uuid
from decimal import Decimal
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.policies.naming import Look, Unnameable, _numbered, essence

MOST_VALUES, MOST_DEPTH, MOST_KNOWN, MOST_PARTS = 2_000, 40, 1_000, 1_000

ASKED = []


def ask(*given, **named):
    """Ask for the key of the call that this is."""
    ASKED.append(ub.current().idempotency_key)


ASK = ub.protect("pay")(ask)


def part(*given, door=ASK, **named):
    """Return what a call inside of another is named, after the other's own name."""
    ASKED.clear()
    ub.FractalNode("order").execute_sync(lambda: door(*given, **named)).unwrap()
    return ASKED[-1].partition("/")[2]


class Colour(enum.Enum):
    """Two of them."""

    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Account:
    """One that changes."""

    balance: int


@dataclasses.dataclass(frozen=True)
class Money:
    """An amount."""

    amount: int

    def pay(self, *given):
        ask(*given)


@dataclasses.dataclass(frozen=True)
class Weight:
    """Another amount."""

    amount: int


class Local:
    """Hold classes that nobody finds by their name."""

    made = (type("Twin", (), {}), type("Twin", (), {}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Colour.RED, Colour.BLUE),
        (int, str),
        (len, repr),
        (Money, Account),
        (Money(1), Money(2)),
        (Account(1), Account(2)),
        ([1, 2], [2, 1]),
        ([1, [2]], [1, 2]),
        ({"a": 1}, {"a": 2}),
        ({1, 2}, {1, 3}),
        ([1, 2], (1, 2)),
        (Money(1), Weight(1)),
        (Decimal("1.0"), Decimal("1.00")),
        (uuid.UUID(int=1), uuid.UUID(int=2)),
        (dt.date(2026, 11, 27), dt.date(2026, 11, 28)),
        (pathlib.PurePosixPath("/a"), pathlib.PurePosixPath("/b")),
        (ask, sorted),
        (lambda: 1, lambda: 2),
        (Money(1).pay, Money(2).pay),
        (Money(1).pay, Weight(1)),
        ("\ud800", "\ud801"),
        (1, 1.0),
        (1, True),
        ("ab", b"ab"),
        (("a", "bc"), ("ab", "c")),
    ],
)
def test_what_is_equal_has_one_name_and_what_is_not_has_another(one, other):
    """In every call and every process; numbers of two kinds are not the same, nor are texts cut elsewhere."""
    assert part(one) == part(one)
    assert part(one) != part(other)


@pytest.mark.parametrize("thing", [object(), Local.made[0], Local()], ids=["object", "class", "instance"])
def test_what_nobody_finds_by_name_counts_as_itself(thing):
    """While one call remembers it, it has one word; for another call it is a new one."""
    inside = []

    def twice():
        ASK(thing)
        inside.append(ASKED[-1])
        ASK(thing)
        inside.append(ASKED[-1])

    ub.FractalNode("order").execute_sync(twice).unwrap()

    assert [inside[0], f"{inside[0]}#2"] == inside
    assert part(thing) != part(thing)


def test_two_classes_of_one_name_are_two():
    """The name that both have finds neither."""
    order, named = ub.FractalNode("order"), []

    def both():
        for made in Local.made:
            ASK(made)
            named.append(ASKED[-1])

    order.execute_sync(both).unwrap()

    assert "#2" not in named[1]
    assert named[0] != named[1]


def test_what_a_function_holds_on_to_counts_by_value_where_that_cannot_change():
    """An account whose balance changes between two attempts is the same account; another amount is another payment."""

    def paying(account, money):
        def pay():
            ask(account, money)

        return ub.protect("pay")(pay)

    account, named = Account(1), []

    def several():
        for amount in (1, 1, 2):
            door = paying(account, Money(amount))
            account.balance += 1
            door()
            named.append(ASKED[-1])

    ub.FractalNode("order").execute_sync(several).unwrap()

    assert [named[0], f"{named[0]}#2"] == named[:2]
    assert "#" not in named[2]
    assert named[2] != named[0]


def test_a_partial_of_a_function_counts_as_itself():
    """What stands behind it cannot be told by looking at it."""
    one, other = (ub.protect("pay")(functools.partial(ask, number)) for number in (1, 2))
    named = []

    def several():
        for door in (one, other, one):
            door()
            named.append(ASKED[-1])

    ub.FractalNode("order").execute_sync(several).unwrap()

    assert named[0] != named[1]
    assert f"{named[0]}#2" == named[2]


def test_an_argument_that_asks_for_the_name_while_it_is_looked_at_gets_the_name():
    """There is one: what was settled meanwhile is not settled again."""
    inside = []

    @dataclasses.dataclass
    class Curious:
        amount: int

        def __getattribute__(self, name):
            if name == "amount" and not inside:
                inside.append(None)
                inside.append(ub.current().idempotency_key)
            return super().__getattribute__(name)

    name = part(Curious(1))

    assert name == inside[1].partition("/")[2]
    assert "#" not in name


def test_what_code_does_is_told_the_same_in_whatever_order_a_set_holds_its_members():
    """Which is another one in every process."""
    one, other = (compile(f"x in {members}", "x", "eval") for members in ("{0, 8}", "{8, 0}"))

    assert list(one.co_consts[0]) != list(other.co_consts[0])
    assert essence(one) == essence(other)
    assert essence(one) != essence(compile("x in {0, 9}", "x", "eval"))


def test_an_attempt_numbers_a_thousand_different_calls():
    """Calls beyond that have names of their own, while those that are known go on to be told apart by their order."""
    attempt = SimpleNamespace(parts=None)
    known = [_numbered(attempt, f"call-{number}") for number in range(MOST_PARTS)]

    assert ("call-7", None, "call-7#2") == (known[7], _numbered(attempt, "another"), _numbered(attempt, "call-7"))
    assert MOST_PARTS == len(attempt.parts)


# ── the form of a name ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_made_of_the_nodes_and_sixteen_digits():
    """Of the outermost call, of one inside it, and of one that cannot be told from others."""
    inside = []
    order = ub.FractalNode("order")

    def work(ctx):
        inside.append(ctx.idempotency_key)
        for given in (1, list(range(MOST_VALUES))):
            ASK(given)
            inside.append(ASKED[-1])

    order.execute_sync(work).unwrap()

    assert re.fullmatch(r"order-[0-9a-f]{19}0001", inside[0])
    assert re.fullmatch(re.escape(inside[0]) + r"/pay-[0-9a-f]{16}", inside[1])
    assert re.fullmatch(re.escape(inside[0]) + r"/pay-[0-9a-f]{23}", inside[2])


def test_the_input_of_an_operation_is_its_argument():
    """It is what the context tells; of the context itself nothing counts."""
    node, named = ub.FractalNode("pay"), []

    def pay(ctx):
        named.append(ctx.idempotency_key)

    def several():
        for given in ({"to": "ann"}, {"to": "bob"}, {"to": "ann"}):
            node.execute_sync(pay, given)

    ub.FractalNode("order").execute_sync(several).unwrap()

    assert named[0] != named[1]
    assert f"{named[0]}#2" == named[2]


def test_a_function_keeps_its_name_when_its_code_changes_and_one_without_a_name_is_its_code():
    """A program may be mended between two attempts; of two lambdas nothing but the code tells which is which."""

    def first():
        def pay():
            ask(1)

        return pay

    def mended():
        def pay():
            ask(2)

        pay.__qualname__ = pay.__qualname__.replace("mended", "first")
        return pay

    doors = [ub.protect("pay")(function) for function in (first(), mended(), lambda: ask(1), lambda: ask(2))]
    names = [part(door=door) for door in doors]

    assert names[0] == names[1]
    assert 3 == len(set(names))
    assert names == [part(door=door) for door in doors]


def test_a_method_counts_with_what_it_is_a_method_of():
    """As long as that cannot change."""
    doors = [ub.protect("pay")(money.pay) for money in (Money(1), Money(1), Money(2))]
    names = [part(door=door) for door in doors]

    assert names[0] == names[1] != names[2]


def test_what_a_function_holds_on_to_and_may_change_counts_as_itself():
    """A dictionary, and a list, that the function shares with others."""

    def paying(held):
        def pay():
            ask(held)

        return ub.protect("pay")(pay)

    named, shared = [], {"a": 1}

    def several():
        for held in (shared, {"a": 1}, shared, [1], [1]):
            shared["a"] += 1
            paying(held)()
            named.append(ASKED[-1])

    ub.FractalNode("order").execute_sync(several).unwrap()

    assert f"{named[0]}#2" == named[2]
    assert 5 == len(set(named))
    assert 1 == sum("#" in name for name in named)


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def nested(depth):
    value = ()
    for _ in range(depth):
        value = (value,)
    return value


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [([0] * (MOST_VALUES - 1), [0] * MOST_VALUES), (nested(MOST_DEPTH), nested(MOST_DEPTH + 1))],
    ids=["many", "deep"],
)
def test_so_much_is_looked_at_and_no_more(fits, too_much):
    """A call with more to look at has a name of its own."""
    Look({}, None).at(fits, 0)
    with pytest.raises(Unnameable):
        Look({}, None).at(too_much, 0)


def test_so_many_things_are_remembered_and_no_more():
    """Those that are known go on to be told apart from others."""
    node = SimpleNamespace(next_id=iter(map(str, range(10 * MOST_KNOWN))).__next__)
    things, known = [object() for _ in range(MOST_KNOWN)], {}
    for thing in things:
        Look(known, node).at(thing, 0)
    again = Look(known, node)
    again.at(things[7], 0)

    assert "7" in again.words[-1]
    with pytest.raises(Unnameable):
        Look(known, node).at(object(), 0)


def test_who_numbers_its_calls_has_something_to_settle():
    """An attempt on the quick path is told so, since a repeat must number them anew."""
    attempt = SimpleNamespace(parts=None, unsettled=False)
    _numbered(attempt, "call")

    assert ({"call": 1}, True) == (attempt.parts, attempt.unsettled)
