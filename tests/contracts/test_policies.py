"""Every policy is a frozen record that says what is wrong with it; one that runs lets success and stops through."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from typing import Any, NamedTuple

import pytest

import unbreakable as ub
from unbreakable import policies
from unbreakable.errors import ConfigurationError
from unbreakable.outcome import Failure, Success
from unbreakable.policies import (
    AdaptiveLimit,
    Backoff,
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Hedge,
    Plan,
    Retry,
    RetryBudget,
    Slow,
    Strategy,
    Throttle,
    Timeout,
)
from unbreakable.policies.strategy import POLICIES

NAN, ENDLESS = float("nan"), float("inf")


class Member(NamedTuple):
    """How to make one policy, one that differs from it, and what it refuses: setting, value, what the message says."""

    one: Any
    other: Any
    wrong: list[tuple[str, Any, str]]
    required: dict[str, Any] = {}  # noqa: RUF012 - never changed


def answer(failure: Failure) -> str:
    """Stand for a user's fallback."""
    return "plan b"


def wrong_seconds(*names: str, positive: bool = False, endless: bool = False) -> list[tuple[str, Any, str]]:
    """Return values that are no length of time."""
    values = [-0.1, NAN, "1", None, True, *([0] if positive else []), *([] if endless else [ENDLESS])]
    return [(name, value, "seconds") for name in names for value in values]


def wrong_numbers(*names: str) -> list[tuple[str, Any, str]]:
    """Return values that are no count from 1 up."""
    return [(name, value, "a whole number from 1 up") for name in names for value in (0, -1, 1.5, "3", None, True)]


FAMILY = {
    AdaptiveLimit: Member(
        AdaptiveLimit(),
        AdaptiveLimit(most=3),
        [
            *wrong_numbers("least", "most", "first"),
            *wrong_seconds("wait", endless=True),
        ],
    ),
    Backoff: Member(
        Backoff(),
        Backoff(0.2),
        [
            *wrong_seconds("first", "most"),
            *(("factor", value, "1 or more") for value in (0.5, NAN, "2", None, True)),
            ("most", 0.01, "at least the first pause"),
        ],
    ),
    Bulkhead: Member(Bulkhead(), Bulkhead(3), [*wrong_numbers("most"), *wrong_seconds("wait", endless=True)]),
    CircuitBreaker: Member(
        CircuitBreaker(),
        CircuitBreaker(3),
        [
            *wrong_numbers("failures", "minimum", "permits"),
            *wrong_seconds("window", "rest", positive=True),
            *wrong_seconds("wait", endless=True),
            *wrong_seconds("ramp"),
            *(("jitter", value, "a share from 0 to 1") for value in (-0.1, 1.1, "0.5", NAN, True, None)),
            *(("last", value, "a whole number from 1 up") for value in (0, -1, 1.5, "3", True)),
            ("last", 100, "None without ratio or ub.Slow(…)"),
            ("last", 10_001, "10000 or less"),
            *(("most_rest", value, "seconds") for value in (0, -1, "1", NAN, ENDLESS, True)),
            ("most_rest", 29.9, "at least the first rest"),
            *(("slow", value, "more than 0 seconds") for value in (0, -1, "1", NAN, ENDLESS)),
            *(("ratio", value, "a share from 0 to 1") for value in (0, -0.1, 1.1, "0.5", NAN, True)),
        ],
    ),
    Fallback: Member(
        Fallback(answer),
        Fallback(print),
        [("answer", value, "a function that takes the failure") for value in (None, 7, [])],
        {"answer": answer},
    ),
    Hedge: Member(
        Hedge(),
        Hedge(0.1),
        [
            *wrong_seconds("after"),
            *wrong_numbers("most"),
            ("most", 101, "100 or less"),
            *(("threads", value, "True or False") for value in (None, 1, "no", [])),
        ],
    ),
    Plan: Member(Plan(), Plan(deadline=1.0), []),
    Retry: Member(
        Retry(),
        Retry(2),
        [
            *wrong_numbers("attempts"),
            *(
                ("on", value, "an exception type")
                for value in (None, (), "OSError", BaseException, OSError(), [OSError])
            ),
            *((name, value, "a Backoff") for name in ("backoff", "throttled") for value in (None, 1.0, Backoff)),
        ],
    ),
    RetryBudget: Member(
        RetryBudget(),
        RetryBudget(0.5),
        [
            *(("ratio", value, "a share from 0 to 1") for value in (-1, 1.1, 20, NAN, ENDLESS, "1", None, True)),
            *(
                (name, value, "a number from 0 up")
                for name in ("floor", "start", "most")
                for value in (-1, NAN, ENDLESS, "1", None, True)
            ),
        ],
    ),
    Slow: Member(
        Slow(1.0),
        Slow(1.0, ratio=0.9),
        [
            *wrong_seconds("seconds", positive=True),
            *(("ratio", value, "a share from 0 to 1") for value in (0, -0.1, 1.1, "0.5", NAN, True, None)),
        ],
        {"seconds": 1.0},
    ),
    Strategy: Member(
        Strategy("careful"),
        Strategy("careful", retry=False),
        [
            *(("name", value, "a word") for value in ("", None, 7)),
            *(("timeout", value, "a Timeout such as ub.Timeout(2.0)") for value in (2.0, True, Hedge())),
            *(("retry", value, "a Retry such as ub.Retry(3)") for value in (3, True, Timeout(1.0))),
            *(("hedge", value, "a Hedge such as ub.Hedge(0.1)") for value in (0.1, True, Retry())),
            *(("breaker", value, "a CircuitBreaker") for value in (5, True)),
            *(("bulkhead", value, "a Bulkhead") for value in (64, True)),
            *(("budget", value, "a RetryBudget") for value in (0.2, True)),
        ],
        {"name": "careful"},
    ),
    Throttle: Member(
        Throttle(),
        Throttle(0.5),
        [("accept", value, "a share from 0 to 1") for value in (0, -0.1, 1.1, "0.5", NAN, None, True)],
    ),
    Timeout: Member(Timeout(), Timeout(2.0), wrong_seconds("seconds", positive=True, endless=True)),
}
# What is promised to whoever says nothing: as the pages have it, not the code.
CIRCUIT = "failures=5, ratio=None, window=30.0, last=None, minimum=10, rest=30.0, most_rest=None, jitter=0.0, permits=1"
DEFAULTS = {
    AdaptiveLimit: "least=1, most=1000, first=20, wait=1.0",
    Backoff: "first=0.1, factor=2.0, most=30.0, jitter=True",
    Bulkhead: "most=64, wait=0.0",
    CircuitBreaker: f"{CIRCUIT}, ramp=0.0, slow=None, wait=0.0",
    Hedge: "after=0.05, most=1",
    RetryBudget: "ratio=0.2, floor=0.1, start=10.0, most=100.0",
    Throttle: "accept=0.9",
    Timeout: "seconds=inf",
}
WORDS_OF_THE_CALL = {"name", "deadline", "effects"}  # explained where a call is protected
# What lives beside the policies: state, words and what joins them.
OTHERS = {"Budget", "Circuit", "Context", "Policy", "State", "priority"}
FOUND = [
    each
    for name, each in inspect.getmembers(policies, inspect.isclass)
    if name in policies.__all__ and name not in OTHERS
]
RUNNING = [each for each in FOUND if hasattr(each, "run")]

every_policy = pytest.mark.parametrize("policy", FOUND)
every_running_policy = pytest.mark.parametrize("policy", RUNNING)


@every_policy
def test_is_known_to_this_contract(policy):
    """A new policy cannot be added without saying here what it refuses."""
    assert policy in FAMILY


@every_policy
def test_is_a_frozen_record_without_room_for_typing_errors(policy):
    """What is set cannot be changed, and nothing can be set that does not exist."""
    one = FAMILY[policy].one
    first = dataclasses.fields(policy)[0].name

    assert dataclasses.is_dataclass(policy)
    assert policy.__dataclass_params__.frozen
    for name in (first, "attemps"):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
            setattr(one, name, 1)


@every_policy
def test_takes_one_setting_by_place_at_most(policy):
    """A row of bare numbers says nothing: all but the obvious one are named."""
    parameters = list(inspect.signature(policy).parameters.values())
    by_place = [each.name for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]

    assert by_place in ([], [parameters[0].name])


@every_policy
def test_is_equal_by_value_and_travels(policy):
    """Two that say the same are the same, also after a trip to another process."""
    one, other, required = FAMILY[policy].one, FAMILY[policy].other, FAMILY[policy].required
    copies = [policy(**required), dataclasses.replace(one), pickle.loads(pickle.dumps(one))]  # noqa: S301 - our own

    assert all(one == each and hash(one) == hash(each) for each in copies)
    assert one != other
    assert policy.__name__ in repr(one)


@every_policy
def test_is_documented_setting_by_setting(policy):
    """The docstring names every setting, or a comment explains it; one that is a policy speaks for itself."""
    doc, source = inspect.getdoc(policy), inspect.getsource(policy)
    names = {each.name for each in dataclasses.fields(policy)} - set(POLICIES) - WORDS_OF_THE_CALL

    assert doc[0].isupper()
    assert doc.endswith((".", "]"))
    assert [] == [name for name in sorted(names) if name not in doc and f"{name}: " not in commented(source)]


@pytest.mark.parametrize("policy", DEFAULTS)
def test_is_what_the_pages_promise_where_nothing_is_said(policy):
    """A default is part of the contract: whoever changes one changes what runs in other people's systems."""
    assert f"{policy.__name__}({DEFAULTS[policy]})" == repr(policy())


def commented(source):
    """Return the lines that carry an explanation."""
    return "\n".join(line for line in source.splitlines() if "#:" in line)


@pytest.mark.parametrize(
    ("policy", "name", "value", "expected"), [(policy, *wrong) for policy in FAMILY for wrong in FAMILY[policy].wrong]
)
def test_refuses_what_is_wrong_and_says_what_was_expected(policy, name, value, expected):
    """The message holds the path of the setting, what it must be, and what was found."""
    with pytest.raises(ConfigurationError) as caught:
        policy(**{**FAMILY[policy].required, name: value})
    message = str(caught.value)
    path = "fallback" if policy is Fallback else f"{policy.__name__}.{name}"

    assert isinstance(caught.value, ValueError)
    assert message.startswith(f"{path} must be ")
    assert expected in message
    assert message.endswith(f"not {value!r}")


@pytest.mark.parametrize("name", ["AdaptiveLimit.wait", "Bulkhead.wait", "CircuitBreaker.wait", "Timeout.seconds"])
def test_waits_for_ever_where_that_makes_sense_and_says_so(name):
    """Whoever gives a wrong length of time is told that endless is one of the right ones."""
    policy, setting = getattr(policies, name.split(".")[0]), name.split(".")[1]

    assert ENDLESS == getattr(policy(**{setting: ENDLESS}), setting)
    with pytest.raises(ConfigurationError, match=r"seconds \(or math\.inf\), not -1"):
        policy(**{setting: -1})


# ── those that run ──────────────────────────────────────────────────────────────────────────────────────────────────


class Left(BaseException):
    """Somebody pulled the plug."""


def ready(policy, runtime):
    """Return a policy and the context of a call for it to run in."""
    settings = {"effects": "none", "bulkhead": Bulkhead(1), "breaker": CircuitBreaker(1), "throttle": Throttle()}
    node = ub.FractalNode("target", **settings)
    one = policy(5.0) if policy in (Timeout, Hedge) else policy(1) if policy is Bulkhead else FAMILY[policy].one
    return one, node.open(runtime, lambda ctx: lambda: None, ((), {}))


def left_over(ctx):
    """Return what a run that is over could have kept."""
    return ctx.target.gate.inside, ctx.target.circuit.probes, len(ctx.target.circuit.line), ctx.permit, ctx.due


@every_running_policy
def test_lets_a_success_through_untouched(stage, policy):
    """The very result of the inner step comes out, and nothing stays taken."""
    success = Success(object(), elapsed=0.5, quality=0.9)

    async def story(runtime):
        one, ctx = ready(policy, runtime)

        async def inner(ctx):
            return success

        return await one.run(inner, ctx), left_over(ctx)

    assert (success, (0, 0, 0, None, ENDLESS)) == stage.play(story)


@every_running_policy
def test_returns_a_failure_and_raises_nothing(stage, policy):
    """A failure is a value: it comes out as it is, unless the policy has an answer to it."""
    failure = Failure(OSError("down"))

    async def story(runtime):
        one, ctx = ready(policy, runtime)

        async def inner(ctx):
            return failure

        return await one.run(inner, ctx), left_over(ctx)

    result, left = stage.play(story)

    assert (0, 0, 0, None, ENDLESS) == left
    assert result is failure or (policy is Fallback and result.degraded == "OSError: down")


@every_running_policy
@pytest.mark.parametrize("kind", [Left, GeneratorExit, ZeroDivisionError])
def test_lets_what_is_raised_through_and_gives_everything_back(stage, policy, kind):
    """A cancellation, or a bug in the script itself, passes at once and leaves nothing taken."""

    async def story(runtime):
        one, ctx = ready(policy, runtime)

        async def inner(ctx):
            raise kind

        with pytest.raises(kind):
            await one.run(inner, ctx)
        return left_over(ctx), ctx.target.circuit.state.value

    assert ((0, 0, 0, None, ENDLESS), "closed") == stage.play(story)
