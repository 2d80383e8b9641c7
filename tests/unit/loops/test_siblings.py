"""What a group decides, and what that costs."""

from __future__ import annotations

import random
import sys
from types import SimpleNamespace

import pytest

from unbreakable.loops import QuantumLoopEngine
from unbreakable.loops.intensity import Intensity
from unbreakable.loops.loop_group import LoopGroup


@pytest.mark.parametrize(("most", "seconds"), [(0, 1.0), (1, 1.0), (3, 7.0), (10, 2.5)])
def test_the_ring_says_what_a_list_of_all_restarts_would_say(most, seconds):
    """At any moment, on the edge, too; OTP keeps such a list."""
    dice, now, listed, intensity = random.Random(most), 0.0, [], Intensity(most, seconds)
    for _ in range(2_000):
        now += dice.choice((0.0, 0.25, 0.5, 1.0, seconds, seconds / 2))
        listed = [moment for moment in (*listed, now) if moment >= now - seconds]
        exceeded = len(listed) > most

        assert exceeded == intensity.exceeded_at(now)
        assert min(len(listed), most) == intensity.recent(now)
        if exceeded:
            intensity.clear()
            listed.clear()


def calls_of(work):
    """Return how many functions *work* calls."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def crowd(many, strategy):
    """Return the members of a group of so many loops that are not started: who is restarted with them costs nothing."""
    group, members = LoopGroup("family", strategy, 1_000, 60.0, None), []
    for number in range(many):
        work = SimpleNamespace(is_surviving=False, node=SimpleNamespace(listeners=()))
        group.add(SimpleNamespace(name=str(number), life=None), work)
        members.append(work.member)
    return members


def end(member, why):
    """Let an iteration of *member* end, and with it be a restart if there is a *why*."""
    member.busy += 1
    member._asks = why
    member.leaves(1.0)


@pytest.mark.parametrize(
    ("strategy", "why"), [("one_for_one", "it died"), ("rest_for_one", "it died"), ("one_for_all", None)]
)
def test_a_failure_costs_what_it_restarts_whatever_the_group_has(strategy, why):
    """Of ten thousand loops one that fails is as cheap as of ten, when nobody is to follow it."""
    costs = []
    for many in (10, 10_000):
        member = crowd(many, strategy)[-1]
        end(member, why)  # what the first one loads is no part of it
        costs.append(calls_of(lambda member=member: end(member, why)))

    assert costs[0] == costs[1] < 100


def test_who_belongs_together_is_told_in_the_order_of_creation():
    """Groups have their place among the loops, and whoever is let go of has none."""
    engine = QuantumLoopEngine()
    outer = engine.create_group("outer", strategy="rest_for_one")
    first = engine.create_loop(lambda: None, name="first", group=outer)
    inner = engine.create_group("inner", strategy="one_for_all", parent=outer)
    last = engine.create_loop(lambda: None, name="last", group=outer)
    within = [engine.create_loop(lambda: None, name=name, group=inner) for name in ("x", "y")]

    def names(group, child):
        with group.lock:
            return [member.name for member in group.those_with(child)]

    assert ["first", "x", "y", "last"] == [loop.name for loop in outer.get_loops()]
    assert ["first", "x", "y", "last"] == names(outer, first._work.member)
    assert ["x", "y", "last"] == names(outer, inner)
    assert ["last"] == names(outer, last._work.member)
    assert ["x", "y"] == names(inner, within[1]._work.member)
    assert isinstance(inner.parent, LoopGroup)
    within[0].let_go()
    assert ["first", "y", "last"] == [loop.name for loop in outer.get_loops()]
