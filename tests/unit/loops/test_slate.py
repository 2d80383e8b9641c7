"""What an operation keeps, and the copy of it that a reset goes back to."""

from __future__ import annotations

import threading

from unbreakable.loops.slate import Slate, is_same, write_changes


class Incomparable:
    """Something that raises when it is compared, as some arrays do."""

    def __eq__(self, other):
        raise ValueError("ambiguous")

    __hash__ = None


def test_a_reset_goes_back_to_what_was_verified():
    """As deep as it goes, and as often as needed."""
    slate = Slate()
    slate.state["numbers"] = [1, 2]
    slate.verified()
    for _ in range(2):
        slate.state["numbers"].append(3)

        assert slate.reset()
        assert {"numbers": [1, 2]} == slate.state


def test_before_anything_was_verified_a_reset_empties_it():
    """A loop that never was well began with nothing."""
    slate = Slate()
    slate.state["half"] = "done"

    assert slate.reset()
    assert {} == slate.state


def test_there_is_nothing_to_reset_when_nothing_has_changed():
    """What is as it was needs no reset."""
    slate = Slate()
    slate.state["numbers"] = [1]
    slate.verified()

    assert not slate.reset()


def test_what_cannot_be_compared_is_reset():
    """In doubt it has changed."""
    slate = Slate()
    slate.state["array"] = Incomparable()
    slate.verified()

    assert slate.reset()


def test_what_cannot_be_copied_is_told_once_and_not_reset():
    """There is no going back, not even to an older copy that would be a surprise."""
    slate = Slate()
    slate.state["n"] = 1
    told = [slate.verified()]
    slate.state["lock"] = threading.Lock()
    told += [slate.verified(), slate.verified()]

    assert [None, "TypeError when ctx.state was copied", None] == told
    assert not slate.reset()
    del slate.state["lock"]

    assert (None, None) == (slate.verified(), slate.trouble)


def test_who_is_left_behind_cannot_reach_what_the_loop_goes_on_with():
    """The state is given up to it, and the loop goes on from the copy."""
    slate = Slate()
    slate.state["numbers"] = [1]
    slate.verified()
    theirs = slate.state
    slate.leave()
    theirs["numbers"].append("late")

    assert {"numbers": [1]} == slate.state


def test_a_reset_leaves_those_in_progress_the_state_that_they_have():
    """What they write from then on is in it; else it would be nowhere."""
    slate = Slate()
    slate.users.add("another iteration")
    held = slate.state
    held["half"] = "done"

    assert slate.reset()
    assert held is slate.state
    assert {} == held


def test_a_state_is_copied_again_when_others_write_in_it_meanwhile():
    """That is no reason to have no copy; the number that says that there is one comes last."""
    slate, seen = Slate(), []

    class Busy:
        def __deepcopy__(self, memo):
            seen.append(slate.verifications)
            if len(seen) < 3:
                slate.state[f"from another thread {len(seen)}"] = 1
            return self

    slate.state["busy"] = Busy()
    slate.users.add("another iteration")

    assert slate.verified() is None
    assert {0} == {*seen}
    assert {"busy", "from another thread 1", "from another thread 2"} == {*slate.verified_state}


def test_what_a_copy_has_become_is_written_over_nothing_else():
    """What was not touched in it may be another's by now; what cannot be compared is taken as touched."""
    odd = Incomparable()
    state = {"mine": [1], "theirs": 2, "gone": 3, "odd": 4, "new": 5}
    write_changes(state, {"mine": [0], "theirs": 1, "gone": 3, "odd": odd}, {"mine": [7], "theirs": 1, "odd": odd})

    assert {"mine": [7], "theirs": 2, "odd": odd, "new": 5}.keys() == state.keys()
    assert ([7], 2, 5) == (state["mine"], state["theirs"], state["new"])
    assert state["odd"] is odd


def test_a_state_is_the_same_when_nobody_has_put_anything_in_it():
    """Whoever has put something there has put another thing, or one more or less."""
    held = [1]
    before = {"a": held}

    assert is_same({"a": held}, before)
    assert not any(is_same(state, before) for state in ({"a": [1]}, {}, {"b": held}, {"a": held, "b": 1}))
