"""A workflow's shape is checked before anything runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.errors import GraphError
from unbreakable.workflows.graph import MOST_STEPS, build_graph, difference
from unbreakable.workflows.step import Step


def work():
    return "done"


def step(id, *needs, **settings):
    return Step(id, work, depends_on=needs, **settings)


def refusal(*steps):
    with pytest.raises(GraphError) as caught:
        build_graph(steps)
    return str(caught.value)


# ── always ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_left_out_dependencies_mean_the_step_before():
    """Steps without dependencies run one after the other; an empty list means at once."""
    graph = build_graph([Step("a", work), Step("b", work), Step("c", work, depends_on=[])])

    assert {"a": (), "b": ("a",), "c": ()} == graph.needs


def test_a_dependency_named_twice_counts_once():
    """Naming a dependency again changes nothing."""
    assert ("a",) == build_graph([step("a"), step("b", "a", "a")]).needs["b"]


def test_an_unknown_dependency_is_named():
    """The path, the unknown name and the known ones are in the message."""
    expected = "steps[1].depends_on must name steps of the workflow ('a', 'b'), not 'x'"

    assert expected == refusal(step("a"), step("b", "x"))


def test_an_id_used_twice_is_named_with_both_places():
    """Ids tell steps apart."""
    assert "steps[2].id must be its own: steps[0].id is 'a', too" == refusal(step("a"), step("b"), step("a"))


def test_a_cycle_is_spelled_out():
    """Steps that wait for each other would wait for ever."""
    message = refusal(step("a", "c"), step("b", "a"), step("c", "b"))

    assert "must not close a cycle: " in message
    assert {"a", "b", "c"} == set(message.split(": ")[1].split(" → "))


def test_a_step_that_waits_for_itself_is_a_cycle():
    """The smallest cycle is one, too."""
    assert "steps[0].depends_on must not close a cycle: a → a" == refusal(step("a", "a"))


def test_no_steps_are_no_workflow():
    """An empty list is refused."""
    assert refusal().startswith(f"steps must be a list of 1 to {MOST_STEPS} steps")


def test_more_steps_than_a_workflow_may_have_are_refused():
    """There is a limit on everything."""
    assert refusal(*(step(f"s{n}") for n in range(MOST_STEPS + 1))).endswith(f"not of {MOST_STEPS + 1}")


def test_ancestors_are_near_and_far_in_the_order_given():
    """A step comes after everything that leads to it."""
    graph = build_graph([step("a"), step("x"), step("b", "a"), step("c", "b", "x")])

    assert ("a", "x", "b") == graph.ancestors("c")
    assert () == graph.ancestors("a")


@given(st.data())
def test_links_run_both_ways(data):
    """Whatever waits for a step is fed by it, in any graph."""
    size = data.draw(st.integers(1, 12))
    steps = [
        step(str(n), *data.draw(st.lists(st.sampled_from([str(m) for m in range(n)]), unique=True)) if n else ())
        for n in range(size)
    ]
    graph = build_graph(data.draw(st.permutations(steps)))

    links = {(source, target) for target, sources in graph.waits.items() for source in sources}
    assert links == {(source, target) for source, targets in graph.feeds.items() for target in targets}


# ── kinds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def undoable(id, *needs):
    return step(id, *needs, kind="compensatable", compensate=work)


def pivot(id, *needs):
    return step(id, *needs, kind="pivot")


def retriable(id, *needs):
    return step(id, *needs, kind="retriable")


def test_kinds_are_not_asked_for_until_one_is_declared():
    """Without kinds any step may be undone or not."""
    assert build_graph([step("a"), step("b", "a", compensate=work), step("c", "b")]).pivot is None


def test_a_compensatable_step_says_how():
    """Declaring it is not enough."""
    message = refusal(step("a", kind="compensatable"))

    assert "steps[0].compensate must be given: a compensatable step says how it is undone" == message


def test_there_is_one_pivot():
    """Two points of no return are none."""
    message = refusal(pivot("a"), pivot("b", "a"))

    assert "steps[1].kind must not be 'pivot': a workflow has one, and it is 'a'" == message


@pytest.mark.parametrize("late", [step("c", "b"), undoable("c", "b")])
def test_after_the_pivot_everything_is_retriable(late):
    """What comes after the point of no return must be able to succeed in the end."""
    message = refusal(undoable("a"), pivot("b", "a"), late)

    assert "steps[2].kind must be 'retriable': it comes after 'b', which is not undone" == message


def test_a_retriable_step_comes_after_the_pivot():
    """A step that is not undone has no place before the point of no return."""
    message = refusal(retriable("a"), pivot("b"))

    assert "steps[0].depends_on must lead to the pivot 'b': a retriable step comes after it" == message


def test_a_retriable_step_has_nothing_to_undo():
    """It is repeated instead."""
    message = refusal(step("a", kind="retriable", compensate=work))

    assert "steps[0].compensate must be left out: a retriable step is repeated, not undone" == message


def test_without_a_pivot_retriable_steps_come_last():
    """They are the point of no return themselves."""
    message = refusal(retriable("a"), undoable("b", "a"))

    assert "steps[1].kind must be 'retriable': it comes after 'a', which is not undone" == message


def test_a_step_without_kind_and_compensation_has_no_effect_to_undo():
    """A search may stand before the pivot as it is."""
    assert "b" == build_graph([step("a"), pivot("b", "a"), retriable("c", "b")]).pivot


def test_the_pivot_waits_for_what_stands_beside_it():
    """Nothing that must be undone may fail once the pivot is done."""
    graph = build_graph([undoable("a"), pivot("p", "a"), undoable("beside"), retriable("r", "p")])

    assert ("a", "beside") == graph.waits["p"]
    assert ("p",) == graph.waits["r"]
    assert ("a",) == graph.ancestors("p")


def test_without_a_pivot_the_first_retriable_steps_wait_for_all_others():
    """The last thing that can fail is over when they begin."""
    graph = build_graph([undoable("a"), undoable("b"), retriable("r", "a"), retriable("s", "r")])

    assert ("a", "b") == graph.waits["r"]
    assert ("r",) == graph.waits["s"]


# ── comparing ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ([step("a"), step("b", "a")], ""),
        ([step("a")], "step 'b' is gone"),
        ([step("a"), step("b", "a"), step("c")], "step 'c' is new"),
        ([step("a"), step("b")], "step 'b': depends_on was ['a'] and is []"),
        ([step("a", compensate=work), step("b", "a")], "step 'a': has a compensate was False and is True"),
        ([step("b", "a"), step("a")], "the steps come in another order"),
    ],
)
def test_a_changed_workflow_is_described(now, expected):
    """What differs from the workflow that a run was begun with is said in words."""
    before = build_graph([step("a"), step("b", "a")])

    assert expected == difference(before.text, build_graph(now))
