"""The remedies that are built in do what their names say, for what it makes sense for."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, ConfigurationError
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep
FREE = {"effects": "idempotent", "breaker": False, "budget": False}


@pytest.fixture(autouse=True)
def clock():
    with virtual_time() as clock:
        yield clock


def failing(*errors):
    """Return an operation that raises these, one after the other, and then returns 7."""
    left = list(errors)

    def operation():
        if left:
            raise left.pop(0)
        return 7

    return operation


MENDING = {
    "reconnect": ConnectionResetError(),
    "refresh_credentials": PermissionError(),
    "other_endpoint": ConnectionRefusedError(),
    "clear_cache": ub.errors.VerificationFailed(),
}


@pytest.mark.parametrize("takes", ["nothing", "the failure"])
@pytest.mark.parametrize(("name", "error"), MENDING.items(), ids=MENDING)
def test_it_calls_the_function_that_it_was_given(name, error, takes):
    """Each is for its sort of failure, and its function may take the failure or nothing."""
    called = []
    function = (lambda: called.append(None)) if takes == "nothing" else called.append
    node = ub.FractalNode("n", failing(error), remedies=[getattr(ub.remedies, name)(function)], **FREE)
    outcome = node.execute_sync()

    assert (ub.Status.HEALED, (name,), 1) == (outcome.status, outcome.remedies, len(called))
    assert takes == "nothing" or called[0].error is error


@pytest.mark.parametrize("name", MENDING)
def test_it_is_not_for_what_it_cannot_mend(name):
    """A programming error is nobody's, unless it is named."""
    called = []
    mend = getattr(ub.remedies, name)
    default, named = (mend(called.append, **on) for on in ({}, {"on": ZeroDivisionError}))
    error = ub.Failure(ZeroDivisionError(), ub.errors.Kind.BUG)

    assert (False, True) == (default.matches(error), named.matches(error))


def test_wait_leaves_the_target_in_peace(clock):
    """The next attempt begins after that time at the earliest, and pays for itself."""
    node = ub.FractalNode("n", failing(ConnectionResetError()), remedies=[ub.remedies.wait(5.0)], effects="idempotent")
    before = node.budget.level(0, clock.now())
    outcome = node.execute_sync()

    assert (("wait 5 s",), 5.0) == (outcome.remedies, outcome.elapsed)
    assert {} == node.get_status().foresights
    assert before - 1 == pytest.approx(node.budget.level(0, clock.now()), abs=0.6)


def test_a_longer_timeout_lets_the_next_attempts_take_longer():
    """What was cut after a second may take two, then four; the next call begins with one again."""

    async def story():
        took = []

        async def work():
            began = asyncio.get_running_loop().time()
            try:
                await sleep(3.0)
            finally:
                took.append(asyncio.get_running_loop().time() - began)

        remedies = [ub.remedies.longer_timeout(2.0)]
        node = ub.FractalNode("n", work, timeout=ub.Timeout(1.0), remedies=remedies, **FREE)
        outcomes = [await node.execute() for _ in range(2)]
        return [round(each, 6) for each in took], [outcome.remedies for outcome in outcomes]

    took, remedies = asyncio.run(story())

    assert [1.0, 2.0, 3.0] * 2 == took
    assert [("longer_timeout",) * 2] * 2 == remedies


def test_a_longer_timeout_is_for_what_we_have_cut():
    """A timeout of the target's own is none that we could make longer."""
    remedy = ub.remedies.longer_timeout()

    assert [True, False] == [remedy.matches(ub.Failure(AttemptTimeout(), cut=cut)) for cut in (True, False)]


@pytest.mark.parametrize("form", ["by place", "by name", "by default", "among others", "node"])
def test_a_smaller_batch_is_halved_until_it_fits(form):
    """The argument is found however it was passed, and halved with each attempt of the call."""
    sizes = []

    def load(ctx=None, size=100):
        sizes.append(size)
        if size > 30:
            raise TimeoutError("too many rows")
        return size

    door = ub.protect("loader", remedies=[ub.remedies.smaller_batch("size")], **FREE)(
        lambda first=None, size=100: load(first, size)
    )
    among_others = ub.protect("loader", remedies=[ub.remedies.smaller_batch("size")], **FREE)(
        lambda **others: load(None, others["size"])
    )
    node = ub.FractalNode("loader", load, remedies=[ub.remedies.smaller_batch("size")], **FREE)
    calls = {
        "by place": lambda: door(None, 100),
        "by name": lambda: door(size=100),
        "by default": door,
        "among others": lambda: among_others(size=100),
        "node": lambda: node.execute_sync().unwrap(),
    }

    assert 25 == calls[form]()
    assert [100, 50, 25] == sizes


def test_what_cannot_be_made_smaller_is_told():
    """At the least size, or where the argument is no number, the remedy fails, and the call goes on without it."""
    door = ub.protect("loader", remedies=[ub.remedies.smaller_batch("size", least=10)], **FREE)(
        lambda size: failing(*[TimeoutError()] * 9)()
    )

    assert "size is 10, which cannot be made smaller than 10" in door.outcome(10).explain()
    assert "size is [1, 2], which cannot be made smaller than 10" in door.outcome([1, 2]).explain()


def test_give_up_makes_no_further_attempt():
    """What it names ends the call at once; what was given before it is tried first."""
    quota = ub.remedies.give_up(lambda failure: "quota" in str(failure))
    tried = []
    outcomes = [
        ub.FractalNode("n", failing(ConnectionError("quota")), remedies=[*before, quota], **FREE).execute_sync()
        for before in ([], [(ConnectionError, tried.append)])
    ]

    assert [1, 2] == [outcome.attempts for outcome in outcomes]
    assert "no further attempt: give_up is the remedy for this" in outcomes[0].explain()
    assert (ub.Status.HEALED, 1) == (outcomes[1].status, len(tried))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ub.remedies.wait(0), "seconds"),
        (lambda: ub.remedies.wait("5"), "seconds"),
        (lambda: ub.remedies.longer_timeout(1.0), "a number above 1"),
        (lambda: ub.remedies.reconnect(None), "a function that takes the failure or nothing"),
        (lambda: ub.remedies.reconnect(lambda one, two, three: None), "takes the failure and nothing else"),
        (lambda: ub.remedies.smaller_batch("a b"), "the name of an argument"),
        (lambda: ub.remedies.smaller_batch("size", factor=1.0), "between 0 and 1"),
        (lambda: ub.remedies.smaller_batch("size", least=0), "a whole number from 1 up"),
        (lambda: ub.remedies.give_up("quota"), "exception types or predicates"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    """Each says what it expected."""
    with pytest.raises(ConfigurationError, match=message):
        make()


# ── what is at hand ─────────────────────────────────────────────────────────────────────────────────────────────────


class Link:
    """Something that breaks, and is mended by a method that all of its like have."""

    def __init__(self, name):
        self.name, self.up = name, True

    def reconnect(self, _):
        self.up = True

    def ask(self):
        if not self.up:
            raise ConnectionError(f"{self.name} is down")


WANTED = {"retry": ub.Retry(4, backoff=ub.Backoff(0)), "budget": False, "breaker": False, "effects": "none"}


def remedies_of_one_name(links, form):
    if form == "built in":
        return [ub.remedies.reconnect(lambda link=link: link.reconnect(None)) for link in links]
    if form == "lambdas":
        return [(ConnectionError, lambda failure, link=link: link.reconnect(failure)) for link in links]
    return [(ConnectionError, link.reconnect) for link in links]


@pytest.mark.parametrize("form", ["methods", "built in", "lambdas"])
@pytest.mark.parametrize("is_given", [True, False])
def test_remedies_of_one_name_are_told_apart(form, is_given):
    """Each has lessons of its own: both are tried, and the one that helps comes first the next time."""
    links = [Link("database"), Link("queue")]
    remedies = remedies_of_one_name(links, form)

    @ub.protect("links", remedies=remedies if is_given or form == "built in" else (), **WANTED)
    def ask():
        for link in links:
            link.ask()

    for what, fix in () if is_given or form == "built in" else remedies:
        ask.remedy(what)(fix)

    applied = []
    for _ in range(3):
        links[1].up = False
        applied.append(ask.outcome().remedies)

    name = applied[0][0]
    assert [(name, f"{name}#2"), (f"{name}#2",), (f"{name}#2",)] == applied


def test_remedies_of_one_name_are_told_apart_in_blocks():
    """There they are given anew with each call."""
    links = [Link("database"), Link("queue")]
    for tries in (3, 2, 2):
        links[1].up = False
        made = 0
        for attempt in ub.attempts("links", remedies=remedies_of_one_name(links, "methods"), **WANTED):
            with attempt:
                made += 1
                links[1].ask()
        assert tries == made


def test_one_function_for_two_sorts_of_failures_is_one_remedy():
    """It keeps its name, and is not applied twice for being registered twice."""

    @ub.protect("api", effects="none", budget=False, breaker=False, retry=ub.Retry(3, backoff=ub.Backoff(0)))
    def ask():
        raise ConnectionResetError("down")

    @ask.remedy(ConnectionError)
    @ask.remedy(OSError)
    def fix(failure):
        pass

    assert {"fix"} == set(ask.outcome().remedies)
