"""A line goes on, whoever leaves it and however."""

from __future__ import annotations

from unbreakable.runtime import Line


class Somebody:
    """A runtime with one waiter, whose event loop may be closed."""

    def __init__(self, *, alive=True):
        self.is_alive, self.calls = alive, 0

    def waiter(self):
        return self

    def alive(self):
        return self.is_alive

    def wake(self):
        self.calls += 1


def test_whoever_leaves_has_the_next_one_called_who_can_be():
    """Those whose event loop was closed over their wait hold nobody up."""
    line = Line()
    people = Somebody(), Somebody(alive=False), Somebody()
    first, _, last = [line.join(each) for each in people]
    before = line.is_first(first), line.is_first(last)
    line.leave(first)

    assert (True, False) == before
    assert (line.is_first(last), [each.calls for each in people]) == (True, [0, 0, 1])
    assert 1 == len(line)


def test_who_was_forgotten_after_a_fork_waits_for_nobody():
    """A place that is in no line any more is first, and can be left."""
    line = Line()
    place = line.join(Somebody())
    line.clear()

    assert (True, 0) == (line.is_first(place), len(line))
    line.leave(place)


def test_who_can_no_longer_be_called_is_dropped_when_all_are():
    """Nothing else might ever ask for the first in a line that nobody joins any more."""
    line = Line()
    people = Somebody(), Somebody(alive=False)
    for each in people:
        line.join(each)
    line.call_all()

    assert ([1, 0], 1) == ([each.calls for each in people], len(line))
