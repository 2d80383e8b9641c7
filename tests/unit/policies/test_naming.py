"""What a call inside another is named after: its arguments by value, where the value is all there is to them."""

from __future__ import annotations

import dataclasses
import enum
import functools
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.policies.naming import MOST_PARTS, _numbered, essence

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
        (1, 1.0),
        (1, True),
        ("ab", b"ab"),
        (("a", "bc"), ("ab", "c")),
    ],
    ids=repr,
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
