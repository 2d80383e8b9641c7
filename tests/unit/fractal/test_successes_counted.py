"""What a budget is a share of: the successes of all keys, counted little by little."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.fractal.target import Target


def keyed(calls):
    """Return a node with a target for each key, which has succeeded so many times."""

    @ub.protect("keyed", key=lambda key: key)
    def work(key):
        return key

    for key, times in calls.items():
        for _ in range(times):
            work(key)
    return work


@pytest.mark.parametrize("keys", [0, 1, 15, 100, 1_100])
def test_every_success_is_counted_in_the_end(keys):
    """Also those of keys that are no longer kept, and no success is counted twice."""
    work = keyed(dict.fromkeys(range(keys), 2))
    seen = [work.node.successes() for _ in range(80)]

    assert sorted(seen) == seen
    assert 2 * keys == seen[-1]
    assert keys > 15 or 2 * keys == seen[0]
    work(None)
    assert 2 * keys + 1 == [work.node.successes() for _ in range(80)][-1]


def test_a_key_that_two_calls_bring_up_at_once_is_counted_once():
    """Of the targets that both have made one is kept."""
    node = keyed({}).node
    make, made = node.targets.make, []

    def make_meanwhile(name):
        made.append(name)
        if len(made) == 1:
            assert node.targets.of(("new",), {}) is not node.target
        return make(name)

    node.targets.make = make_meanwhile
    target = node.targets.of(("new",), {})
    target.ring.extend([0.1] * 3)

    assert (2, 3) == (len(made), node.successes())


def test_a_failed_call_asks_a_few_keys_and_not_all_of_them(monkeypatch):
    """What a payment costs does not grow with the keys."""
    work, asked = keyed(dict.fromkeys(range(500), 1)), []
    whole = Target.successes.fget
    monkeypatch.setattr(Target, "successes", property(lambda target: asked.append(target) or whole(target)))

    work.node.successes()

    assert len(asked) <= 20
