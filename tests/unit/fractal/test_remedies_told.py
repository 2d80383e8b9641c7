"""What was done between two attempts is told alike everywhere."""

from __future__ import annotations

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


@pytest.fixture(autouse=True)
def clock():
    with virtual_time() as clock:
        yield clock


class AuthError(Exception): ...


def fails_once(error: Exception):
    errors = [error]

    def operation() -> str:
        if errors:
            raise errors.pop()
        return "ok"

    return operation


def test_waiting_is_a_remedy_that_was_applied():
    """A plain repeat lists ``wait``, and the trace says that it was applied."""
    outcome = ub.FractalNode("n", fails_once(OSError())).execute_sync()

    assert ("wait",) == outcome.remedies
    assert outcome.trace is not None
    assert outcome.trace.ran("heal.fix.apply")


def test_what_was_refused_had_no_remedy():
    """Without a repeat nothing was applied."""
    outcome = ub.FractalNode("n", fails_once(OSError()), retry=False).execute_sync()

    assert () == outcome.remedies
    assert outcome.trace is not None
    assert not outcome.trace.ran("heal.fix.apply")


@pytest.mark.parametrize(
    "what", [(AuthError, PermissionError), ((AuthError, PermissionError),), ((PermissionError, AuthError), KeyError)]
)
def test_exception_types_may_come_in_a_tuple(what):
    """``remedy`` takes what ``except`` takes."""
    node = ub.FractalNode("n", fails_once(AuthError()))
    node.remedy(*what)(lambda failure: None)

    assert ("<lambda>",) == node.execute_sync().remedies


def test_an_empty_tuple_is_refused():
    """A remedy for nothing is a mistake."""
    with pytest.raises(ub.errors.ConfigurationError, match="at least one exception type"):
        ub.FractalNode("n").remedy(())


def test_the_context_gives_the_items_of_its_input():
    """Whoever is given the context may ask it for what was passed; it is no sequence for that."""
    node = ub.FractalNode("n", lambda ctx: [ctx["city"], ctx.input["city"]], validate=lambda ctx: ctx["ok"])

    assert ["CAI", "CAI"] == node.execute_sync(context={"city": "CAI", "ok": True}).value
    assert isinstance(node.execute_sync(context={"ok": False}).error, ub.errors.ValidationFailed)
    assert isinstance(node.execute_sync(lambda ctx: [*ctx], {"ok": True}).error, TypeError)
