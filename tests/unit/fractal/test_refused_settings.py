"""A setting that would have no effect is refused where it is written, with what to do instead."""

from __future__ import annotations

import asyncio
import functools

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


async def judge(found):
    """Ask somebody."""


async def answer():
    """Answer instead."""


def load(size=100):
    """Load so many."""
    return size


def mend(failure):
    """Mend it, and say nothing."""
    if failure.http_status:
        return
    load()


def rows(size=100):
    """Hand on so many."""
    yield from range(size)


def protected(**options):
    """Return how *load* is protected with these options."""
    return lambda: ub.protect("load", **options)(load)


CASES = [
    (protected(hedge=ub.Hedge(0.05)), 'load: hedge must be given with effects="none" or "idempotent"'),
    (protected(hedge=ub.Hedge(0.05), effects="once"), 'not with effects="once"'),
    (lambda: ub.FractalNode("node", load, hedge=ub.Hedge(0.05)), 'node: hedge must be given with effects="none"'),
    (lambda: ub.CircuitBreaker(learned="no"), "CircuitBreaker.learned must be True or False, not 'no'"),
    (lambda: ub.Timeout(1.0, learned=float("nan")), "Timeout.learned must be True or False, not nan"),
    (lambda: ub.Timeout(1.0, cut_threads=[]), r"Timeout.cut_threads must be True or False, not \[\]"),
    (lambda: ub.attempts([]), r"name must be a word, not \[\]"),
    (lambda: ub.Backoff(jitter=0.1), "Backoff.jitter must be True or False, not 0.1"),
    (lambda: ub.RetryBudget(20), "RetryBudget.ratio must be a share from 0 to 1, not 20"),
    (lambda: ub.RetryBudget(start=200), "RetryBudget.most must be at least the 200 tokens to start with, not 100"),
    (protected(limit=10), r"load: limit must be an AdaptiveLimit such as ub.AdaptiveLimit\(most=10\), None or False"),
    (protected(bulkhead=10), r"load: bulkhead must be a Bulkhead such as ub.Bulkhead\(10\), None or False \(none\)"),
    (protected(throttle=0.9), r"load: throttle must be a Throttle such as ub.Throttle\(0.9\), None or False \(none\)"),
    (protected(verify=judge), "load: verify must be a plain function.*raises ub.errors.VerificationFailed there"),
    (protected(verify=lambda: True), "load: verify must be a function that takes the result and nothing else"),
    (protected(fallback=answer), "the fallback of a plain function must be a plain function, too"),
    (
        protected(remedies=[(PermissionError, answer)]),
        "load: a remedy of a plain function must be a plain function, too",
    ),
    (
        protected(remedies=[ub.remedies.refresh_credentials(answer)]),
        "load: a remedy of a plain function must be a plain function, too",
    ),
    (
        lambda: ub.protect("rows", remedies=[(PermissionError, judge)])(rows),
        "rows: a remedy of a plain function must be a plain function, too",
    ),
    (protected(remedies=[(judge, load)]), "remedy must be given plain predicates, which do not wait for anything, not"),
    (lambda: ub.remedies.give_up(judge), "remedy must be given plain predicates"),
    (
        lambda: ub.remedies.wait(1.0, on=(TimeoutError, functools.partial(judge))),
        "remedy must be given plain predicates",
    ),
    (lambda: ub.protect("load")(load).remedy(judge), "remedy must be given plain predicates"),
    (
        lambda: ub.protect("load")(load).remedy(OSError, name=3)(load),
        "load: the name of a remedy must be some text, not 3",
    ),
    (
        lambda: ub.FractalNode("n").remedy(OSError, name=[1])(load),
        r"n: the name of a remedy must be some text, not \[1\]",
    ),
    (protected(key=lambda one, two: one), "load: key must be a function that takes the arguments of the one"),
    (
        protected(validate=lambda one, two: True),
        "load: validate must be a function that takes the arguments of the one",
    ),
    (
        lambda: ub.protect("load", key=lambda: 1)(lambda size: size),
        "load: key must be a function that takes the arguments of the one",
    ),
    (
        lambda: ub.protect("load", validate=lambda: True)(lambda size: size),
        "load: validate must be a function that takes the arguments of the one",
    ),
    (lambda: ub.protect("load")(load).remedy(mend), r"remedy must be given what is to be mended, as in @….remedy\("),
    (lambda: ub.FractalNode("n").remedy(mend), r"remedy must be given what is to be mended, as in @….remedy\("),
    (lambda: ub.Retry(on=judge), "Retry.on must be a plain function, which does not wait for anything"),
    (lambda: ub.Retry(on="ConnectionError"), "or a function that says so of an exception, not 'ConnectionError'"),
    (
        protected(remedies=[ub.remedies.smaller_batch("sizes")]),
        r"load: remedies: smaller_batch: the function has no argument 'sizes' \(did you mean 'size'\?\)",
    ),
    (
        lambda: ub.FractalNode("node", lambda one, two: 1),
        "node: operation must be a function that takes the context or",
    ),
    (
        lambda: ub.Retry(on=BaseException),
        "Retry.on must be an exception type.*of Exception.*is never repeated",
    ),
    (lambda: ub.Shadow(5), r"Shadow.policy must be a policy to measure, such as ub.CircuitBreaker\(\), not 5"),
]


@pytest.mark.parametrize(("make", "message"), CASES)
def test_it_is_refused(make, message):
    """The message says what was expected."""
    with pytest.raises(ub.errors.ConfigurationError, match=message):
        make()


def test_what_works_is_taken():
    """A share of the defaults may be changed alone, and a function that takes any argument may have any."""
    assert ub.RetryBudget(most=5).start == 10.0
    ub.protect("load", effects="none", hedge=ub.Hedge(0.05), key=lambda size=1: size)(load)
    ub.protect("any", remedies=[ub.remedies.smaller_batch("size")], key=lambda one, two: one)(lambda *args, **more: 1)
    ub.APINode("https://partner.invalid", method="POST", hedge=ub.Hedge(0.05))


@pytest.mark.parametrize("key", ["", 5, ["of", "it"]], ids=str)
def test_a_call_has_a_key_that_is_some_text(key):
    """All calls with an empty one, as of a header that was not sent, had the same keys inside."""
    with pytest.raises(ub.errors.ConfigurationError, match="execute: idempotency_key must be some text, or None, not"):
        ub.FractalNode("node").execute_sync(load, idempotency_key=key)
    with virtual_time(), pytest.raises(ub.errors.ConfigurationError, match="execute: idempotency_key"):
        asyncio.run(ub.FractalNode("node").execute(load, idempotency_key=key))


def test_a_given_key_is_that_of_the_call():
    """None is no key that was given: the call has one of its own."""
    node = ub.FractalNode("node", lambda ctx: ctx.idempotency_key)
    assert node.execute_sync(idempotency_key="of it").value == "of it"
    assert node.execute_sync(idempotency_key=None).value.startswith("node-")


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_check_that_says_nothing_is_told(form):
    """A check that returned None may have been meant to raise."""

    def check(found):
        assert found > 0

    with virtual_time():
        checked = ub.protect("checked", verify=check, retry=False)(lambda: 1)
        if form == "outcome":
            error = checked.outcome().error
        else:
            with pytest.raises(ub.errors.VerificationFailed) as caught:
                checked()
            error = caught.value
    assert str(error) == "verify returned None of 1, which is no: give a bool or a quality in 0..1"


def test_a_deadline_that_has_passed_is_told_so():
    """Where no time is left nothing is said of a next attempt."""
    with virtual_time() as clock:

        @ub.protect("late", deadline=1.0, effects="none")
        def late():
            clock.advance(2.0)
            raise ConnectionError("down")

        assert "no further attempt: no time is left" in late.outcome().explain()
