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
from unbreakable.storage import payload
from unbreakable.storage.values import TAG, read, record

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
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key != TAG), inner),
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
                "from unbreakable.storage.values import record; print(record({*'abcdef'}, '').text)",
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
        return when and dt.timedelta(hours=1 + (3 < when.month < 10))


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


def lie(self, *_):
    """Stand for a method of a subclass that tells something else than its base would."""
    return "2001-01-01"


def derived(base, **more):
    """Return a subclass of *base* with another name, whose own words mislead."""
    lies = dict.fromkeys(("__str__", "__repr__", "isoformat", "hex", "replace", "__format__"), lie)
    return type(f"Our{base.__name__}", (base,), lies | more)


class Zone(zoneinfo.ZoneInfo):
    def __repr__(self):
        return "Zone"


class Always(dt.tzinfo):
    def utcoffset(self, when):
        return dt.timedelta(minutes=-150)


AWAY = dt.datetime(2026, 11, 26, 11, 5, tzinfo=dt.timezone(dt.timedelta(minutes=-150)))

TWICE = dt.datetime(2026, 10, 25, 2, 30, tzinfo=dt.UTC, fold=1)  # of its clock there are two in Berlin


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (derived(dt.datetime)(2026, 11, 26, 11, 5, 6, 7, dt.UTC), dt.datetime(2026, 11, 26, 11, 5, 6, 7, dt.UTC)),
        (
            derived(dt.datetime)(2026, 10, 25, 2, 30, tzinfo=Zone("Europe/Berlin"), fold=1),
            TWICE.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        ),
        (TWICE.replace(tzinfo=Zone("Europe/Berlin")), TWICE.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))),
        (AWAY.replace(tzinfo=dt.timezone(dt.timedelta(minutes=-150), "here")), AWAY),
        (AWAY.replace(tzinfo=Always()), AWAY),
        (AWAY.timetz().replace(tzinfo=Always()), AWAY.timetz()),
        (AWAY.replace(tzinfo=dt.timezone(dt.timedelta(0), "Greenwich")), AWAY.replace(tzinfo=dt.UTC)),
        (derived(dt.date)(2026, 11, 26), dt.date(2026, 11, 26)),
        (derived(dt.time)(11, 5, 6, 7, dt.UTC, fold=1), dt.time(11, 5, 6, 7, dt.UTC, fold=1)),
        (derived(dt.timedelta)(-1, 2, 3), dt.timedelta(-1, 2, 3)),
        (derived(decimal.Decimal)("-0.10"), decimal.Decimal("-0.10")),
        (derived(derived(uuid.UUID))(int=1), uuid.UUID(int=1)),
        (derived(bytes)(b"\0a"), b"\0a"),
    ],
)
def test_a_value_of_a_subclass_is_recorded_as_what_it_is_derived_from(value, plain):
    """Drivers and libraries of times derive their own; what a subclass says of itself is not asked for."""
    kept = record({"at": [value]}, "it").value["at"][0]

    assert (type(plain), repr(plain)) == (type(kept), repr(kept))


def test_a_listed_type_is_found_behind_its_double(monkeypatch):
    """Tests that stop the clock put a subclass in the place of the class, whose instances are of either."""
    genuine, double = dt.datetime, derived(dt.datetime)
    monkeypatch.setattr(dt, "datetime", double)
    kept = [record(kind(2026, 1, 1), "it") for kind in (genuine, double)]

    assert [genuine(2026, 1, 1)] * 2 == [each.value for each in kept]
    assert [genuine] * 4 == [type(value) for each in kept for value in (each.value, read(each.text))]


def test_a_subclass_that_holds_more_is_refused():
    """Nanoseconds, a currency, no time at all: a value that differs from what would be read back says so."""
    finer = derived(dt.datetime, __eq__=lambda self, other: False, __hash__=dt.datetime.__hash__)

    with pytest.raises(NotRecordable, match="it is a Ourdatetime "):
        record(finer(2026, 1, 1), "it")


@pytest.mark.parametrize("name", ["UUID", "Decimal", "datetime"])
def test_a_namesake_is_not_taken_for_the_type(name):
    """It would read back as something else."""
    module = {"UUID": "uuid", "Decimal": "decimal", "datetime": "datetime"}[name]
    with pytest.raises(NotRecordable, match=f"it is a {name}"):
        record(type(name, (), {"__module__": module, "int": 1})(), "it")


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
