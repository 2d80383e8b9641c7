"""What is given to a protected method may take the instance that it is called for."""

from __future__ import annotations

import asyncio
import functools
import gc
import weakref

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class Client:
    """A client of one tenant, whose token has expired."""

    def __init__(self, name, base="https://fine"):
        self.name, self.base, self.token, self.refreshed = name, base, "expired", 0

    @ub.protect("client", effects="idempotent")
    def get(self, path):
        """Return this tenant's data."""
        if self.token == "expired":
            raise PermissionError("401")
        return self.name + path

    @get.remedy(PermissionError)
    def refresh(self, failure):
        """Fetch a new token."""
        assert isinstance(failure, ub.Failure)
        self.refreshed += 1
        self.token = "fresh"

    @ub.protect("client", effects="idempotent")
    async def get_async(self, path):
        """Return this tenant's data."""
        if self.token == "expired":
            raise PermissionError("401")
        return self.name + path

    @get_async.remedy(PermissionError)
    async def refresh_async(self):
        """Fetch a new token, whatever the failure."""
        await ASYNCIO.sleep(0)
        self.refreshed += 1
        self.token = "fresh"

    @ub.protect(
        "page",
        key=lambda self, path: self.base,
        validate=lambda self, path: path != self.name,
        fallback=lambda self, failure: f"cached {self.name}",
        retry=False,
    )
    def page(self, path):
        """Return a page of this host."""
        if "down" in self.base:
            raise ConnectionError(self.base)
        return self.base + path

    @ub.protect("plain", key=lambda path: path, validate=lambda path: path != "")
    def plain(self, path):
        """Return the path."""
        return path

    @ub.protect("rows", effects="none", remedies=[(PermissionError, lambda self, failure: self.refresh(failure))])
    def rows(self, count):
        """Yield rows."""
        if self.token == "expired":
            raise PermissionError("401")
        yield from range(count)

    @ub.protect("made", fallback=lambda cls, failure: cls)
    @classmethod
    def made(cls):
        """Make nothing."""
        raise PermissionError("401")


def test_a_remedy_heals_the_instance_that_calls():
    """Each tenant's refusal refreshes its own token."""
    with virtual_time():
        clients = [Client("A"), Client("B")]

        assert [each.get("/x") for each in clients] == ["A/x", "B/x"]
        assert [each.refreshed for each in clients] == [1, 1]


async def test_calls_of_one_instance_share_a_remedy_and_others_do_not():
    """Of calls that are refused at once one refreshes the token of its instance, for those of that instance."""
    clients = [Client("A"), Client("B")]

    found = await asyncio.gather(*(each.get_async("/x") for each in clients for _ in range(3)))

    assert found == ["A/x"] * 3 + ["B/x"] * 3
    assert [each.refreshed for each in clients] == [1, 1]


def test_key_fallback_and_validate_see_the_instance():
    """A host that is down shuts the circuit of its own instances, and each answers for itself."""
    with virtual_time():
        down, fine = Client("A", "https://down"), Client("B")

        assert [down.page("/x") for _ in range(6)] == ["cached A"] * 6
        assert fine.page("/x") == "https://fine/x"
        with pytest.raises(ub.errors.ValidationFailed):
            fine.page("B")
        assert down.page.outcome("/x").status is ub.Status.DEGRADED


@pytest.mark.parametrize("call", [lambda client, *args: client.plain(*args), Client.plain], ids=["bound", "class"])
def test_a_call_through_the_class_is_the_same(call):
    """What takes only the arguments is given only these, whichever way the method is called."""
    with virtual_time():
        client = Client("A")

        assert call(client, "X") == "X"
        with pytest.raises(ub.errors.ValidationFailed):
            call(client, "")
    assert {"X"} <= set(Client.plain.node.targets.by_key)


def test_a_call_through_the_class_is_healed():
    """The instance is found among the arguments."""
    with virtual_time():
        client = Client("A")

        assert Client.get(client, "/x") == "A/x"
        assert client.refreshed == 1


def test_generators_and_classmethods_know_theirs():
    """A generator's remedy has its instance, and a classmethod's fallback the class."""
    with virtual_time():
        client = Client("A")

        assert list(client.rows(2)) == [0, 1]
        assert client.refreshed == 1
        assert Client.made() is Client
        assert client.made() is Client


def test_a_constructor_registers_for_each_instance_its_own():
    """What is registered through an instance heals that one, once, and keeps none alive."""

    class Registering:
        def __init__(self):
            self.token = "expired"
            self.get.remedy(PermissionError)(self.renew)

        @ub.protect("registering", effects="idempotent")
        def get(self):
            if self.token == "expired":
                raise PermissionError("401")
            return self.token

        def renew(self, failure):
            self.token = "fresh"

    with virtual_time():
        made = [Registering() for _ in range(5)]

        assert [each.get() for each in made] == ["fresh"] * 5
        assert len(Registering.get.node.remedies) == 1
    known = [weakref.ref(each) for each in made]
    made.clear()
    gc.collect()
    assert [each() for each in known] == [None] * 5


class Expired(Exception):
    def __init__(self, code):
        self.code = code


def has_code(code, failure):
    return failure.error.code == code


def wrapped_by_nobody_s_name(method):
    def wrapper(self, failure):
        return method(self, failure)

    return wrapper


class Partner:
    """Whose token is renewed by what a constructor registers."""

    def __init__(self, code):
        self.code, self.token = code, "expired"
        self.register()

    def register(self):
        self.get.remedy(Expired)(self.__renew)

    @ub.protect("partner", effects="idempotent", budget=False, retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    def get(self):
        if self.token == "expired":
            raise Expired(self.code)
        return self.token

    def __renew(self, failure):
        self.token = "fresh"

    def renew(self, failure):
        self.token = "fresh"

    renews = wrapped_by_nobody_s_name(renew)

    @classmethod
    def __renewed_for_all(cls, failure):
        """Not be the method of that name but for its class."""

    @ub.protect("renewing")
    def __renew_protected(self, failure):
        self.token = "fresh"

    def is_mine(self, failure):
        return failure.error.code == self.code

    def register_wrapped(self):
        self.get.remedy((Expired, KeyError))(self.renews)

    def register_protected(self):
        self.get.remedy(Expired)(self.__renew_protected)
        self.get.remedy(KeyError)(self.__renewed_for_all)

    def register_a_method(self):
        self.get.remedy((self.is_mine, KeyError))(self.renew)

    def register_a_partial(self):
        self.get.remedy(functools.partial(has_code, 498))(self.renew)
        self.get.remedy(functools.partial(has_code, 499))(self.renew)

    def register_what_holds_nothing(self):
        self.get.remedy(lambda failure, code=498: failure.error.code >= code)(self.renew)

    def register_what_holds_the_instance(self):
        self.get.remedy(lambda failure: failure.error.code == self.code)(self.renew)


@pytest.mark.parametrize(
    ("register", "remedies", "lives_on"),
    [
        ("register", 1, False),
        ("register_wrapped", 1, False),
        ("register_protected", 2, False),
        ("register_a_method", 1, False),
        ("register_a_partial", 2, False),
        ("register_what_holds_nothing", 1, False),
        ("register_what_holds_the_instance", 4, True),
    ],
)
def test_each_instance_is_judged_and_mended_by_its_own(register, remedies, lives_on):
    """Whatever the method is called, and its predicate is made of; only what holds the instance is there for each."""
    node = Partner.get.node
    node.remedies.clear()
    with virtual_time(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Partner, "register", getattr(Partner, register))
        partners = [Partner(code) for code in (498, 499, 498, 499)]
        told = [each.get.outcome().value for each in partners]
        partners[0].token = "expired"
        is_healed = Partner.get.outcome(self=partners[0]).ok
    known = [weakref.ref(each) for each in partners]
    partners.clear()
    gc.collect()

    assert (["fresh"] * 4, remedies) == (told, len(node.remedies))
    assert [lives_on] * 4 == [each() is not None for each in known]
    assert not is_healed
    node.remedies.clear()


def test_a_function_that_each_constructor_registers_is_registered_once():
    """It is no method of the instance, and heals them all; for other failures it is another remedy."""
    token = ["expired"]

    def inner(failure):
        token[:] = ["fresh"]

    @functools.wraps(inner)
    def renew(failure):
        inner(failure)

    class Registering:
        def __init__(self):
            self.get.remedy(PermissionError)(renew)
            self.get.remedy(lambda failure: failure.error.args == (401,))(renew)
            self.get.remedy(KeyError)(self.of_all)
            self.get.remedy(KeyError)(functools.partial(renew))

        @staticmethod
        def of_all(failure):
            """Mend nothing."""

        @ub.protect("registering a function", effects="idempotent")
        def get(self):
            if token == ["expired"]:
                raise PermissionError("401")
            return token[0]

    with virtual_time():
        made = [Registering() for _ in range(5)]
        assert "fresh" == Registering.get(made[0])
    assert 3 + 5 == len(Registering.get.node.remedies)


def test_names_of_inner_calls_are_the_same_either_way():
    """A call through the class has the idempotency key of one through the instance, whatever changes in it."""
    keys = []

    class Inner:
        def __init__(self):
            self.count = 0

        @ub.protect("inner", effects="idempotent", key=lambda self: None)
        def send(self):
            keys.append(ub.current().idempotency_key)
            self.count += 1

    inner = Inner()
    calls = [inner.send, lambda: Inner.send(inner)]

    @ub.protect("outer", effects="idempotent", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    def outer():
        calls[ub.current().attempt - 1]()
        if ub.current().attempt == 1:
            raise ConnectionError("down")

    with virtual_time():
        outer()
    assert keys[0] == keys[1]


def test_what_is_no_method_has_no_instance():
    """A remedy that takes two is refused where there is nothing to give it."""
    with pytest.raises(ub.errors.ConfigurationError, match="takes the failure and nothing else"):

        @ub.protect("function", remedies=[(OSError, lambda first, second: None)])
        def function():
            """Do nothing."""

    with pytest.raises(ub.errors.ConfigurationError, match="takes the failure and nothing else"):
        ub.FractalNode("node").remedy(OSError)(lambda self, failure: None)


def test_a_remedy_of_ours_takes_the_instance():
    """What is made by ``ub.remedies`` may take it, too."""

    class Store:
        stale = True

        @ub.protect("store", effects="none", remedies=[ub.remedies.reconnect(lambda self: self.connect())])
        def load(self):
            if self.stale:
                raise ConnectionRefusedError("down")
            return "loaded"

        def connect(self):
            self.stale = False

    with virtual_time():
        assert Store().load() == "loaded"


def test_whoever_names_the_instance_is_told_that_nobody_knows_it_for_one():
    """Through the class and by name it is an argument like others: the fallback cannot be given it, and says so."""
    client = Client("A", base="https://down by name")
    outcome = Client.page.outcome(self=client, path="/")

    assert "cached A" == Client.page(client, "/") == client.page(path="/")
    assert isinstance(outcome.error, ConnectionError)
    assert "the fallback failed, too: TypeError: it takes the instance of a method" in outcome.trace.story[-1]
