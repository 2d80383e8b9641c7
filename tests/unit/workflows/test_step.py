"""Steps are written as objects or as dictionaries, and wrong ones are refused with their path."""

from __future__ import annotations

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.fractal import FractalNode
from unbreakable.workflows.step import Step, read_steps


def work():
    return "done"


def two(first, second):
    return first, second


def refusal(make):
    with pytest.raises(ConfigurationError) as caught:
        make()
    return str(caught.value)


def test_a_dictionary_is_read_as_the_step_that_it_describes():
    """Both ways of writing a step mean the same."""
    written = {"id": "pay", "name": "Pay", "operation": work, "depends_on": ["hold"], "compensate": work}

    assert (Step("pay", work, name="Pay", depends_on=["hold"], compensate=work),) == read_steps({"steps": [written]})


def test_steps_may_come_as_a_plain_list():
    """The list of steps needs no dictionary around it, and objects pass as they are."""
    step = Step("a", work)

    assert (step,) == read_steps([step])


def test_a_misspelt_key_is_named_with_the_nearest_right_one():
    """Nobody searches for a typing error."""
    message = refusal(
        lambda: read_steps([{"id": "a", "operation": work}, {"id": "b", "depend_on": [], "operation": work}])
    )

    assert "steps[1].depend_on is not a setting (did you mean 'depends_on'?)" == message


def test_a_misspelt_key_of_the_workflow_is_named_too():
    """The dictionary around the steps has one key."""
    assert "workflow.step is not a setting (did you mean 'steps'?)" == refusal(lambda: read_steps({"step": []}))


def test_a_key_that_resembles_nothing_gets_the_list_of_those_there_are():
    """A wild guess is answered with the choice."""
    message = refusal(lambda: read_steps([{"id": "a", "operation": work, "zzz": 1}]))

    assert message.startswith("steps[0].zzz is not a setting; there are id, operation, name, depends_on")


@pytest.mark.parametrize("missing", ["id", "operation"])
def test_what_a_step_cannot_do_without_is_named(missing):
    """A step has an id and an operation."""
    step = {"id": "a", "operation": work}
    del step[missing]

    assert f"steps[0].{missing} is missing" == refusal(lambda: read_steps([step]))


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("id", "", "1 to 200 printable characters"),
        ("id", "two\nlines", "1 to 200 printable characters"),
        ("id", 7, "1 to 200 printable characters"),
        ("operation", "work", "a function that takes the context or nothing"),
        ("name", "", "1 to 200 printable characters"),
        ("depends_on", "a", "a list of step ids"),
        ("depends_on", [1], "a list of step ids"),
        ("depends_on", b"", "a list of step ids"),
        ("depends_on", {"a"}, "a list of step ids"),
        ("depends_on", None, "a list of step ids, [] for none of them, or left out for the step before"),
        ("operation", two, "a function that takes the context or nothing"),
        ("compensate", two, "a function that takes the context or nothing"),
        ("kind", ["pivot"], "one of 'compensatable', 'pivot', 'retriable'"),
        ("timeout", float("nan"), "more than 0 seconds"),
        ("timeout", 10**400, "more than 0 seconds"),
        ("timeout", True, "more than 0 seconds"),
        ("compensate", 3, "a function that takes the context or nothing"),
        ("kind", "final", "one of 'compensatable', 'pivot', 'retriable'"),
        ("node", object, "a FractalNode"),
        ("timeout", 0, "more than 0 seconds"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_path_and_what_was_expected(setting, value, expected):
    """A dictionary is told its place in the list, a Step its id."""
    settings = {"id": "a", "operation": work, setting: value}

    refused = refusal(lambda: read_steps([settings]))
    assert refused.startswith(f"steps[0].{setting} must be {expected}, not {repr(value)[:90]}")
    assert f".{setting} must be {expected}, not {repr(value)[:90]}" in refusal(lambda: Step(**settings))


def never_runs():
    yield


async def never_runs_either():
    yield


@pytest.mark.parametrize("function", [never_runs, never_runs_either])
@pytest.mark.parametrize("setting", ["operation", "compensate"])
def test_a_generator_is_refused(setting, function):
    """Calling it does nothing, so that a step would be done, or undone, without anything having happened."""
    message = refusal(lambda: Step(**{"id": "a", "operation": work, setting: function}))

    assert f"{setting} must be a function that returns: calling a generator does nothing" in message


def test_a_node_brings_its_own_timeout():
    """Two places for one setting would contradict each other."""
    message = refusal(lambda: Step("a", work, node=FractalNode("mine"), timeout=3.0))

    assert "Step('a').timeout must be left out where Step('a').node is given: the node has its own" == message


@pytest.mark.parametrize("steps", ["steps", 3, None, [3], [None]])
def test_what_is_no_list_of_steps_is_refused(steps):
    """The message says what was expected."""
    assert refusal(lambda: read_steps(steps)).startswith("steps")


def test_dependencies_cannot_be_changed_afterwards():
    """A list that is given is copied."""
    wanted = ["a"]
    step = Step("b", work, depends_on=wanted)
    wanted.append("c")

    assert ("a",) == step.depends_on
