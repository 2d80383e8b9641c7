"""What makes the call of one function another one than that of the next: methods, defaults, what is inside of what."""

from __future__ import annotations

import dataclasses

import pytest
from tests.unit.policies.test_naming import ASKED, ask, part

import unbreakable as ub


@dataclasses.dataclass(frozen=True)
class Shop:
    """One that can be told from others by its name."""

    name: str

    @ub.protect("buy", validate=lambda self, *given: bool(self.name))
    def buy(self, *given):
        """Ask for the key of a call with its instance as the first argument, since ``validate`` wants to see that."""
        ask(*given)

    @ub.protect("buy")
    def plainly(self, *given):
        """Ask for the key of a call whose function is bound."""
        ask(*given)


def named(door, *given):
    """Return the digits of the name."""
    return part(*given, door=door).rpartition("-")[2]


def test_a_method_is_named_by_its_instance_and_arguments_whatever_wants_to_see_them():
    """The same shop is the same, another one is not, nor is another argument, in whichever place."""
    first = named(Shop("a").buy, 1, 2)

    assert first == named(Shop("a").buy, 1, 2) == named(lambda *given: Shop.buy(Shop("a"), *given), 1, 2)
    assert 5 == len({first, *(named(Shop(name).buy, *given) for name, *given in ("b12", "a32", "a14", "a1"))})


def test_two_functions_that_do_the_same_are_two():
    """So are two of one name with other defaults."""

    def made(default):
        def pay(*, times=default):
            ask(times)

        return pay

    def give(*, times=1):
        ask(times)

    names = [named(ub.protect("pay")(function)) for function in (made(1), made(1), made(2), give)]

    assert (names[0], 3) == (names[1], len({*names}))


@pytest.mark.parametrize(("one", "other"), [([[1], 2], [[1, 2]]), (((1,), 2), ((1, 2),)), ([[], []], [[[]]])])
def test_what_is_inside_of_what_is_part_of_the_name(one, other):
    """The same values in the same order are not the same."""
    assert part(one) != part(other)


@dataclasses.dataclass
class Till:
    """One that changes, and can be called."""

    balance: int

    def pay(self):
        """Ask for the key."""
        ask()

    def __call__(self):
        """Ask for the key."""
        ask()


@pytest.mark.parametrize("of", [lambda till: till.pay, lambda till: till])
def test_what_a_call_is_made_by_is_the_same_when_it_has_changed(of):
    """A second call of it is the second, and not another one; of another till, however like it, it is another."""
    till, other = Till(1), Till(1)
    doors = [ub.protect("pay")(of(each)) for each in (till, other)]
    ASKED.clear()

    def work():
        doors[0]()
        till.balance = 2
        doors[0]()
        doors[1]()

    ub.FractalNode("order").execute_sync(work).unwrap()
    first, second, another = (key.partition("/")[2] for key in ASKED)

    assert f"{first}#2" == second
    assert another not in (first, second)
