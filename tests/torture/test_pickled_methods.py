"""A protected method is protected wherever it comes to: as a copy, or in another process, or it does not go there."""

from __future__ import annotations

import copy
import pickle
import sys
from pickle import PicklingError

import pytest

import unbreakable as ub

AT_ONCE = {"effects": "idempotent", "breaker": False, "budget": False, "retry": ub.Retry(3, backoff=ub.Backoff(0.0))}


class Client:
    """Fails two times of three; protected from outside, by each object, in each way that there is."""

    def __init__(self):
        self.calls = 0

    def __eq__(self, other):
        return type(other) is type(self)

    __hash__ = None

    def go(self, number=1):
        self.calls += 1
        if self.calls % 3:
            raise ConnectionError("down")
        return number

    alias = ub.protect("alias", **AT_ONCE)(go)
    by_key = ub.protect("by key", key=lambda number=1: number, **AT_ONCE)(go)
    twice = ub.protect("outer", **AT_ONCE)(ub.protect("inner", **AT_ONCE)(go))

    @classmethod
    def make(cls):
        return cls.__name__

    make_well = ub.protect("make", **AT_ONCE)(make)


class Own(Client):
    """Protects its own method in its constructor."""

    def __init__(self):
        super().__init__()
        self.call = ub.protect("own", **AT_ONCE)(self.go)


class InPlace(Client):
    """Puts the protected method in the place of its method."""

    def __init__(self):
        super().__init__()
        self.go = ub.protect("in place", **AT_ONCE)(self.go)


class Renewed(Own):
    """Does as the error says."""

    def __getstate__(self):
        return {"calls": self.calls}

    def __setstate__(self, state):
        self.__init__()
        self.calls = state["calls"]


send = ub.protect("send", **AT_ONCE)(Client().go)


def travelled(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, travelled])
@pytest.mark.parametrize("name", ["alias", "by_key", "twice", "make_well"])
def test_a_method_that_is_protected_in_its_class_arrives_protected(name, way):
    """Under whatever name its class has it, its copy goes through the same node, with an object of its own."""
    door = getattr(Client(), name)
    arrived = way(door)

    assert (type(door), True) == (type(arrived), door.node is arrived.node)
    assert arrived.outcome().ok
    assert ("Client" if name == "make_well" else 1) == arrived()


@pytest.mark.parametrize("kind", [Own, InPlace])
def test_the_deep_copy_of_an_object_protects_its_own_method(kind):
    """What an object has protected is protected in its copy, and works for that."""
    original = kind()
    twin = copy.deepcopy(original)
    name = "call" if kind is Own else "go"
    here, there = getattr(original, name), getattr(twin, name)

    assert (1, 0, 3) == (there(), original.calls, twin.calls)
    assert (here.node, twin) == (there.node, there.function.__self__)
    assert twin is there.function.__self__


@pytest.mark.parametrize("kind", [Own, InPlace])
def test_what_no_other_process_can_protect_does_not_go_there(kind):
    """An object with a protected method of its own is refused, and so is that method, with what to do."""
    one = kind()

    for thing in (one, one.call if kind is Own else one.go):
        with pytest.raises(PicklingError, match=r"go is protected for one object alone.* decorate .* __setstate__"):
            pickle.dumps(thing)


def test_an_object_that_protects_its_method_anew_travels():
    """What the refusal says is of use."""
    arrived = travelled(Renewed())

    assert (1, 3) == (arrived.call(), arrived.calls)


def test_a_protected_method_in_a_global_variable_travels_by_its_name():
    """A module that protects the method of an object has it wherever it is loaded."""
    assert send is travelled(send)


def test_the_module_that_has_it_comes_before_the_program_that_imports_it(monkeypatch):
    """Another process runs another program, or does not import what this one does when it is run."""
    monkeypatch.setattr(sys.modules["__main__"], "send", send, raising=False)

    assert b"__main__" not in pickle.dumps(send)


def test_a_function_is_its_own_copy():
    """As for functions that are not protected, copying one makes none."""
    door = ub.protect("lambda")(lambda: 1)

    assert door is copy.copy(door) is copy.deepcopy(door)
