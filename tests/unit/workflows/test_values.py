"""What a step returns reads back as what it was, in any process, or is refused with what to return instead."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import subprocess
import sys
import types
import uuid
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.errors import NotRecordable
from unbreakable.workflows import payload
from unbreakable.workflows.values import TAG, read, record

ZONES = st.none() | st.just(dt.UTC) | st.just(dt.timezone(dt.timedelta(hours=-3, minutes=30)))
SEASONAL = st.sampled_from([zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("UTC")])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.times(timezones=ZONES)
    | st.timedeltas()
    | st.datetimes(timezones=ZONES | SEASONAL)
)
hashable = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.sets(hashable, max_size=3)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.dictionaries(st.just(TAG) | st.text(), inner, max_size=3)
    ),
    max_leaves=20,
)


def spelt(value):
    """Return what tells one value from another of the same sort, whatever the order of its sets."""
    if isinstance(value, dict):
        return ["dict", *sorted(repr((spelt(key), spelt(item))) for key, item in value.items())]
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [spelt(item) for item in value]
        return [type(value).__name__, *(items if isinstance(value, (list, tuple)) else sorted(items, key=repr))]
    return [type(value).__name__, repr(value)]


@given(values)
def test_a_value_reads_back_as_what_it_was(value):
    """Types, zones and all; what is handed on at once is what another process reads."""
    kept = record(value, "it")

    assert spelt(value) == spelt(kept.value) == spelt(read(kept.text))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_stays_json(value):
    """What was recorded before there were other types is read as ever, and new records of it look the same."""
    assert payload.record(value, "it").text == record(value, "it").text
    assert value == read(json.dumps(value))


def test_a_set_is_written_alike_in_every_process():
    """Whether a repeated step has the same inputs is known by their text."""
    told = {
        subprocess.run(
            [
                sys.executable,
                "-c",
                "from unbreakable.workflows.values import record; print(record({*'abcdef'}, '').text)",
            ],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert 1 == len(told)


class Booking:
    pass


@dataclasses.dataclass
class Seat:
    row: int = 1


class Colour(enum.Enum):
    RED = 1


class Odd(dict):
    def items(self):
        raise RuntimeError("I do not show myself")


def circle():
    value = []
    value.append(value)
    return value


class Abroad(dt.tzinfo):
    def utcoffset(self, when):
        return dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "culprit"),
    [
        (Booking(), "the result is a Booking: "),
        ({"at": [Seat()]}, "the result['at'][0] is a Seat (return dataclasses.asdict(value)): "),
        (Colour.RED, "the result is a Colour (return value.value): "),
        ({Colour.RED: 1}, "the key <Colour.RED: 1> of the result is a Colour (return value.value): "),
        ((each for each in "ab"), "the result is a generator (return list(value)): "),
        ([dt.datetime(2026, 1, 1, tzinfo=Abroad())], "the result[0] is a datetime (return value.astimezone("),
        (types.SimpleNamespace(to_dict=dict), "the result is a SimpleNamespace (return value.to_dict()): "),
        ({"a": [math.nan]}, "the result['a'][0] is nan, which is no JSON number: "),
        (circle(), " is more than 100 levels deep, or holds itself: "),
        ([10**5000], "the result cannot be written as JSON: "),
        (Odd(a=1), "the result cannot be written as JSON: "),
    ],
)
def test_the_part_that_cannot_be_recorded_is_named(value, culprit):
    """The message leads to the line that has to change, and says what may stand there."""
    with pytest.raises(NotRecordable) as caught:
        record(value, "the result")

    assert culprit in str(caught.value)
    assert str(caught.value).endswith("timedelta, and lists, tuples, sets and dicts of them can be recorded")


class Decimal(decimal.Decimal):
    pass


@pytest.mark.parametrize("value", [Decimal("1"), type("UUID", (uuid.UUID,), {})(int=1)])
def test_a_namesake_is_not_taken_for_the_type(value):
    """It would read back as something else."""
    with pytest.raises(NotRecordable):
        record(value, "it")


@pytest.mark.parametrize(
    "written",
    [
        {TAG: "os.system", "value": "true"},
        {TAG: "Decimal", "value": "x"},
        {TAG: ["a"]},
        {TAG: "dict", "value": [1]},
        {TAG: "set"},
    ],
)
def test_what_was_never_written_by_us_is_damage(written):
    """A record names one of the types that are listed, and nothing is imported for any other."""
    with pytest.raises(ValueError, match=r"a recorded .* cannot be read"):
        read(json.dumps(written))
