"""A limiter that is shown windows which say what a test has them say."""

from __future__ import annotations

from unbreakable.policies.limiter import Limiter, Why
from unbreakable.policies.meter import Reading

ERROR = 0.01


class Windows:
    """Stand for a meter of which each window says what it is told to."""

    def __init__(self) -> None:
        self.at, self.next, self.stale, self.begun = 0.0, None, False, []

    def is_full(self, now):
        return self.next is not None

    def is_stale(self, now):
        return self.stale

    def read(self, now):
        reading, self.next = self.next, None
        return reading

    def begin(self, at):
        self.at = at
        self.begun.append(at)


class Course:
    """A limiter, and the windows of one second each that it is shown."""

    def __init__(self, first=20, least=1, most=1000):
        self.limiter, self.now = Limiter(first, least, most, 0.0), 0.0
        self.limiter.meter = Windows()

    def see(self, level=0.0, *, in_flight=None, refused=0.0, full=True, error=ERROR, seconds=1.0, held=0.0):
        """Show a window, as many in flight as are let in if nothing else is said; return why the limit changed."""
        self.now += seconds
        in_flight = self.limiter.limit if in_flight is None else in_flight
        self.limiter.meter.next = Reading(level, error, in_flight, refused, full, held)
        change = self.limiter.look(self.now)
        return None if change is None else change.why

    @property
    def limit(self):
        return self.limiter.limit


def warm(first=20, level=0.0, **made):
    """Return a course whose target is known to have that *level*."""
    course = Course(first, **made)
    assert (None, None) == (course.see(9.0), course.see(level))
    return course


def grown(first=20, **made):
    """Return a course after the first trial, which has shown no queue: it may grow as at first."""
    course = warm(first, **made)
    assert (Why.EBB, Why.FOREIGN) == (course.see(), course.see())
    return course


def humbled(limit=20.0, peak=20.0, *, is_steep=False):
    """Return a course whose limit is known to matter: it grows by tenths, and faster only up to where it was."""
    course = grown()
    one = course.limiter
    one.limit, one.peak, one.is_steep, one.at_first = limit, peak, is_steep, False
    return course
