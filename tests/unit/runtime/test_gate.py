"""A place is given once and taken once, whatever happens at the very moment at which it is given."""

from __future__ import annotations

from unbreakable.runtime import Gate, run_blocking


class Moment:
    """A lock before whose next use something happens, as another thread would have it."""

    def __init__(self):
        self.before = None

    def __enter__(self):
        happens, self.before = self.before, None
        if happens is not None:
            happens()

    def __exit__(self, *error):
        pass


class Impatient:
    """A runtime whose waits end at once, and in vain; it is its own waiter, whose event loop may be closed."""

    def __init__(self, meanwhile):
        self.meanwhile, self.given, self.is_alive = meanwhile, False, True

    def waiter(self):
        return self

    async def wait(self, waiter, seconds):
        self.meanwhile()
        return False

    def wake(self):
        pass

    def alive(self):
        return self.is_alive


def test_a_place_given_as_the_wait_ends_is_given_to_nobody_else():
    """Whoever took it then does not count as one who is still to come, from whom it could be reclaimed."""
    gate = Gate(1)
    gate.lock = moment = Moment()
    gate.enter_nowait()
    somebody = Impatient(lambda: setattr(moment, "before", gate.leave))
    entered = run_blocking(gate.enter(somebody, 1.0))
    somebody.is_alive = False
    gate.reclaim()

    assert (True, 1) == (entered, gate.inside)


def test_a_place_given_to_a_closed_event_loop_is_given_on_once():
    """What was reclaimed is not given back again when the wait is thrown away later."""
    gate = Gate(1)
    gate.enter_nowait()

    def closed():
        gate.leave()
        somebody.is_alive = False
        gate.reclaim()

    somebody = Impatient(closed)
    entered = run_blocking(gate.enter(somebody, 1.0))

    assert (False, 0, True) == (entered, gate.inside, gate.enter_nowait())
