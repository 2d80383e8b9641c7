"""A thread that does jobs, and whoever waits for it."""

from __future__ import annotations

import contextvars
import gc
import weakref

import pytest

from unbreakable.errors import BulkheadFull
from unbreakable.loops.hand import Hand
from unbreakable.runtime import BLOCKING, TimeUp, run_blocking
from unbreakable.runtime.world import ThreadsExhausted
from unbreakable.testing import virtual_time

FOR_EVER = float("inf")


def do(hand, work, seconds=FOR_EVER):
    return run_blocking(hand.do(BLOCKING, work, seconds))


def end(hand):
    hand.let_go()
    run_blocking(hand.end(BLOCKING, 10.0))


def test_does_one_job_after_another_in_one_thread():
    """Values come back, and what was done last is done once."""
    last = []
    with virtual_time():
        hand = Hand("works", lambda: last.append("closed"))
        values = [do(hand, lambda n=n: n * n) for n in range(3)]
        before = list(last)
        end(hand)

    assert ([0, 1, 4], [], ["closed"]) == (values, before, last)
    assert not hand.is_alive


def test_a_job_sees_the_context_that_it_was_given_in():
    """What it sets there is nobody else's."""
    var = contextvars.ContextVar("var", default="none")
    with virtual_time():
        hand = Hand("works", lambda: None)
        var.set("mine")
        seen = [do(hand, lambda: (var.get(), var.set("its own"))[0]) for _ in range(2)]
        end(hand)

    assert ["mine", "mine"] == seen
    assert "mine" == var.get()


def test_what_a_job_raises_is_raised_and_freed():
    """Nothing holds an exception once it was told."""

    class Held(Exception):
        pass

    def work():
        raise Held

    with virtual_time():
        hand = Hand("works", lambda: None)
        gc.disable()
        try:
            try:
                do(hand, work)
            except Held as error:
                held = weakref.ref(error)

            assert held() is None
        finally:
            gc.enable()
        end(hand)


def test_a_job_that_takes_too_long_is_left_undone_and_a_nap_of_ours_ends_at_once():
    """The thread is let go of, and does not sleep on for nobody."""
    with virtual_time() as clock:
        hand = Hand("works", lambda: None)
        with pytest.raises(TimeUp):
            do(hand, lambda: run_blocking(BLOCKING.sleep(1000.0)), 5.0)
        at_once = hand.left_undone, hand.is_let_go
        run_blocking(hand.end(BLOCKING, 10.0))

        assert ((True, True), False, 5.0) == (at_once, hand.is_alive, clock.now())


def test_who_waits_is_woken_when_the_thread_is_let_go_of():
    """From any thread, and at once."""
    with virtual_time() as clock:
        hand = Hand("works", lambda: None)

        def let_go_later():
            BLOCKING.world.sleep(2.0)
            hand.let_go()

        BLOCKING.world.spawn(let_go_later, "stops")
        with pytest.raises(TimeUp):
            do(hand, lambda: BLOCKING.world.sleep(60.0))
        when = clock.now()
        run_blocking(hand.end(BLOCKING, 100.0))

    assert (2.0, True) == (when, hand.left_undone)


def test_one_that_was_let_go_of_takes_no_job():
    """There would be nobody to do it."""
    done = []
    with virtual_time():
        hand = Hand("works", lambda: None)
        do(hand, lambda: None)
        end(hand)
        with pytest.raises(TimeUp):
            do(hand, lambda: done.append(1))

    assert [] == done


def test_without_a_thread_to_be_had_it_says_so_and_may_be_asked_again(monkeypatch):
    """A busy machine is no reason to lose the job."""

    def refuse(work, name):
        raise ThreadsExhausted("256 are busy")

    with virtual_time():
        hand = Hand("works", lambda: None)
        with monkeypatch.context() as patch:
            patch.setattr(BLOCKING.world, "carry", refuse)
            with pytest.raises(BulkheadFull, match="no thread for works: 256 are busy"):
                do(hand, lambda: None)

        assert "done" == do(hand, lambda: "done")
        end(hand)
