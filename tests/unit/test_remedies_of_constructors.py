"""What a constructor gives as a remedy, whatever it is, is registered once for all instances."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time

PATIENT = {"effects": "idempotent", "breaker": False, "budget": False, "retry": ub.Retry(4, backoff=ub.Backoff(0))}


@pytest.fixture(autouse=True)
def clock():
    with virtual_time() as clock:
        yield clock


class Registering:
    """Give its remedies in its constructor: a protected method, and a classmethod."""

    is_open = False

    def __init__(self):
        self.is_fresh = False
        self.get.remedy(PermissionError)(self.refresh)
        self.get.remedy(ConnectionError)(self.reopen)

    @ub.protect("api", **PATIENT)
    def get(self):
        if not self.is_fresh:
            raise PermissionError("401")
        if not self.is_open:
            raise ConnectionError("closed")

    @ub.protect("token server")
    def refresh(self, failure):
        self.is_fresh = True

    @classmethod
    def reopen(cls):
        cls.is_open = True


class RegisteringItsOwn(Registering):
    @ub.protect("token server")
    def refresh(self):
        self.is_fresh = "by its own"


def test_a_protected_remedy_and_a_classmethod_are_registered_once():
    """Constructors give them as well, and each instance is mended by its own."""
    clients = [sort() for sort in (Registering, RegisteringItsOwn) * 2]
    for client in clients:
        client.get()

    assert [True, "by its own"] * 2 == [client.is_fresh for client in clients]
    assert ["refresh", "reopen", "refresh#2"] == [remedy.name for remedy in Registering.get.node.remedies]


class Auth:
    """Hold a token, which is renewed by a plain method or by a protected one."""

    def __init__(self):
        self.is_fresh, self.renewed = False, 0

    def renew(self):
        self.is_fresh, self.renewed = True, self.renewed + 1

    @ub.protect("identity server")
    def renew_protected(self):
        self.renew()


class Holding:
    """Give a method of what it holds as a remedy, and one of a dictionary, in its constructor."""

    how, is_mine = "renew", None
    __slots__ = ("__weakref__", "auth", "cache", "code")

    def __init__(self, auth, code=401):
        self.auth, self.cache, self.code = auth, {"stale": True}, code
        self.get.remedy(self.is_mine or PermissionError)(getattr(self.auth, self.how))
        self.get.remedy(LookupError)(self.cache.clear)

    def get(self):
        if not self.auth.is_fresh:
            raise PermissionError(self.code)
        if self.cache:
            raise LookupError("stale")


def holding(**given):
    """Return such a class, with a node of its own."""
    return type("Holding", (Holding,), {"get": ub.protect("api", **PATIENT)(Holding.get), "__slots__": (), **given})


@pytest.mark.parametrize("how", ["renew", "renew_protected"])
def test_a_method_of_what_each_instance_holds_is_each_instance_s_own(how):
    """No token of another client is renewed, none is kept alive, and there is one entry, however many there are."""
    sort = holding(how=how)
    clients = [sort(Auth()) for _ in range(20)]
    for client in reversed(clients):
        client.get()

    assert [1] * 20 == [client.auth.renewed for client in clients]
    assert [how, "clear"] == [remedy.name for remedy in sort.get.node.remedies]
    gone = weakref.ref(client.auth)
    del client, clients
    gc.collect()
    assert gone() is None


def test_what_all_instances_hold_is_used_for_all():
    """It is one remedy, which one call applies for the others, and which may be applied before the next failure."""
    sort, auth = holding(), Auth()
    for client in [sort(auth) for _ in range(5)]:
        client.get()

    assert 1 == auth.renewed
    assert sort.get.node.remedies[0].prevents


def test_some_may_share_what_they_hold():
    """Those are mended together."""
    sort, auths = holding(), [Auth(), Auth()]
    clients = [sort(auths[number % 2]) for number in range(6)]
    for client in clients:
        client.get()

    assert [1, 1] == [auth.renewed for auth in auths]


class OtherAuth(Auth):
    """Renew a token in another way."""

    def renew(self):
        super().renew()


def test_what_instances_hold_may_be_of_several_classes():
    """Each is mended by its own, be it the only one of its class."""
    sort = holding()
    clients = [sort(kind()) for kind in (Auth, OtherAuth)]
    for client in clients * 10:
        client.auth.is_fresh = False
        client.get()

    assert [10, 10] == [client.auth.renewed for client in clients]


def test_a_predicate_of_the_instance_s_own_judges_its_own_failures():
    """As where the remedy is its own method."""
    sort = holding(is_mine=lambda self, failure: failure.error.args == (self.code,))
    clients = [sort(Auth(), code) for code in (401, 407)]
    for client in clients:
        client.get()

    assert [1, 1] == [client.auth.renewed for client in clients]
    assert 2 == len(sort.get.node.remedies)


def test_who_holds_nothing_of_the_kind_is_not_mended_by_it():
    """Its failure is its own."""
    sort = holding()
    clients = [sort(Auth()) for _ in range(3)]
    clients[0].auth = type("NoAuth", (), {"is_fresh": False})()

    with pytest.raises(PermissionError) as caught:
        clients[0].get()
    assert not any("renew" in note for note in getattr(caught.value, "__notes__", ()))


def test_constructors_in_many_threads_register_once():
    """Whoever comes first; the others find what it has left."""
    sort, begin, before = holding(), threading.Barrier(4), sys.getswitchinterval()

    def construct():
        begin.wait()
        return [sort(Auth()) for _ in range(5)]

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            made = [client for each in [pool.submit(construct) for _ in range(4)] for client in each.result()]
    finally:
        sys.setswitchinterval(before)

    assert (20, ["renew", "clear"]) == (len(made), [remedy.name for remedy in sort.get.node.remedies])
