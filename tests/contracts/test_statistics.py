"""Every statistic is updated, merged, asked for a value and stored in the same way."""

from __future__ import annotations

import contextlib
import copy
import inspect
import json
import pickle
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unbreakable.stats
from unbreakable.stats import Arms, Beta, Counts, Decayed, Drift, Lags, Quantile, Stretches, Traffic, Window

seconds = st.floats(min_value=0.0, max_value=1e6)
moments = st.floats(min_value=0.0, max_value=1000.0)
few = st.integers(min_value=0, max_value=1000)

Update = tuple[tuple[Any, ...], dict[str, Any]]


class Member(NamedTuple):
    """How to make one statistic, feed it and ask it."""

    make: Callable[[], Any]
    updates: st.SearchStrategy[Update]
    ask: Callable[[Any], object]
    # Whether the order of its updates makes no difference.
    order_free: bool = True


def calls(*arguments: st.SearchStrategy[Any], **keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[Update]:
    """Return calls of `update` with these arguments."""
    return st.tuples(st.tuples(*arguments), st.fixed_dictionaries({}, optional=keywords))


durations = st.lists(seconds, max_size=5)
names = st.sampled_from(["a", "b", "c"])
FAMILY = {
    Arms: Member(Arms, calls(names, st.floats(-1e3, 1e3)), lambda arms: [arms.value(name) for name in "abc"]),
    Beta: Member(Beta, calls(st.booleans(), times=few), lambda beta: beta.value()),
    Counts: Member(Counts, calls(ok=few, healed=few, degraded=few, failed=few), lambda counts: counts.value()),
    Decayed: Member(lambda: Decayed(60.0), calls(seconds, moments), lambda decayed: decayed.value()),
    Drift: Member(lambda: Drift(minimum=2, threshold=3.0), calls(seconds), lambda drift: drift.value(), False),
    Lags: Member(
        Lags, calls(seconds, st.floats(0.0, 1e3), failed=st.booleans()), lambda lags: (lags.value(), lags.quiet)
    ),
    Quantile: Member(Quantile, calls(seconds, times=few), lambda quantile: quantile.value(0.9)),
    Stretches: Member(
        Stretches,
        calls(st.integers(0, 13), st.lists(st.integers(0, 1))),
        lambda stretches: stretches.value(),
    ),
    Traffic: Member(
        Traffic,
        calls(
            ok=durations,
            failed=durations,
            cut=durations,
            beside=durations,
            beside_cut=durations,
            near=durations,
            repeats=few,
            repeats_failed=few,
            answered=few,
            in_vain=few,
        ),
        lambda traffic: traffic.value(),
    ),
    Window: Member(lambda: Window(30.0), calls(st.booleans(), moments), lambda window: window.value(1000.0)),
}
FOUND = [each for _, each in inspect.getmembers(unbreakable.stats, inspect.isclass)]

every_statistic = pytest.mark.parametrize("statistic", FOUND)


def fed(statistic: type, updates: Sequence[Update]) -> Any:
    """Return a new statistic after *updates*."""
    made = FAMILY[statistic].make()
    for arguments, keywords in updates:
        made.update(*arguments, **keywords)
    return made


def merged(*statistics: Any) -> Any:
    """Return all *statistics* merged into a copy of the first."""
    whole = copy.deepcopy(statistics[0])
    for each in statistics[1:]:
        whole.merge(each)
    return whole


def stored(statistic: Any) -> str:
    """Return the bytes of what the statistic knows."""
    return json.dumps(statistic.to_dict(), allow_nan=False)


@every_statistic
def test_is_known_to_this_contract(statistic):
    """A new statistic cannot be added without saying here how to feed it."""

    assert statistic in FAMILY


@every_statistic
@pytest.mark.parametrize("method", ["update", "merge", "value", "to_dict", "from_dict"])
def test_has_the_family_s_methods_each_told_in_one_sentence(statistic, method):
    """All statistics are used in the same way, and say so."""

    assert statistic.__doc__
    assert getattr(statistic, method).__doc__.strip().endswith(".")


@every_statistic
def test_holds_no_stray_attributes(statistic):
    """Slots keep a statistic small."""

    assert not hasattr(FAMILY[statistic].make(), "__dict__")


@every_statistic
@given(data=st.data())
def test_comes_back_from_its_record_unchanged(statistic, data):
    """What is stored as JSON and read again is the same statistic, to the byte."""
    original = fed(statistic, data.draw(st.lists(FAMILY[statistic].updates)))
    again = statistic.from_dict(json.loads(stored(original)))

    assert stored(original) == stored(again)
    assert FAMILY[statistic].ask(original) == FAMILY[statistic].ask(again)


@every_statistic
@given(data=st.data())
def test_merging_with_an_empty_one_changes_nothing(statistic, data):
    """The empty statistic is neutral, on either side."""
    full = fed(statistic, data.draw(st.lists(FAMILY[statistic].updates)))
    empty = FAMILY[statistic].make()

    assert stored(full) == stored(merged(full, empty)) == stored(merged(empty, full))


@every_statistic
@given(data=st.data())
def test_merges_in_any_order_and_grouping(statistic, data):
    """Who merges with whom first makes no difference to the last byte."""
    lists = st.lists(FAMILY[statistic].updates, max_size=10)
    a, b, c = (fed(statistic, data.draw(lists)) for _ in range(3))

    assert stored(merged(a, b, c)) == stored(merged(c, b, a)) == stored(merged(b, a, c))
    assert stored(merged(merged(a, b), c)) == stored(merged(a, merged(b, c)))


@every_statistic
@given(data=st.data())
def test_does_not_touch_what_is_merged_into_it(statistic, data):
    """The other statistic stays as it was, also afterwards."""
    update = FAMILY[statistic].updates
    mine, other = (fed(statistic, data.draw(st.lists(update, max_size=10))) for _ in range(2))
    before = stored(other)
    mine.merge(other)
    arguments, keywords = data.draw(update)
    mine.update(*arguments, **keywords)

    assert before == stored(other)


@pytest.mark.parametrize("statistic", [each for each, member in FAMILY.items() if member.order_free])
@given(data=st.data())
def test_is_the_same_however_the_updates_are_ordered_or_shared_out(statistic, data):
    """One statistic that saw everything equals several that each saw some of it, in another order."""
    updates = data.draw(st.lists(FAMILY[statistic].updates))
    shuffled = data.draw(st.permutations(updates))
    cut = data.draw(st.integers(min_value=0, max_value=len(updates)))
    shares = fed(statistic, shuffled[:cut]), fed(statistic, shuffled[cut:])

    assert stored(fed(statistic, updates)) == stored(merged(*shares))


@every_statistic
@settings(max_examples=20)
@given(data=st.data())
def test_can_be_copied_and_pickled(statistic, data):
    """A statistic travels between processes."""
    original = fed(statistic, data.draw(st.lists(FAMILY[statistic].updates)))

    assert stored(original) == stored(pickle.loads(pickle.dumps(original)))  # noqa: S301 - our own bytes


@every_statistic
@given(data=st.data())
def test_refuses_a_damaged_record_with_a_value_error(statistic, data):
    """Whatever a damaged file holds, reading it ends in a statistic or in ValueError."""
    whole = fed(statistic, data.draw(st.lists(FAMILY[statistic].updates, max_size=3))).to_dict()
    key = data.draw(st.sampled_from(sorted(whole)))
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    damaged = {**whole, key: data.draw(anything | st.lists(anything | st.lists(st.integers(), max_size=3)))}

    with contextlib.suppress(ValueError):
        assert stored(statistic.from_dict(damaged))
