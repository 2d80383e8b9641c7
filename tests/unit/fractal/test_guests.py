"""A node of a kind tells operations that are handed to it from its own."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.policies import State
from unbreakable.testing import virtual_time


class Look(ub.FractalNode):
    """A node of a kind: it looks something up, and has an answer of its own when that fails."""

    speaks_of_itself = True

    def __init__(self, **options):
        given = {"effects": "none", "fallback": lambda failure: "as usual", "schema": str, **options}
        super().__init__("look", self._operation, **given)

    def _operation(self, ctx):
        if ctx.input is not None:
            raise ctx.input
        return "seen"


def fails(ctx):
    raise ConnectionResetError("the answer got lost")


def test_its_own_operation_is_what_it_says():
    """It is repeated, answered for and held to its schema."""
    with virtual_time():
        well, ill = Look().execute_sync(), Look().execute_sync(context=OSError("away"))

    assert ("seen", ub.Status.OK) == (well.value, well.status)
    assert ("as usual", ub.Status.DEGRADED, 3) == (ill.value, ill.status, ill.attempts)


@pytest.mark.parametrize(("effects", "known"), [("none", "unknown"), ("idempotent", "unknown"), ("once", "once")])
def test_of_others_it_knows_nothing_but_that_nothing_may_happen_twice(effects, known):
    """Leave to repeat is given to its own operation alone; that something must happen once is heeded for all."""
    node, plans = Look(effects=effects), []
    outcome = node.execute_sync(lambda ctx: plans.append(ctx.plan) or 7)

    assert (known, known, 7) == (node.effects_of_guests, plans[0].effects, outcome.value)
    assert ub.Status.FAILED is node.execute_sync(fails).status


def test_what_is_learned_of_others_makes_them_no_looks():
    """However well they go, no second copy of one is ever begun, and its latency is not the node's own."""
    node = Look()
    with virtual_time() as clock:
        for number in range(400):
            node.execute_sync(lambda number=number: clock.advance(1.0 if number % 20 == 0 else 0.1))
    (guests,) = node.target.twins.values()

    assert ("look (guests)", "unknown", None) == (guests.name, guests.plan.effects, guests.plan.hedge)
    assert (400, 0) == (guests.successes, node.target.successes)
    assert 400 == node.get_status().success_count


def test_guests_meet_the_nodes_circuit_and_budget():
    """One target is one target."""
    node = Look(breaker=ub.CircuitBreaker(3), fallback=None)
    with virtual_time():
        node.execute_sync(fails)
        own = node.execute_sync()

    assert (State.OPEN, ub.errors.CircuitOpen) == (node.breaker.state, type(own.error))
    assert node.target.gate is next(iter(node.target.twins.values())).gate


def test_each_key_has_guests_of_its_own():
    """A key partitions what is learned of them as well."""
    node = Look(key=lambda ctx: ctx.input)
    for key in ("a", "b"):
        node.execute_sync(lambda: 7, key)

    assert {"look[a] (guests)", "look[b] (guests)"} <= {target.name for target in node.targets.every()}


def test_a_plain_node_is_told_what_it_runs():
    """Its keywords are those of ``ub.protect``, whatever it is handed."""
    node = ub.FractalNode("search", effects="none", fallback=lambda failure: "none found", retry=False)

    assert ("none", "none found") == (node.effects_of_guests, node.execute_sync(fails).value)
