"""A sweep costs each thing that comes no more than a look or two."""

from __future__ import annotations

from unbreakable.runtime.broom import LEAST, Broom


def test_a_sweep_is_due_when_there_is_twice_as_much_as_the_last_one_left():
    """And never for a few things."""
    broom = Broom()
    assert [False, True] == [broom.is_due(LEAST - 1), broom.is_due(LEAST)]
    broom.swept(100)
    assert [False, True] == [broom.is_due(199), broom.is_due(200)]
    broom.swept(0)
    assert [False, True] == [broom.is_due(LEAST - 1), broom.is_due(LEAST)]


def test_looks_grow_with_what_comes_and_not_with_its_square():
    """Ten thousand things that all stay are looked at twice each, on average."""
    broom, looks = Broom(), 0
    for count in range(10_000):
        if broom.is_due(count):
            looks += count
            broom.swept(count)

    assert 20_000 > looks
