"""An answer that a check refuses, or raises, says there what it says where the client raises it."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.errors import Kind, VerificationFailed
from unbreakable.testing import virtual_time


class Unwell(Exception):
    """What a client raises for an answer that is no success."""

    def __init__(self, response):
        super().__init__(f"status {response.status_code}")
        self.response = response


class Answer:
    """What a client returns, whatever its status."""

    def __init__(self, status, **headers):
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def raise_for_status(self):
        if self.status_code >= 400:
            raise Unwell(self)
        return self


def passed_on(answer):
    try:
        return answer.raise_for_status()
    except Unwell as error:
        raise LookupError("there is none") from error


RAISING = [{"verify": Answer.raise_for_status}, {"schema": lambda answer: answer.raise_for_status()}]
REFUSING = [{"verify": lambda answer: answer.status_code < 400}]


def played(answer, calls=1, **options):
    """Return the last outcome of so many calls that are told *answer*, what protects them, and how long they took."""
    ask = ub.protect("partner", effects="none", **options)(lambda: answer)
    with virtual_time(seed=1) as clock:
        outcomes = [ask.outcome() for _ in range(calls)]
        return outcomes[-1], ask, clock.now()


@pytest.mark.parametrize("checks", [*RAISING, {"verify": passed_on}])
@pytest.mark.parametrize(("status", "kind"), [(404, Kind.INVALID), (401, Kind.CREDENTIALS)])
def test_a_no_that_a_check_raises_is_a_no(checks, status, kind):
    """It is not repeated and opens no circuit, as one that the operation raises."""
    outcome, ask, _ = played(Answer(status), calls=6, **checks)
    assert (VerificationFailed, kind, 1) == (type(outcome.error), outcome.error.kind, outcome.attempts)
    assert "closed" == ask.node.breaker.state


@pytest.mark.parametrize("checks", [*RAISING, *REFUSING, {"verify": passed_on}])
@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_a_judged_answer_asks_for_is_kept(checks, status):
    """Two pauses of seven seconds lie between three attempts, whoever has seen what the answer was."""
    outcome, _, took = played(Answer(status, Retry_After="7"), **checks)
    assert (3, 7.0, True) == (outcome.attempts, outcome.error.retry_after, 14.0 <= took < 22.0)


@pytest.mark.parametrize("checks", [*RAISING, *REFUSING])
def test_too_much_opens_no_circuit(checks):
    """A target that counts its callers is well."""
    _, ask, _ = played(Answer(429), calls=4, retry=False, breaker=ub.CircuitBreaker(2), **checks)
    assert "closed" == ask.node.breaker.state


@pytest.mark.parametrize("status", [404, 200, 500])
def test_what_verify_says_no_to_is_a_failure_whatever_its_status(status):
    """Whoever waits for something to be there has it asked for again."""
    outcome, ask, _ = played(Answer(status), calls=2, verify=lambda answer: False)
    assert (2, "open") == (outcome.attempts, ask.node.breaker.state)


@pytest.mark.parametrize("value", [5, None, "429", {"status_code": 429}, [], object()])
def test_what_is_no_answer_asks_for_nothing(value):
    """A result that is refused is repeated at once."""
    outcome, _, took = played(value, verify=lambda _: False)
    assert (3, Kind.UNVERIFIED, True) == (outcome.attempts, outcome.error.kind, took < 1.0)


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError("x"), ConnectionError("x"), ValueError("x")])
def test_a_check_that_trips_over_a_result_says_nothing_else(error):
    """It is of the result that a check speaks, unless it raises an answer."""

    def check(_):
        raise error

    outcome, _, _ = played(5, verify=check)
    assert (3, Kind.UNVERIFIED, None) == (outcome.attempts, outcome.error.kind, outcome.error.retry_after)


def test_a_remedy_for_refused_credentials_mends_what_a_check_has_found():
    """A 401 that verify raises is one."""
    token = {"status": 401}
    renew = ub.remedies.refresh_credentials(lambda: token.update(status=200))
    ask = ub.protect("partner", effects="none", remedies=[renew], verify=Answer.raise_for_status)(
        lambda: Answer(token["status"])
    )
    outcome = ask.outcome()
    assert ("healed", 2, 200) == (outcome.status.value, outcome.attempts, outcome.value.status_code)


def test_what_must_not_happen_twice_is_not_repeated_over_a_judged_answer():
    """What a check has raised leaves it open what was done."""
    outcome, _, _ = played(Answer(503, Retry_After="1"), verify=Answer.raise_for_status)
    once = ub.protect("pay", effects="once", verify=Answer.raise_for_status)(lambda: Answer(503, Retry_After="1"))
    assert (3, 1) == (outcome.attempts, once.outcome().attempts)


def test_what_a_circuit_of_ours_says_inside_a_check_is_no_wish_of_the_target():
    """The call is repeated at once, and waits for no other target."""

    @ub.protect("other", retry=False, breaker=ub.CircuitBreaker(1))
    def other(_):
        raise ConnectionError("down")

    outcome, _, took = played(5, verify=other, breaker=False)
    assert (3, Kind.UNVERIFIED, None) == (outcome.attempts, outcome.error.kind, outcome.error.retry_after)
    assert took < 1.0


@pytest.mark.parametrize("handled", [ub.errors.CircuitOpen, ub.errors.Throttled, ub.errors.BulkheadFull])
@pytest.mark.parametrize("checks", RAISING)
def test_an_answer_is_heard_where_a_refusal_of_ours_is_being_handled(checks, handled):
    """A backup is asked in the ``except`` of the first target's open circuit, which says nothing of the backup."""
    try:
        raise handled("the first target's", retry_after=50.0)
    except handled:
        no, _, took = played(Answer(404), **checks)
        busy, *_ = played(Answer(429, Retry_After="7"), **checks)
    assert (Kind.INVALID, 1, 0.0) == (no.error.kind, no.attempts, took)
    assert (Kind.THROTTLED, 7.0) == (busy.error.kind, busy.error.retry_after)
