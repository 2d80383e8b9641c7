"""The figures of one run."""

from __future__ import annotations

from unbreakable.demo.bookings import End, Ended, Verdict
from unbreakable.demo.figures import Books, downtime, figures, learning, quantile


def ended(id, due=0.0, seconds=0.1, end=End.DONE, heals=(), why=""):
    return Ended(id=id, due=due, seconds=seconds, verdict=Verdict(end=end, why=why, heals=heals))


def books(standing=(), final=None, *, received=0, needed=0, double=0):
    partners = ("flights", "hotels", "payments")
    return Books(
        received=received,
        needed=needed,
        double_charges=double,
        standing=dict.fromkeys(partners, tuple(standing)),
        final=dict.fromkeys(partners, tuple(standing if final is None else final)),
    )


def test_customers_who_came_while_partners_were_learned_are_left_out_of_the_later_median():
    """The first fifth, at most 200, is learning time; of the rest those count who got their booking."""
    ends = [ended(str(number), due=float(number), seconds=10.0 - number) for number in range(10)]
    ends[9] = ended("9", due=9.0, seconds=99.0, end=End.FAILED)
    run = figures(ends[::-1], books(), {}, bookings=10)

    assert [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0] == run.later
    assert (5.0, 200) == (run.p50_later, learning(5_000))


def test_downtime_counts_seconds_in_which_all_failed():
    """One success makes a second a good one; a second without arrivals is no downtime."""
    ends = [
        ended("a", due=0.1),
        ended("b", due=0.9, end=End.FAILED),
        ended("c", due=1.5, end=End.FAILED),
        ended("d", due=1.6, end=End.COMPENSATED),
        ended("e", due=4.0, end=End.FAILED),
    ]

    assert 2 == downtime(ends)


def test_quantiles_are_values_that_happened():
    """The nearest rank is taken, so that no figure is made up between two."""
    values = [float(number) for number in range(1, 101)]

    assert [50.0, 99.0, 100.0, 1.0] == [quantile(values, share) for share in (0.50, 0.99, 1.0, 0.0)]
    assert 0.0 == quantile([], 0.5)


def test_all_bookings_are_accounted_for():
    """Done, compensated and failed add up, and failures are all who got no booking."""
    ends = [ended("a"), ended("b", end=End.COMPENSATED, why="500"), ended("c", end=End.FAILED, why="500")]
    run = figures(ends, books(["a"]), {}, bookings=3)

    assert (1, 1, 1, 2, True) == (run.done, run.compensated, run.failed, run.failures, run.balanced)
    assert {"500": 2} == run.reasons


def test_a_booking_without_an_end_unbalances_the_account():
    """A booking that nobody can account for shows."""
    assert not figures([ended("a")], books(["a"]), {}, bookings=2).balanced


def test_the_partners_books_are_believed_not_ours():
    """Done but not final at a partner is lost; standing at a partner but not done was left behind."""
    ends = [ended("a"), ended("b"), ended("c", end=End.COMPENSATED)]
    run = figures(ends, books(["a", "b", "c"], final=["a", "c"], double=1), {}, bookings=3)

    assert (1, 1, 1) == (run.lost, run.stranded, run.double_charges)


def test_extra_load_is_what_the_partners_received_beyond_the_need():
    """Twelve requests where ten would have done are a fifth more."""
    assert 0.2 == figures([], books(received=12, needed=10), {}, bookings=0).extra_load


def test_heals_are_counted_by_what_healed():
    """Every healed request counts, the most frequent kind first."""
    ends = [ended("a", heals=("retry", "retry")), ended("b", heals=("renew token", "retry"))]

    assert [("retry", 3), ("renew token", 1)] == list(figures(ends, books(), {}, bookings=2).heals.items())
