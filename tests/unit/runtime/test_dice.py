"""Our dice are nobody else's."""

from __future__ import annotations

import random

from unbreakable.runtime import dice


def test_a_forked_child_does_not_throw_what_its_parent_throws():
    """Until the fork two sets of dice in one state throw alike; after it ours are seeded anew."""
    ours, parent = dice.new_dice(), random.Random()
    parent.setstate((3, ours.__self__.getstate(), None))

    assert parent.random() == ours()
    dice._after_fork()
    assert parent.random() != ours()
