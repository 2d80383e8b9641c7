"""Calls of one node may differ in what they do to the world."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.policies import State
from unbreakable.testing import virtual_time


def shop(**options) -> tuple[ub.FractalNode, list[str]]:
    """Return a node whose calls with a word do what the word says, and the list of what was tried."""
    tried: list[str] = []
    node = ub.FractalNode("shop", effects="none", **options)
    node.targets.tell_effects(lambda ctx: ctx.input)
    return node, tried


def fails(tried: list[str]) -> object:
    def operation(ctx: ub.Context) -> None:
        tried.append(ctx.input)
        raise ConnectionResetError("gone")

    return operation


def test_each_call_is_repeated_as_its_own_effects_allow():
    """A read is repeated, an order is not, in the same node."""
    node, tried = shop()
    with virtual_time():
        node.execute_sync(fails(tried), "none")
        node.execute_sync(fails(tried), "once")

    assert ["none", "none", "none", "once"] == tried


def test_calls_of_all_effects_share_the_circuit():
    """Failed reads open the circuit for orders, too."""
    node, tried = shop(breaker=ub.CircuitBreaker(3))
    with virtual_time():
        node.execute_sync(fails(tried), "none")
        outcome = node.execute_sync(fails(tried), "once")

    assert State.OPEN is node.breaker.state
    assert isinstance(outcome.error, ub.errors.CircuitOpen)


def test_calls_of_all_effects_share_the_bulkhead():
    """A place that a read takes is not free for an order."""
    node, _ = shop(bulkhead=ub.Bulkhead(1))

    def order_while_reading() -> ub.Status:
        return node.execute_sync(lambda: "order", "once").status

    assert ub.Status.FAILED is node.execute_sync(order_while_reading, "none").value


def test_the_status_sums_up_calls_of_all_effects():
    """Successes and failures of reads and orders are counted together, lessons once."""
    node, tried = shop()
    with virtual_time():
        node.execute_sync(lambda: "read", "none")
        node.execute_sync(lambda: "order", "once")
        node.execute_sync(fails(tried), "none")
    status = node.get_status()

    assert (3, 2, 1, 1) == (status.total_executions, status.success_count, status.failure_count, status.signatures)


def test_a_time_limit_is_learned_for_reads_alone():
    """What was learned of reads does not cut orders."""
    node, _ = shop()
    with virtual_time():
        for _ in range(60):
            node.execute_sync(lambda: "read", "none")
            node.execute_sync(lambda: "order", "once")

    assert node.target.plan.limit < float("inf") == node.target.twins["once"].plan.limit


def test_an_unknown_word_for_effects_is_refused():
    """A function that says something else than one of the four words is told so; the call is not made."""
    node, _ = shop()
    outcome = node.execute_sync(lambda: "read", "sometimes")

    assert 0 == outcome.attempts
    with pytest.raises(ub.errors.ConfigurationError, match="effects must be one of"):
        outcome.unwrap()
