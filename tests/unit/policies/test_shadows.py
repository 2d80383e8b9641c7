"""A policy in the shadow says what it would have done, and does not do it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from tests.shadowed import ALONE, Course

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time

COLOURS = pytest.mark.parametrize("colour", ["async", "sync"])


def down_for_a_while(moment: float) -> int:
    """Fail between two moments."""
    if 5.0 <= moment < 60.0:
        raise ConnectionError("down")
    return 7


@COLOURS
@pytest.mark.parametrize(
    "breaker",
    [
        ub.CircuitBreaker(3, rest=10.0),
        ub.CircuitBreaker(ratio=0.5, last=10, minimum=4, rest=5.0, most_rest=20.0),
        ub.CircuitBreaker(3, rest=10.0, ramp=8.0),
    ],
    ids=["in a row", "share", "ramp"],
)
def test_a_breaker_would_refuse_just_the_attempts_that_it_refuses(breaker, colour):
    """In the same course of events, in force and in the shadow; in the shadow every attempt is made."""
    heard = []
    forced = Course(colour, down_for_a_while, breaker=breaker)
    forced.door.node.on(ub.events.CircuitOpened, heard.append)
    forced.calls(200, 0.5)
    shadow = Course(colour, down_for_a_while, breaker=ub.Shadow(breaker)).calls(200, 0.5)

    assert {"ok": 90, "ConnectionError": 110} == shadow.ends
    assert (200, forced.ends["CircuitOpen"], len(heard)) == (
        shadow.shadows["breaker"]["attempts"],
        shadow.shadows["breaker"]["would_refuse"],
        shadow.shadows["breaker"]["would_open"],
    )
    assert shadow.shadows["breaker"]["refused_in_error"] == 90 - forced.ends["ok"] > 0
    assert Counter(shadow.heard) == {
        ("breaker", "open"): len(heard),
        ("breaker", "refuse"): forced.ends["CircuitOpen"],
    }
    assert "disabled" == shadow.door.node.get_status().breaker


def test_a_breaker_would_open_as_often_around_calls_that_make_others():
    """A probe whose part has failed has failed itself, in force as in the shadow, and its circuit opens again."""
    opened = Counter[str]()
    breaker = ub.CircuitBreaker(3, rest=10.0)

    for name, setting in (("force", breaker), ("shadow", ub.Shadow(breaker))):

        @ub.protect(name, retry=False, breaker=setting)
        def page(number):
            return page(number - 1) if number else down_for_a_while(clock.now())

        page.node.on(ub.events.CircuitOpened, lambda event: opened.update([event.node]))
        with virtual_time() as clock:
            for _ in range(80):
                page.outcome(2)
                clock.advance(1.0)
    opened["shadow"] = page.node.get_status().shadows["breaker"]["would_open"]

    assert {"force": 6, "shadow": 6} == opened


@COLOURS
def test_of_calls_that_go_well_nothing_would_be_repeated_or_denied(colour):
    """They are counted, and the purse in the shadow is not told that they had failed."""
    course = Course(colour, lambda moment: 7, retry=ub.Shadow(ub.Retry(3)), budget=ub.Shadow(ub.RetryBudget()))

    shadows = course.calls(5, 1.0).shadows

    assert {"calls": 5, "would_repeat": 0} == shadows["retry"]
    assert {"repeats": 0, "would_deny": 0} == shadows["budget"]


@COLOURS
def test_a_timeout_would_cut_what_takes_longer(colour):
    """Those that would have succeeded all the same are told apart: they are what a limit too short costs."""

    def slow_at_times(moment: float) -> Any:
        seconds = 2.0 if int(moment) % 2 else 0.1
        if colour == "sync":
            run_blocking(BLOCKING.sleep(seconds))
            if moment > 20.0:
                raise ConnectionError("down")
            return 7
        return later(moment, seconds)

    async def later(moment: float, seconds: float) -> int:
        await ASYNCIO.sleep(seconds)
        if moment > 20.0:
            raise ConnectionError("down")
        return 7

    course = Course(colour, slow_at_times, timeout=ub.Shadow(ub.Timeout(1.0)), breaker=False).calls(20, 0.9)
    cut, wrongly = course.shadows["timeout"]["would_cut"], course.shadows["timeout"]["cut_in_error"]

    assert 0 == course.ends["AttemptTimeout"]
    assert 20 == course.shadows["timeout"]["attempts"] > cut > wrongly > 0
    assert cut == course.heard.count(("timeout", "cut"))


@COLOURS
@pytest.mark.parametrize(
    ("error", "effects", "repeats"),
    [
        (ConnectionError("down"), "idempotent", 6),
        (ConnectionError("down"), "once", 0),
        (ConnectionRefusedError("nobody"), "once", 6),
        (ZeroDivisionError("a bug"), "none", 6),
        (KeyError("left out by on"), "none", 0),
    ],
)
def test_a_retry_would_repeat_what_may_be_repeated(error, effects, repeats, colour):
    """The effects are heeded, and which failures it is for; nothing is repeated."""
    made = []

    def fails(moment: float) -> Any:
        made.append(moment)
        raise error

    retry = ub.Shadow(ub.Retry(3, on=(OSError, ArithmeticError)))
    course = Course(colour, fails, retry=retry, breaker=False, effects=effects).calls(6, 1.0)

    assert (6, {"calls": 6, "would_repeat": repeats}) == (len(made), course.shadows["retry"])


@COLOURS
def test_a_missing_file_is_named_in_the_shadow_as_it_is_in_force(colour):
    """It is repeated by a retry that names it."""
    made = []

    def missing(moment: float) -> Any:
        made.append(moment)
        raise FileNotFoundError(2, "No such file", "x")

    retry = ub.Retry(2, on=FileNotFoundError, backoff=ub.Backoff(0.0))
    Course(colour, missing, retry=retry, breaker=False).calls(3, 1.0)
    shadow = Course(colour, missing, retry=ub.Shadow(retry), breaker=False).calls(3, 1.0)

    assert (6 + 3, {"calls": 3, "would_repeat": 3}) == (len(made), shadow.shadows["retry"])


@COLOURS
@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
@pytest.mark.parametrize(("errors", "repeats"), [((OSError,), 4), ((OSError, KeyError), 4), ((KeyError, OSError), 0)])
def test_a_retry_is_measured_the_same_beside_any_other(colour, attempts, errors, repeats):
    """What the candidate would do is decided by the first failure, and that it would do it counts once for a call."""
    made = []

    def fails(moment: float) -> Any:
        made.append(moment)
        raise errors[sum(other == moment for other in made) % len(errors) - 1]

    beside = ub.Retry(attempts, backoff=ub.Backoff(0.0))
    retry = ub.Shadow(ub.Retry(3, on=OSError, backoff=ub.Backoff(0.0)), beside=beside)
    course = Course(colour, fails, retry=retry, breaker=False, effects="none").calls(4, 1.0)

    assert (4 * attempts, {"calls": 4, "would_repeat": repeats}) == (len(made), course.shadows["retry"])


@COLOURS
@pytest.mark.parametrize(("effects", "copies"), [("none", 6), ("unknown", 0)])
def test_a_hedge_would_start_copies_where_it_may(effects, copies, colour):
    """One for each delay that passes, as many as it may at most, and none of what must not run twice at once."""

    def slow(moment: float) -> Any:
        return ASYNCIO.sleep(0.5) if colour == "async" else run_blocking(BLOCKING.sleep(0.5))

    course = Course(colour, slow, hedge=ub.Shadow(ub.Hedge(0.2, most=9)), effects=effects).calls(3, 1.0)

    assert {"attempts": 3, "would_copy": copies} == course.shadows["hedge"]


@COLOURS
@pytest.mark.parametrize(
    "budget", [ub.RetryBudget(start=4, ratio=0.0, floor=0.0), ub.RetryBudget(start=0, ratio=1.0, floor=9.0)]
)
def test_a_budget_would_deny_what_it_has_no_tokens_for(budget, colour):
    """Every repeat is made, and paid from a purse in the shadow: what it began with, or what failed calls earn."""
    options = {"retry": ub.Retry(3, backoff=ub.Backoff(0.0)), "breaker": False, "budget": ub.Shadow(budget)}
    course = Course(colour, lambda moment: 1 / 0, **options).calls(5, 1.0)

    assert {"repeats": 10, "would_deny": 6} == course.shadows["budget"]
    assert 6 == course.heard.count(("budget", "deny"))


@COLOURS
def test_what_is_beside_is_in_force(colour):
    """A candidate is measured beside the policy that does the work, pinned or learned."""
    candidate = ub.Shadow(ub.CircuitBreaker(2, rest=10.0), beside=ub.CircuitBreaker(4, rest=10.0))
    course = Course(colour, down_for_a_while, breaker=candidate).calls(30, 1.0)
    learned = ub.protect(breaker=ub.Shadow(ub.CircuitBreaker(2), beside=None))(lambda: 7)

    assert course.ends["CircuitOpen"] > 0
    assert course.shadows["breaker"]["would_open"] > 0
    assert 5 == learned.node.get_status().plan["breaker"]
    assert None is ub.protect(breaker=ub.Shadow(ub.CircuitBreaker(2)))(lambda: 7).node.get_status().plan["breaker"]


@COLOURS
def test_plain_calls_are_looked_at_too(colour):
    """A call with a shadow does not take the quick path, on which nobody looks."""
    course = Course(
        colour, lambda moment: 7, breaker=ub.Shadow(ub.CircuitBreaker()), timeout=ub.Shadow(ub.Timeout(1.0))
    )
    for _ in range(3):
        asyncio.run(course.door()) if colour == "async" else course.door()

    assert [3, 3] == [counts["attempts"] for counts in course.shadows.values()]


def test_calls_of_other_effects_are_looked_at_by_the_same():
    """A target has one circuit for all that is done with it, in the shadow as in force."""
    door = ub.protect(breaker=ub.Shadow(ub.CircuitBreaker(2)), retry=False)(lambda: 1 / 0)
    door.outcome()
    door.node.execute_sync(lambda: 1 / 0)

    assert {"breaker": {"attempts": 2, "would_open": 1, "would_refuse": 0, "refused_in_error": 0}} == (
        door.node.get_status().shadows
    )


def test_a_repeat_would_not_be_made_for_which_there_is_no_time():
    """Nor one whose caller has gone."""

    async def stubborn() -> None:
        try:
            await ASYNCIO.sleep(9.0)
        except asyncio.CancelledError:
            raise ConnectionError("made of a cancellation") from None

    async def story() -> list[int]:
        hasty = ub.protect(retry=ub.Shadow(ub.Retry(2, backoff=ub.Backoff(5.0, jitter=False))), deadline=4.0)(fails)
        given_up = ub.protect(retry=ub.Shadow(ub.Retry(2)), effects="none")(stubborn)
        await hasty.outcome()
        task = asyncio.ensure_future(given_up.outcome())
        await ASYNCIO.sleep(1.0)
        task.cancel()
        await asyncio.wait({task})
        return [door.node.get_status().shadows["retry"]["would_repeat"] for door in (hasty, given_up)]

    async def fails() -> None:
        raise ConnectionError("down")

    with virtual_time():
        assert [0, 0] == asyncio.run(story())


def test_each_key_has_its_own_and_the_status_adds_them_up():
    """What is refused of one host says nothing of another; figures are whole numbers, as JSON has them."""
    breaker = ub.Shadow(ub.CircuitBreaker(2, rest=10.0))
    door = ub.protect("partner", **ALONE, breaker=breaker, key=lambda host: host)(lambda host: 1 / (host != "down"))
    with virtual_time():
        for host in ("up", "down", "up", "down", "up", "down"):
            door.outcome(host)
    told = json.loads(json.dumps(door.node.get_status().to_dict()))["shadows"]

    assert {"breaker": {"attempts": 6, "would_open": 1, "would_refuse": 1, "refused_in_error": 0}} == told


def test_what_was_under_way_is_forgotten_after_a_fork():
    """Neither places nor permits of calls of the parent process are held in its child."""
    shadows = {"breaker": ub.CircuitBreaker(1), "bulkhead": ub.Bulkhead(1), "throttle": ub.Throttle()}
    node = ub.FractalNode("p", **{name: ub.Shadow(policy) for name, policy in shadows.items()})
    breaker, bulkhead, throttle = sorted(node.target.shades.all, key=lambda shade: shade.name)
    breaker.circuit.probes = bulkhead.inside = bulkhead.in_flight = 1
    throttle.unsent.add(node)
    node.after_fork()

    assert (0, 0, 0, set()) == (breaker.circuit.probes, bulkhead.inside, bulkhead.in_flight, throttle.unsent)


@pytest.mark.parametrize(
    ("shadow", "message"),
    [
        (ub.Shadow(None), "p: breaker: Shadow.policy must be a policy to measure, not None"),
        (ub.Shadow(False), "p: breaker: Shadow.policy must be a policy to measure, not False"),
        (ub.Shadow(ub.Retry()), "p: breaker: Shadow.policy must be a CircuitBreaker"),
        (ub.Shadow(ub.CircuitBreaker(), beside=3), "p: breaker must be a CircuitBreaker"),
        (ub.Shadow(ub.Shadow(ub.CircuitBreaker())), "p: breaker: Shadow.policy must be a CircuitBreaker"),
    ],
)
def test_a_wrong_shadow_is_refused_where_it_is_written(shadow, message):
    """With its path, and what was expected."""
    with pytest.raises(ConfigurationError) as caught:
        ub.FractalNode("p", lambda: 1, breaker=shadow)

    assert str(caught.value).startswith(message)


def test_strategies_have_no_shadows():
    """A strategy says what is done."""
    with pytest.raises(ConfigurationError, match=r"Strategy\.breaker must be"):
        ub.Strategy("careful", breaker=ub.Shadow(ub.CircuitBreaker()))


@pytest.mark.parametrize("policy", [True, 3, "breaker", ub.CircuitBreaker])
def test_what_is_no_policy_cannot_be_measured(policy):
    """That is told where it is written; of none at all it is told where it is given, with the name of that place."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"Shadow.policy must be a policy to measure"):
        ub.Shadow(policy)
    assert [None, False] == [ub.Shadow(none).policy for none in (None, False)]


def test_a_shadow_of_a_more_special_policy_may_stand_for_one_of_a_general_one():
    """Type checkers are told so: whatever takes a shadow of some policy takes one of its kinds, too."""
    kind = type(ub.Shadow(ub.CircuitBreaker()))

    assert ["+T_co"] == [repr(parameter) for parameter in kind.__parameters__]


def test_a_node_is_made_while_another_thread_loads_shadows(monkeypatch):
    """A module that is there, but of which nothing has run yet, is no hindrance: nobody can have a shadow by then."""
    monkeypatch.setitem(sys.modules, "unbreakable.policies.shadow", ModuleType("unbreakable.policies.shadow"))

    assert ub.protect("target")(lambda: 7)() == 7
