"""``execute`` never raises an Exception: what cannot be run is an outcome, too."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub


@pytest.mark.parametrize(
    ("operation", "message"),
    [(None, "q: operation is missing"), (42, "q: operation must be a function or a node, not 42")],
)
def test_what_is_no_operation_fails_the_call(operation, message):
    """The outcome says what is wrong; nothing was attempted, and the fallback does not cover it up."""
    node = ub.FractalNode("q", fallback=lambda failure: "all is well")

    for outcome in (node.execute_sync(operation), asyncio.run(node.execute(operation))):
        assert (ub.Status.FAILED, 0) == (outcome.status, outcome.attempts)
        assert isinstance(outcome.error, ub.errors.ConfigurationError)
        assert message in str(outcome.error)


def test_a_request_that_cannot_be_made_fails_the_call():
    """A setting that is wrong in one call is that call's failure."""
    node = ub.FractalNode("q", lambda: 1)
    node.targets.tell_effects(lambda ctx: "harmless")  # type: ignore[arg-type,return-value]

    assert isinstance(node.execute_sync().error, ub.errors.ConfigurationError)
    with pytest.raises(ub.errors.ConfigurationError):
        node.execute_sync().unwrap()
