"""Whatever can be called can be protected: methods, partials, callable objects; and pickled as before."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
from unittest.mock import ANY

import pytest

import unbreakable as ub
from unbreakable.errors import CircuitOpen


class Account:
    """A class whose methods are protected in each colour and each form."""

    def __init__(self, owner):
        self.owner = owner

    @ub.protect("method", retry=False)
    def method(self, word):
        return self.owner, word

    @ub.protect("async method", retry=False)
    async def async_method(self, word):
        return self.owner, word

    @ub.protect("class inside")
    @classmethod
    def class_inside(cls, word):
        return cls.__name__, word

    @ub.protect
    @classmethod
    def class_bare(cls, word):
        return cls.__name__, word

    @classmethod
    @ub.protect("class outside")
    def class_outside(cls, word):
        return cls.__name__, word

    @ub.protect("static inside")
    @staticmethod
    def static_inside(word):
        return word

    @staticmethod
    @ub.protect("static outside")
    def static_outside(word):
        return word

    def __eq__(self, other):
        return type(other) is Account and self.owner == other.owner

    def __hash__(self):
        return hash(self.owner)


class Savings(Account):
    """A subclass, which inherits the protected methods."""


@ub.protect("module level")
def sync_function(word, *, times=1):
    """Say it again."""
    return word * times


@ub.protect("async module level")
async def async_function(word):
    return word


def travelled(thing):
    """Return *thing* as another process would get it."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own bytes


def test_methods_are_bound_as_ever():
    """Methods get their object, class methods their class, static methods neither; subclasses inherit them."""
    account = Savings("Ann")

    assert ("Ann", "hi") == account.method("hi") == Account.method(account, "hi") == account.method.outcome("hi").value
    assert ("Ann", "hi") == asyncio.run(account.async_method("hi"))
    assert ("Savings", "hi") == account.class_inside("hi") == Savings.class_inside.outcome("hi").value
    assert ("Savings", "hi") == account.class_bare("hi") == Savings.class_bare.outcome("hi").value
    assert ("Savings", "hi") == account.class_outside("hi") == Savings.class_outside("hi")
    assert "hi" == account.static_inside("hi") == Account.static_inside.outcome("hi").value
    assert "hi" == account.static_outside("hi") == Account.static_outside.outcome("hi").value


def test_all_objects_of_a_class_share_one_node():
    """The target behind a method is one, whoever asks it."""
    assert Account("Ann").method.node is Account("Bob").method.node is Account.method.node


def test_a_method_is_asked_for_its_key_without_the_object():
    """``key`` and ``validate`` take what the caller wrote between the parentheses."""

    class Client:
        @ub.protect("ask", key=lambda city: city, validate=lambda city: city != "")
        def ask(self, city):
            return city

    assert ["CAI", None] == [Client().ask.outcome(city).value for city in ("CAI", "")]


def test_no_name_of_a_keyword_is_taken():
    """Links are often called "self", and the door has names of its own for what it is given."""
    links = ub.protect("links", key=lambda **names: None)(lambda **names: names)
    names = dict.fromkeys(("self", "args", "kwargs", "function", "node", "ctx", "key", "runtime"), "/")

    assert names == links(**names) == links.outcome(**names).value


def test_partials_and_callable_objects_can_be_protected():
    """What is called like a function is protected like one, in its own colour."""

    class Caller:
        def __init__(self):
            self.node, self.function, self.outcome = "its own", "its own", "its own"

        def __call__(self, word):
            return word * 2

    class AsyncCaller:
        async def __call__(self, word):
            return word * 2

    caller = ub.protect("caller")(Caller())
    async_caller = ub.protect("async caller")(AsyncCaller())
    partial = ub.protect("partial")(functools.partial(sync_function.function, times=3))
    async_partial = ub.protect("async partial")(functools.partial(async_function.function, "hi"))

    assert ("hihi", "ok") == (caller("hi"), caller.outcome("hi").status.value)
    assert "hihi" == asyncio.run(async_caller("hi"))
    assert "hihihi" == partial("hi") == functools.partial(sync_function, times=3)("hi")
    assert "hi" == asyncio.run(async_partial())


def test_builtins_can_be_protected():
    """A function without a signature to look at is called with what it is given."""
    assert 3 == ub.protect("builtin")(max)(1, 3)


def test_protecting_twice_is_two_layers():
    """Each layer keeps its own function, node and circuit."""
    calls = []

    def down():
        calls.append(1)
        raise OSError

    inner = ub.protect("inner", retry=False, breaker=ub.CircuitBreaker(1))(down)
    outer = ub.protect("outer", retry=False)(inner)
    outer.outcome()

    assert ("outer", "inner") == (outer.node.name, outer.function.node.name)
    assert isinstance(outer.outcome().error, CircuitOpen)
    assert [1] == calls


def test_a_protected_function_looks_like_its_function():
    """Name, documentation, signature and colour are those of the function."""
    assert ("sync_function", "Say it again.") == (sync_function.__name__, sync_function.__doc__)
    assert "(word, *, times=1)" == str(inspect.signature(sync_function))
    for look in (asyncio.iscoroutinefunction, inspect.iscoroutinefunction):
        assert [True, False] == [look(function) for function in (async_function, sync_function)]


def test_old_ways_to_look_at_a_function_see_its_defaults():
    """Frameworks that inspect code, and follow no ``__wrapped__``, do not take an argument for a required one."""

    async def search(city, most=10, *, sort="price"): ...
    def find(city, most=10, *, sort="price"): ...

    for function in (search, find):
        seen = inspect.getfullargspec(ub.protect(function))
        assert (["city", "most"], (10,), {"sort": "price"}) == (seen.args, seen.defaults, seen.kwonlydefaults)


def test_attributes_of_the_function_are_kept():
    """What other decorators hung on the function is found on the protected one."""

    def function():
        return 1

    function.short_description = "for the admin"

    assert "for the admin" == ub.protect("kept")(function).short_description


def test_classes_and_values_are_refused_loudly():
    """What cannot be guarded is refused when it is decorated, not when it fails."""
    for wrong in (Account, 7):
        with pytest.raises(TypeError):
            ub.protect("wrong")(wrong)


@pytest.mark.parametrize("door", [sync_function, async_function, Account.method, Account.static_outside])
def test_protected_functions_are_pickled_by_name(door):
    """A process pool can be given protected functions, as it can be given plain ones."""
    assert door is travelled(door)


def test_protected_methods_of_objects_are_pickled_with_their_object():
    """A bound method travels with its object."""
    account = Account("Ann")

    assert ("Ann", "hi") == travelled(account.method)("hi")
    assert ("Account", "hi") == travelled(account.class_inside)("hi")
    assert ("Ann", "hi") == copy.deepcopy(account).method("hi")


def test_outcomes_and_errors_travel_between_processes():
    """An outcome is the same after pickling, with its error's notes and times."""

    @ub.protect("travels", retry=False, breaker=ub.CircuitBreaker(1))
    def down():
        raise ConnectionError("down")

    first, second = down.outcome(), down.outcome()
    arrived = travelled(first)
    refusal = travelled(second).error

    assert (first.id, first.status, first.trace) == (arrived.id, arrived.status, arrived.trace)
    assert ("down", ConnectionError) == (str(arrived.error), type(arrived.error))
    assert isinstance(refusal, CircuitOpen)
    assert second.error is not None
    assert refusal.retry_after == second.error.retry_after


def test_every_error_of_ours_survives_pickling_and_copying():
    """Each exception class comes back with message and attributes."""
    kinds = [kind for kind in vars(ub.errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    for kind in kinds:
        error = kind("why")
        error.detail = 7
        for again in (travelled(error), copy.copy(error)):
            assert (kind, "why", 7) == (type(again), str(again), again.detail)


def test_a_protected_function_can_be_a_default_or_a_class_attribute():
    """A door that is called through an object without being its method stays unbound when it is static."""

    class Holder:
        action = staticmethod(sync_function)

    assert "hi" == Holder().action("hi") == Holder.action("hi")


class Unhashable:
    """Has methods, and an equality by value, and so no hash."""

    __hash__ = None

    def __eq__(self, other):
        return type(other) is Unhashable

    @ub.protect
    def first(self):
        return 1

    @ub.protect
    def second(self):
        return 2

    @ub.protect("outer")
    @ub.protect("inner")
    def twice(self):
        return 2


def test_the_same_method_of_the_same_object_is_equal():
    """So that who subscribed one can take it away again, as with any method; also of what cannot be hashed."""
    account, one = Account("Ada"), Unhashable()
    called = [account.method, one.first, one.second]

    called.remove(one.first)

    assert [account.method, one.second] == called
    assert {account.method, one.first} == {one.first, account.method}
    assert one.first != Unhashable().first
    assert one.first != one.second
    assert Unhashable.first == Unhashable.first != Unhashable.second
    assert account.class_inside == Account.class_inside
    assert one.first not in (one, None)
    assert {"callback": one.first} == {"callback": ANY}
    assert one.twice == one.twice != Unhashable().twice
    assert {one.twice} == {one.twice}
