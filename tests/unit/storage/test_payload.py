"""What is recorded reads back the same, or is refused with what to return instead."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.errors import NotRecordable
from unbreakable.storage.payload import read, record

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_json_values_read_back_the_same(value):
    """Nothing is lost on the way through the file."""
    payload = record(value, "it")

    assert value == payload.value == read(payload.text)


def test_tuples_become_lists_at_once():
    """A step sees the same before and after a restart."""
    assert {"seats": [1, 2]} == record({"seats": (1, 2)}, "it").value


def circle():
    value = []
    value.append(value)
    return value


class Booking:
    pass


@pytest.mark.parametrize(
    ("value", "culprit"),
    [
        (Booking(), "the result is a Booking: "),
        ({"at": dt.date(2026, 1, 1)}, "the result['at'] is a date (return value.isoformat()): "),
        ([1, {2}], "the result[1] is a set (return sorted(value)): "),
        ({1: "a"}, "the result has the key 1, which is not text: "),
        ({"a": [math.nan]}, "the result['a'][0] is nan, which is no JSON number: "),
        (circle(), " is more than 100 levels deep, or holds itself: "),
    ],
)
def test_the_part_that_cannot_be_recorded_is_named(value, culprit):
    """The message leads to the line that has to change."""
    with pytest.raises(NotRecordable) as caught:
        record(value, "the result")

    assert culprit in str(caught.value)
    assert str(caught.value).endswith("only None, bool, int, float, str, and lists and dicts of them can be recorded")


def test_a_number_that_json_cannot_read_back_is_refused():
    """Whatever keeps a value from being written, the caller is told."""
    with pytest.raises(NotRecordable, match="it cannot be written as JSON"):
        record([10**5000], "it")


class Odd(dict):
    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("I do not compare")

    def __repr__(self):
        raise RuntimeError("I do not show myself")


@pytest.mark.parametrize("value", [Odd(a=1), {"a": Odd(a={1})}])
def test_a_value_whose_methods_raise_is_refused(value):
    """Somebody else's class fails its step, not the run that has to undo it."""
    with pytest.raises(NotRecordable, match=r"^it.* can be recorded"):
        record(value, "it")
