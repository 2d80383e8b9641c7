"""What is said of arguments and values on the quick path is taken as the script takes it."""

from __future__ import annotations

import numpy as np
import pytest

import unbreakable as ub
from unbreakable.errors import ValidationFailed, VerificationFailed


def boom(value):
    raise ZeroDivisionError(f"cannot judge {value}")


@pytest.mark.parametrize("form", ["plain", "outcome"])
def test_a_validate_that_raises_refuses_the_call(form):
    """What it raised is told, the work is not done, and the next call has its place."""
    door = ub.protect("n", validate=lambda value: value or boom(value), bulkhead=ub.Bulkhead(1))(lambda value: value)

    with pytest.raises(ValidationFailed, match=r"n: .*ZeroDivisionError: cannot judge 0"):
        door(0) if form == "plain" else door.outcome(0).unwrap()
    assert 7 == door(7)


@pytest.mark.parametrize("form", ["plain", "outcome"])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("verify", "cause"),
    [
        (boom, ZeroDivisionError),
        (lambda _: np.array([1, 1]), (TypeError, ValueError)),
        (lambda _: 0.3, ()),
        (lambda _: 0, ()),
    ],
)
def test_a_value_that_cannot_be_verified_is_no_good(verify, cause, inside, form):
    """Whether verify raises, or what it says cannot be said to be true, or it says no."""
    door = ub.protect("n", verify=verify, retry=False, bulkhead=ub.Bulkhead(1))(lambda: 7)
    call = door if form == "plain" else lambda: door.outcome().unwrap()
    if inside:
        call = ub.protect("outer", retry=False)(call)

    with pytest.raises(VerificationFailed) as told:
        call()

    assert isinstance(told.value.__cause__, cause or type(None))
    status = door.node.get_status()
    assert (1, 0, 0) == (status.failure_count, status.success_count, status.in_flight)


def test_a_makeshift_inside_is_known_further_out():
    """The call between has succeeded, with what was made of a fallback's answer."""
    inner = ub.protect("inner", retry=False, fallback=lambda failure: 0)(boom)
    between = ub.protect("between")(lambda value: inner(value) + 1)

    @ub.protect("outer")
    def outer(value):
        return between(value), ub.current().makeshift

    assert (1, True) == outer(7)
    assert "degraded" == inner.outcome(7).status
