"""A call may have an attempt of its own making: its first one is two at once, where a second copy could be paid."""

from __future__ import annotations

from dataclasses import replace

import pytest

import unbreakable as ub
from unbreakable.policies import Hedge
from unbreakable.runtime import BLOCKING, run_blocking
from unbreakable.testing import virtual_time


def opened(node: ub.FractalNode, work=lambda ctx: lambda: None) -> ub.Context:
    return node.open(BLOCKING, work, None)


@pytest.mark.parametrize("budget", [False, None, ub.RetryBudget(start=1.0, floor=0.0), ub.RetryBudget(start=0.0)])
def test_a_copy_that_could_be_paid_is_paid(budget):
    """Asking takes nothing, and the answer is that of who takes the price then."""
    node = ub.FractalNode("target", effects="none", budget=budget)
    ctx = opened(node)

    could = [node.could_hedge(ctx), node.could_hedge(ctx)]

    assert [budget in (False, None)] * 2 == could
    assert node.may_hedge(ctx) is could[0]


def test_no_copy_could_be_paid_inside_layers_that_repeat():
    """Copies of what is repeated already would multiply."""
    node = ub.FractalNode("target", effects="none")
    ctx = opened(node)
    ctx.layers = 2

    assert not node.could_hedge(ctx)


def test_no_copy_could_be_paid_when_those_before_were_too_many():
    """What was saved up in quiet times does not count."""
    node = ub.FractalNode("target", effects="none", budget=ub.RetryBudget(start=4.0, most=100.0, ratio=1.0))
    node.target.folded = 1_000
    ctx = opened(node)

    assert [True, True, True, True, False] == [node.could_hedge(ctx) and node.may_hedge(ctx) for _ in range(5)]


def test_only_the_first_attempt_is_made_twice_at_once():
    """The next one is as the target's plan says."""
    begun = []
    node = ub.FractalNode("target", effects="none", retry=ub.Retry(2))

    def work(ctx: ub.Context):
        def attempt() -> None:
            begun.append((ctx.attempt, ctx.rival))
            BLOCKING.world.sleep(1.0)
            raise OSError

        return attempt

    with virtual_time():
        ctx = opened(node, work)
        ctx.race, ctx.plan = object(), replace(ctx.plan, hedge=Hedge(0.0))
        run_blocking(node.play(ctx))
    assert [(1, 0), (1, 1), (2, 0)] == begun
