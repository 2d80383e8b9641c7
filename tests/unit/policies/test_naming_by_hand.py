"""The form of a name, how deep is looked, and what a method's instance counts as: of contexts that no node has made."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import itertools
from fractions import Fraction
from types import MethodType, SimpleNamespace

import pytest

from unbreakable.policies import Context
from unbreakable.policies.naming import Look, Title, Unnameable, essence, name, title_of


class Colour(enum.Enum):
    """One is enough."""

    RED = 1


@dataclasses.dataclass(frozen=True)
class Money:
    """An amount."""

    amount: int


@dataclasses.dataclass
class Till:
    """One that changes."""

    balance: int

    def pay(self, *given):
        """Do nothing."""


def pay(*given, times=2):
    """Do nothing."""


def nothing():
    """Do it."""


def order():
    """Return the attempt that calls are made in."""
    ctx, ids = Context(), itertools.count(1)
    ctx.node = SimpleNamespace(name="order", next_id=lambda: str(next(ids)))
    return ctx


def called(outer, function, *args, is_method=None, **kwargs):
    """Return what a call of *function*, of which it may not be known what it is, is named in *outer*, after that."""
    method = None if is_method is None else SimpleNamespace(splits=lambda args: is_method and type(args[0]) is Till)
    ctx = Context()
    ctx.node = SimpleNamespace(name="pay", next_id=outer.node.next_id, of_method=method)
    ctx.above, ctx.function, ctx.given = outer, function, (args, kwargs)
    return name(ctx).removeprefix(f"{name(outer)}/")


def test_the_name_of_a_call_is_the_same_in_the_next_release():
    """A workflow that is taken up by a newer program asks for the same things by the same names."""
    given = (1, 2.5, "word", b"bytes", None, True, Colour.RED, Money(3), Fraction(1, 2), dt.date(2026, 11, 27))
    named = called(order(), pay, *given, [1, (2,)], {"a": {1}}, frozenset({3, 4}), int, len, pay, to=["ann"])

    assert "pay-f5f44c2083284be9" == named


def test_an_attempt_has_the_title_of_its_call_or_one_that_it_was_given():
    """Whoever asks first."""
    call, own = Context(), Title("own")
    attempt, copy, other = call.scope(), call.scope(rival=1), call.scope(title=own)
    first = title_of(attempt)

    assert (first, first, own, first) == (title_of(call), title_of(copy), title_of(other), title_of(call.scope()))


@pytest.mark.parametrize("is_method", [True, False, None])
def test_the_instance_of_a_method_counts_as_itself_and_an_argument_by_value(is_method):
    """Of a function that was called with the instance in front; of one that is no method nothing is an instance."""
    outer, till = order(), Till(1)
    first = called(outer, Till.pay, till, 5, is_method=is_method)
    like, more = (called(outer, Till.pay, *given, is_method=is_method) for given in ((Till(1), 5), (till, 6)))
    till.balance = 2
    again = called(outer, Till.pay, till, 5, is_method=is_method)

    assert (bool(is_method), not is_method, False) == (f"{first}#2" == again, f"{first}#2" == like, "#" in more)


def test_what_is_given_to_a_bound_method_is_no_instance():
    """Whatever it looks like."""
    outer, till = order(), Till(1)
    named = [called(outer, till.pay, given, is_method=True) for given in (Till(7), Till(7), Till(8))]

    assert (f"{named[0]}#2", False) == (named[1], "#" in named[2])


@pytest.mark.parametrize(("one", "other"), [(["2ab", "x" * 28], ["ab28" + "x" * 28]), (["ab"], ["a", "b"])])
def test_no_two_rows_of_words_read_alike(one, other):
    """Also if one holds what looks like the lengths of the other's."""
    looks = Look({}, None), Look({}, None)
    for look, words in zip(looks, (one, other), strict=True):
        for word in words:
            look.say(word)

    assert "".join(looks[0].words) != "".join(looks[1].words)


PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
TIMES = ("date", "time", "datetime", "timedelta")


@pytest.mark.parametrize(
    "path",
    [
        *("decimal.Decimal", "fractions.Fraction", "uuid.UUID"),
        *(f"datetime.{kind}" for kind in TIMES),
        *(f"{module}.{kind}" for module in ("pathlib", "pathlib._local") for kind in PATHS),
    ],
)
def test_what_counts_by_its_text_is_known_by_the_path_of_its_type(path):
    """On each system, and in each version: Python 3.13 has paths elsewhere."""
    module, _, kind = path.rpartition(".")
    made = type(kind, (), {"__module__": module, "__repr__": lambda self: "it"})
    looks = Look({}, None), Look({}, None)
    for look in looks:
        look.at(made(), 0)

    assert [f"{len(path)}:{path}", "2:it"] == looks[0].words == looks[1].words


def of_methods(depth):
    """Return methods of methods."""
    value = 0
    for _ in range(depth):
        value = MethodType(nothing, value)
    return value


def of_bound(depth):
    """Return methods that were bound again and again."""
    value = nothing
    for _ in range(depth):
        value = MethodType(value, 0)
    return value


def holding(held):
    """Return a function that does."""
    return lambda: held


def of_functions(depth):
    """Return functions that hold on to functions."""
    value = nothing
    for _ in range(depth):
        value = holding(value)
    return value


def of_sets(depth):
    """Return sets of sets."""
    value = frozenset()
    for _ in range(depth):
        value = frozenset({value})
    return value


@pytest.mark.parametrize(
    ("made", "depth"),
    [(of_methods, 39), (of_bound, 39), (of_functions, 12), (of_sets, 40)],
)
def test_so_deep_is_looked_and_no_deeper(made, depth):
    """What is deeper has no words."""
    Look({}, None).at(made(depth), 0)
    with pytest.raises(Unnameable):
        Look({}, None).at(made(depth + 1), 0)


def test_the_arguments_of_a_call_are_as_deep_as_they_are():
    """The row of them is the first step."""
    given = of_sets(39)
    outer = order()
    named = [called(outer, pay, each) for each in (given, given, frozenset({given}))]

    assert [named[0], f"{named[0]}#2", "pay-2"] == named


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 23), (12, 3)),
        ((1, (2, 3)), (1, 2, 3)),
        (frozenset({1, 23}), frozenset({12, 3})),
        ((frozenset({1}), 2), (1, 2)),
    ],
)
def test_no_two_things_in_code_read_alike(one, other):
    """Whatever is inside of what."""
    assert essence(one) != essence(other)


def test_a_set_within_a_row_reads_alike_in_whatever_order():
    """Also where code holds it in a row of things."""
    one, other = (frozenset(members) for members in ((0, 8), (8, 0)))

    assert list(one) != list(other)
    assert essence((1, one)) == essence((1, other))
