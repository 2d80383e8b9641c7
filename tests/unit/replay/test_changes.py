"""Settings are changed by their names, as they are written on the command line; what is none is refused."""

from __future__ import annotations

import math

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.policies import Hedge, Plan, Retry, Timeout
from unbreakable.replay.changes import SETTINGS, Changes


def after(*texts, **plan):
    """Return the plan with the changes."""
    return Changes(texts).of(Plan(**plan))


def test_a_part_of_a_policy_changes_and_the_rest_stays():
    """Also a part of a part."""
    plan = after("retry.attempts=5", "retry.backoff.first=0.5", retry=Retry(2, throttled=Retry().backoff))

    assert (5, 0.5, Retry().backoff) == (plan.retry.attempts, plan.retry.backoff.first, plan.retry.throttled)


@pytest.mark.parametrize(
    ("text", "look", "expected"),
    [
        ("timeout=1.5", lambda plan: plan.timeout, Timeout(1.5)),
        ("hedge=0.2", lambda plan: plan.hedge, Hedge(0.2)),
        ("hedge.most=2", lambda plan: plan.hedge, Hedge(most=2)),
        ("retry=7", lambda plan: plan.retry.attempts, 7),
        ("budget=off", lambda plan: plan.budget, None),
        ("budget=0.5", lambda plan: plan.budget.ratio, 0.5),
        ("breaker=off", lambda plan: plan.breaker, None),
        ("breaker.ratio=0.5", lambda plan: plan.breaker.ratio, 0.5),
        ("limit.most=10", lambda plan: plan.concurrency.most, 10),
        ("bulkhead=on", lambda plan: plan.bulkhead.most, 64),
        ("deadline=off", lambda plan: plan.deadline, math.inf),
        ("deadline=2", lambda plan: plan.deadline, 2.0),
        ("effects=once", lambda plan: plan.effects, "once"),
        ("effects=none", lambda plan: plan.effects, "none"),  # a word of its own there, and not "off"
        ("strategy=aggressive", lambda plan: plan.strategy, "aggressive"),
        ("retry.backoff.jitter=off", lambda plan: plan.retry.backoff.jitter, False),
    ],
)
def test_each_setting_has_its_name(text, look, expected):
    """A policy's own name stands for its first part, and for on and off."""
    assert expected == look(after(text))


def test_what_was_learned_and_is_set_is_no_guess_any_more():
    """A limit that is set cuts, as a pinned one does; what is not set stays learned."""
    learned = {"timeout": Timeout(3.0, learned=True), "hedge": Hedge(0.1, threads=False)}

    assert (Timeout(1.0), learned["hedge"]) == ((plan := after("timeout=1", **learned)).timeout, plan.hedge)
    assert Hedge(0.2) == after("hedge.after=0.2", **learned).hedge


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retry.attemps=5", "did you mean 'retry.attempts'"),
        ("nonsense=5", "there are breaker, breaker.failures"),
        ("retry.attempts", "expected NAME=VALUE"),
        ("retry.attempts=", "expected NAME=VALUE"),
        ("retry.attempts=0", "Retry.attempts must be"),
        ("retry.attempts=many", "Retry.attempts must be"),
        ("hedge.after=-1", "Hedge.after must be"),
        ("timeout=nan", "nan is not a number"),
        ("timeout=soon", "Timeout.seconds must be"),
        ("retry.backoff.jitter=0.1", "Backoff.jitter must be"),
        ("bulkhead=5", "bulkhead is on or off; its parts are bulkhead.most"),
        ("deadline=-1", "deadline must be"),
        ("deadline=soon", "deadline must be"),
        ("effects=some", "effects must be one of"),
        ("effects=off", "effects must be one of"),
        ("strategy=fast", "strategy must be one of optimistic"),
        ("strategy=off", "strategy must be one of optimistic"),
        ("retry.attempts=off", "Retry.attempts must be"),
    ],
)
def test_what_is_no_setting_or_no_value_of_it_is_refused(text, said):
    """By an error that holds it and says what there is."""
    with pytest.raises(ConfigurationError, match="--set") as refused:
        Changes([text])

    assert text in str(refused.value)
    assert said in str(refused.value)


def test_copies_of_what_may_not_run_twice_are_refused():
    """There would be none; where the recorded operation bears them, or is declared to, they are not."""
    with pytest.raises(ConfigurationError, match="may run twice at once"):
        Changes(["hedge.after=0.1"]).check(Plan(effects="unknown"))
    for texts, effects in [
        (["hedge=0.1"], "none"),
        (["hedge=0.1", "effects=idempotent"], "unknown"),
        (["hedge=off"], "once"),
    ]:
        Changes(texts).check(Plan(effects=effects))


def test_every_name_that_is_offered_can_be_set():
    """Each takes off, on, a word or a number."""
    values = ("off", "on", "3", "0.5", "once", "balanced", "60")

    def fits(name):
        for value in values:
            try:
                Changes([f"{name}={value}"])
            except ConfigurationError:
                continue
            return True
        return False

    assert [] == [name for name in SETTINGS if not fits(name)]
