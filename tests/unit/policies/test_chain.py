"""What an error came from, and what it is a group of."""

from __future__ import annotations

import pytest

from unbreakable.policies.chain import behind, members

ONE, OTHER, CAUSE, CONTEXT = OSError("one"), OSError("other"), OSError("cause"), OSError("context")


def raised(error, cause=None, context=None, *, hidden=False):
    """Return *error* as it is once it was raised from one, or while another was handled."""
    error.__cause__, error.__context__ = cause, context
    error.__suppress_context__ = hidden or cause is not None
    return error


def group():
    """Return a group of two."""
    return ExceptionGroup("two", [ONE, OTHER])


@pytest.mark.parametrize(
    ("error", "told", "without"),
    [
        (raised(ValueError()), (), ()),
        (raised(ValueError(), cause=CAUSE), (CAUSE,), (CAUSE,)),
        (raised(ValueError(), cause=CAUSE, context=CONTEXT), (CAUSE,), (CAUSE,)),
        (raised(ValueError(), context=CONTEXT), (CONTEXT,), ()),
        (raised(ValueError(), context=CONTEXT, hidden=True), (), ()),
        (raised(group()), (ONE, OTHER), (ONE, OTHER)),
        (raised(group(), cause=CAUSE), (ONE, OTHER, CAUSE), (ONE, OTHER, CAUSE)),
        (raised(group(), context=CONTEXT), (ONE, OTHER, CONTEXT), (ONE, OTHER)),
    ],
)
def test_what_an_error_came_from_is_what_its_traceback_shows(error, told, without):
    """The members first; a context only where it is asked for, and shown."""
    assert (told, without) == (behind(error), behind(error, contexts=False))


def test_only_a_group_has_members():
    """Whatever attributes another error has."""
    lying = OSError()
    lying.exceptions = (ONE,)

    assert ((ONE, OTHER), ()) == (members(group()), members(lying))
