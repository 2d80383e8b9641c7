"""What a constructor gives as a remedy, whatever it is, is registered once for all instances."""

from __future__ import annotations

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
