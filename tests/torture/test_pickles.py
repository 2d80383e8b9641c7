"""Outcomes travel between processes, whatever exception they hold."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading

import httpx2
import pytest

import unbreakable as ub
from unbreakable.errors import Kind


class Keyworded(Exception):
    """Made with a keyword that pickle knows nothing of."""

    def __init__(self, *, order: int) -> None:
        super().__init__(f"order {order} failed")
        self.order = order


class Attached(Keyworded):
    """Holds what no other process can have."""

    def __init__(self) -> None:
        super().__init__(order=17)
        self.lock = threading.Lock()


class Unreadable(Exception):
    """Can neither be pickled nor shown."""

    def __reduce__(self):
        raise RuntimeError("not me")

    def __str__(self) -> str:
        raise RuntimeError("nor like this")


def there_and_back(outcome: ub.Outcome) -> ub.Outcome:
    return pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own


def ended_in(error: Exception) -> ub.Outcome:
    def operation() -> None:
        raise error

    return ub.FractalNode("pickled", retry=False).execute_sync(operation)


def refusal() -> ub.Outcome:
    """Return how a request ends that is answered with a 404."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(404, json={"error": "no such city"}))
    return ub.APINode("https://api.test", transport=transport).make_request_sync.outcome()


def test_a_success_is_the_same_after_its_travels():
    """The value, the trace and all the rest arrive."""
    outcome = ub.FractalNode("good").execute_sync(lambda: {"n": 1})
    back = there_and_back(outcome)

    assert outcome == back
    assert outcome.explain() == back.explain()


def test_an_exception_that_pickles_is_left_as_it_is():
    """What pickle does well is left to it."""
    back = there_and_back(ended_in(FileNotFoundError(2, "gone", "notes.txt")))

    assert (FileNotFoundError, 2, "notes.txt") == (type(back.error), back.error.errno, back.error.filename)


def test_a_refusal_keeps_its_answer():
    """The client library's own error arrives with its request and response, though pickle cannot make it again."""
    error = there_and_back(refusal()).error

    assert isinstance(error, httpx2.HTTPStatusError)
    assert (404, {"error": "no such city"}) == (error.response.status_code, error.response.json())
    assert ("https://api.test", 404) == (str(error.request.url), error.http_status)
    assert "no such city" in str(error)


def test_an_exception_made_with_keywords_is_rebuilt():
    """It is of its type, with its words, its attributes and its notes."""
    error = Keyworded(order=17)
    error.add_note("a note")
    back = there_and_back(ended_in(error)).error

    assert (Keyworded, "order 17 failed", 17) == (type(back), str(back), back.order)
    assert "a note" in back.__notes__


def test_what_cannot_travel_stays_behind():
    """An attribute that belongs to one process is left out; the rest of the exception arrives."""
    back = there_and_back(ended_in(Attached())).error

    assert (Attached, 17, False) == (type(back), back.order, hasattr(back, "lock"))


def test_the_members_of_a_group_are_rebuilt():
    """A group arrives with everything that is in it."""
    back = there_and_back(ended_in(ExceptionGroup("several", [ValueError("one"), Keyworded(order=2)]))).error

    assert ["one", "order 2 failed"] == [str(each) for each in back.exceptions]


def test_an_exception_of_an_unknown_type_is_told():
    """Where even the type cannot be named, its words and what decides about repeats arrive."""

    class Local(Exception):
        kind = Kind.THROTTLED
        retry_after = 3.0

    back = there_and_back(ended_in(Local("slow down"))).error

    assert (ub.errors.RecordedError, "Local: slow down") == (type(back), str(back))
    assert (Kind.THROTTLED, 3.0) == (back.kind, back.retry_after)


def test_an_exception_that_fights_back_is_told():
    """Whatever its own methods raise, the outcome arrives."""
    back = there_and_back(ended_in(Unreadable()))

    assert (ub.Status.FAILED, Unreadable) == (back.status, type(back.error))


def test_an_exception_that_holds_itself_or_many_others_arrives():
    """What holds itself comes back holding itself, and a chain of 30 takes no 2 ** 30 looks."""
    error = Attached()
    for _ in range(30):
        outer = Attached()
        outer.order, outer.itself, error = error, outer, outer
    back = there_and_back(ended_in(error)).error

    assert back is back.itself
    assert (Attached, Attached) == (type(back), type(back.order.order))


def test_the_result_of_a_run_travels_as_well():
    """What made a run turn back arrives with it."""

    def operation() -> None:
        raise Keyworded(order=17)

    orchestrator = ub.OrchestratorNode()
    result = orchestrator.orchestrate_sync([ub.Step("one", operation)])
    orchestrator.aclose_sync()
    back = there_and_back(result)

    assert (result.status, result.ledger, 17) == (back.status, back.ledger, back.error.order)


def test_a_copy_holds_the_same_exception():
    """Nothing travels when an outcome is copied."""
    outcome = ended_in(Keyworded(order=17))

    assert outcome.error is copy.copy(outcome).error
    assert 17 == copy.deepcopy(outcome).error.order


@pytest.mark.real
def test_an_outcome_comes_back_from_another_process():
    """A pool of processes returns outcomes with errors as easily as without."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        outcome = pool.apply(copy.copy, (refusal(),))

    assert isinstance(outcome.error, httpx2.HTTPStatusError)
    assert 404 == outcome.error.response.status_code


@pytest.mark.parametrize(
    "policy",
    [
        *(ub.Retry(3), ub.Backoff(0.5), ub.CircuitBreaker(ratio=0.5), ub.Timeout(1.0), ub.Hedge(0.1), ub.Bulkhead(3)),
        *(ub.RetryBudget(), ub.AdaptiveLimit(), ub.Throttle(), ub.Strategy("mine", retry=ub.Retry(2)), ub.Verify(bool)),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_policies_travel(policy):
    """What is pinned can be handed to the processes that pin it."""
    assert policy == pickle.loads(pickle.dumps(policy))  # noqa: S301 - our own
    assert policy == copy.deepcopy(policy)


def test_what_is_told_of_a_call_travels():
    """Events, the status and the failure that a fallback is given can be sent to whoever collects them."""
    told = []

    @ub.protect("down", retry=ub.Retry(2, backoff=ub.Backoff(0.0)), fallback=told.append)
    def down():
        raise ConnectionError("down")

    down.node.on(ub.events.Event, told.append)
    down()
    told.append(down.node.get_status())
    arrived = pickle.loads(pickle.dumps(told))  # noqa: S301 - our own

    assert len(told) > 5
    assert [repr(each) for each in told] == [repr(each) for each in arrived]


def test_an_outcome_that_holds_a_generator_stays_where_it_is():
    """A generator cannot travel, and Python says so."""
    outcome = ub.protect("items")(lambda: (yield 1)).outcome()

    with pytest.raises(TypeError, match="generator"):
        pickle.dumps(outcome)
