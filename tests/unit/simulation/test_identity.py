"""What counts as the same operation when nobody names it."""

from __future__ import annotations

import functools
import gc
import types
import weakref
from unittest import mock

import pytest

import unbreakable as ub
from unbreakable.simulation.identity import identity_of


class Client:
    def __init__(self, ok: bool = True) -> None:
        self.ok = ok

    def fetch(self) -> str:
        if not self.ok:
            raise OSError("down")
        return "ok"

    def __call__(self) -> str:
        return self.fetch()

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Client)


def module(name: str, source: str):
    made = types.ModuleType(name)
    exec(source, made.__dict__)  # noqa: S102 - another module with the same names
    return made


A = module("a", "def fetch(): raise OSError('down')")
B = module("b", "def fetch(): return 'ok'")


def made_anew():
    return lambda: "ok"


@pytest.mark.parametrize(
    ("failing", "other"),
    [
        (lambda: 1 / 0, lambda: "ok"),
        (Client(ok=False).fetch, Client().fetch),
        (Client(ok=False), Client()),
        (functools.partial(Client(ok=False).fetch), functools.partial(Client().fetch)),
        (A.fetch, B.fetch),
    ],
    ids=["lambdas", "methods", "callable objects", "partials", "modules"],
)
def test_what_fails_opens_no_circuit_of_anything_else(failing, other):
    """Operations that share no more than a name share no circuit."""
    engine = ub.QuantumSimulationEngine()

    with ub.testing.virtual_time():
        for _ in range(3):
            with pytest.raises((OSError, ZeroDivisionError, ub.errors.CircuitOpen)):
                engine.execute_quantum_sync(failing)

        assert "ok" == engine.execute_quantum_sync(other)


@pytest.mark.parametrize("make", [made_anew, lambda: CLIENT.fetch, lambda: functools.partial(len, "x"), lambda: Client])
def test_what_is_made_anew_by_the_same_lines_is_the_same(make):
    """A job is known again, so that it is learned about, though its function is another object each time."""
    assert identity_of(make()) == identity_of(make())
    assert hash(identity_of(make())) == hash(identity_of(make()))


CLIENT = Client()


class Proxy:
    """What wraps an object as compiled proxies do: with a place of its own, not in a dictionary."""

    __slots__ = ("__wrapped__",)

    def __init__(self, wrapped: object) -> None:
        self.__wrapped__ = wrapped

    def __call__(self) -> object:
        return self.__wrapped__()


def test_wrappers_of_any_make_are_looked_behind():
    """A decorator that wraps anew each time hides no job; two jobs behind one decorator are two."""
    first = made_anew()
    assert identity_of(Proxy(first)) == identity_of(Proxy(first)) == identity_of(first)
    assert identity_of(Proxy(CLIENT.fetch)) != identity_of(Proxy(first))
    assert identity_of(mock.MagicMock()).label.endswith("MagicMock")


def test_a_protected_method_is_its_object_s_own():
    """The door that is made at each access hides nothing."""

    class Guarded(Client):
        @ub.protect("guarded")
        def get(self) -> None: ...

    one, two = Guarded(), Guarded()
    assert identity_of(one.get) == identity_of(one.get)
    assert identity_of(one.get) != identity_of(two.get)


def test_no_object_is_kept_alive():
    """What the engine knows of a method does not hold its object, and passes to none that takes its place."""
    engine, client = ub.QuantumSimulationEngine(), Client()
    engine.execute_quantum_sync(client.fetch)
    known, gone = identity_of(client.fetch), weakref.ref(client)
    del client
    gc.collect()

    assert gone() is None
    assert known != identity_of(Client().fetch)


@pytest.mark.parametrize(
    ("operation", "label"),
    [
        (A.fetch, "a.fetch"),
        (Client().fetch, f"{__name__}.Client.fetch"),
        (Client(), f"{__name__}.Client"),
        (made_anew(), f"{__name__}.made_anew.<lambda>:{made_anew.__code__.co_firstlineno + 1}"),
        (functools.partial(print, "x"), "builtins.print"),
    ],
)
def test_the_label_tells_modules_and_lambdas_apart(operation, label):
    """What is remembered over restarts is remembered under a name that nothing else in the program has."""
    assert label == identity_of(operation).label
