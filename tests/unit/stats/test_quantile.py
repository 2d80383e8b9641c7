"""Quantiles of durations, within two per cent."""

from __future__ import annotations

import math
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dense import most

from unbreakable.stats import Quantile

durations = st.floats(min_value=1e-6, max_value=260_000.0)


def exact(values: list[float], q: float) -> float:
    """Return the value of nearest rank."""
    return sorted(values)[max(1, math.ceil(q * len(values))) - 1]


@given(values=st.lists(durations, min_size=1), q=st.floats(min_value=0.0, max_value=1.0))
def test_errs_by_at_most_two_per_cent(values, q):
    """Any quantile of any durations between 1 µs and 3 days is within 2 % of the true one."""
    quantile = Quantile()
    quantile.update_many(values)

    assert exact(values, q) == pytest.approx(quantile.value(q), rel=0.02)


@given(values=st.lists(st.floats(min_value=-1e9, max_value=1e9)))
def test_counts_a_batch_like_its_values_one_by_one(values):
    """The fast path for batches fills the same buckets as the plain one."""
    batch, single = Quantile(), Quantile()
    batch.update_many(iter(values))
    for each in values:
        single.update(each)

    assert single.to_dict() == batch.to_dict()
    assert len(values) == batch.count == single.count


def test_tells_nothing_when_empty():
    """No duration, no quantile."""

    assert Quantile().value(0.5) is None


@pytest.mark.parametrize("short", [0.0, -0.0, -5.0, -math.ulp(0.0), -1e30, 5e-324, 1e-9])
def test_counts_what_is_too_short_in_the_lowest_bucket(short):
    """A clock that stepped back makes a negative duration, which is worth no time."""
    quantile = Quantile()
    quantile.update(short)
    quantile.update_many([short])

    assert {"buckets": [[0, 2]]} == quantile.to_dict()


def test_counts_what_is_too_long_in_the_highest_bucket():
    """Above three days one bucket holds all."""
    quantile = Quantile()
    quantile.update(1e30)
    quantile.update_many([1e6, 1e30])

    assert [[1215, 3]] == quantile.to_dict()["buckets"]
    assert 3 * 86_400 == pytest.approx(quantile.value(0.5), rel=0.02)


@pytest.mark.parametrize("nonsense", [math.nan, -math.nan, math.inf, -math.inf, 1e300])
def test_refuses_what_is_no_duration_with_its_whole_batch(nonsense):
    """NaN and infinity are mistakes of the caller; nothing is half counted."""
    quantile = Quantile()
    with pytest.raises(ValueError, match="expected a duration in seconds"):
        quantile.update(nonsense)
    with pytest.raises(ValueError, match="expected a duration in seconds"):
        quantile.update_many([0.1, nonsense, 0.2])

    assert {"buckets": []} == quantile.to_dict()
    assert 0 == quantile.count


def test_refuses_a_share_that_is_none():
    """Quantiles are told by a share in 0..1, not by a percentage."""

    with pytest.raises(ValueError, match=r"q: expected a number in 0\.\.1, got 99"):
        Quantile().value(99)


def test_refuses_a_negative_number_of_times():
    """Nothing is ever uncounted."""

    with pytest.raises(ValueError, match="times"):
        Quantile().update(0.1, times=-1)


@given(values=st.lists(durations, min_size=50, max_size=200), q=st.floats(min_value=0.05, max_value=0.95))
def test_halving_keeps_half_the_observations_and_the_quantiles(values, q):
    """Ageing forgets every second observation evenly, lone ones included."""
    quantile = Quantile()
    quantile.update_many(values)
    quantile.halve()
    near = sorted(values)[max(0, math.floor(q * len(values)) - 4) : math.ceil(q * len(values)) + 4]

    assert len(values) // 2 == quantile.count
    assert near[0] * 0.98 <= quantile.value(q) <= near[-1] * 1.02


def test_halving_often_enough_forgets_everything():
    """Integer halving ends at nothing."""
    quantile = Quantile()
    quantile.update(0.1, times=1000)
    for _ in range(10):
        quantile.halve()

    assert {"buckets": []} == quantile.to_dict()


def test_counts_beyond_four_bytes():
    """The buckets widen when the histogram holds more than four billion."""
    quantile = Quantile()
    quantile.update(0.1, times=2**32 - 1)
    quantile.update(0.1)
    quantile.merge(quantile)

    assert 2**33 == quantile.count
    assert [2**33] == [times for _, times in quantile.to_dict()["buckets"]]


def size(quantile: Quantile) -> int:
    """Return how many bytes a histogram takes."""
    return sys.getsizeof(quantile) + sys.getsizeof(quantile._counts)


def test_stays_small_over_very_many_updates():
    """A histogram takes less than 8 kB, whatever it has seen."""
    quantile = Quantile()
    rng = random.Random(7)
    for _ in range(most(4_000, 400)):
        quantile.update_many(math.exp(rng.gauss(-3.0, 5.0)) for _ in range(250))

    assert 250 * most(4_000, 400) == quantile.count
    assert size(quantile) < 8000


def test_takes_as_much_as_it_has_to_tell():
    """What is within three doublings of a duration takes some hundred bytes; what is anywhere 2.7 kB."""
    near, anywhere, none = Quantile(), Quantile(), Quantile()
    none.update_many([0.0, -1.0] * 1_000)
    near.update_many([0.05, 0.1, 0.2] * 10_000)
    anywhere.update_many([1e-9, 1e-3, 1e9] * 10_000)

    assert max(size(near), size(none)) < 400
    assert size(anywhere) < 2_800
    assert [[0, 10_000], [1215, 10_000]] == anywhere.to_dict()["buckets"][::2]


@given(first=st.lists(durations), then=st.lists(durations), last=durations)
def test_what_was_seen_before_stays_when_there_is_more_room(first, then, last):
    """Whether shorter ones come later or earlier, one by one or merged, the same is counted."""
    merged, other, at_once = Quantile(), Quantile(), Quantile()
    merged.update_many(first)
    other.update(last)
    other.update_many(then)
    merged.merge(other)
    at_once.update_many([*first, *then, last])

    assert at_once.to_dict() == merged.to_dict() == Quantile.from_dict(merged.to_dict()).to_dict()
    assert at_once.count == merged.count
    assert at_once.value(0.5) == merged.value(0.5)


@pytest.mark.parametrize("most_in", [2**16, 2**32])
def test_a_bucket_widens_before_it_overflows(most_in):
    """Two bytes are enough for 65,535 durations, four for 4.3 billion, in whatever way one more comes."""
    for way in ("update", "update_many", "merge"):
        quantile, one = Quantile(), Quantile()
        quantile.update(0.1, times=most_in - 1)
        one.update(0.1)
        getattr(quantile, way)({"update": 0.1, "update_many": [0.1], "merge": one}[way])

        assert [most_in] == [times for _, times in quantile.to_dict()["buckets"]]


@pytest.mark.parametrize("times", [-1, 2**48 + 1, 2**70])
def test_a_record_of_more_than_can_have_been_counted_is_refused(times):
    """As any other that is none: a memory leaves that out, and goes on."""
    with pytest.raises(ValueError, match="with a count from 0 to"):
        Quantile.from_dict({"buckets": [[5, times]]})


class Small(Quantile):
    """Have room for five doublings."""

    __slots__ = ()
    MOST_BYTES = 320


@given(values=st.lists(durations, min_size=1), q=st.floats(min_value=0.0, max_value=1.0))
def test_where_room_is_limited_buckets_are_as_wide_as_it_takes(values, q):
    """All durations are counted, and the wider they are apart the more any quantile errs."""
    small = Small()
    small.update_many(values)
    apart = math.log2(max(values) / min(values))

    assert len(values) == small.count == sum(small._counts)
    assert len(small._counts) * small._counts.itemsize <= 320
    most = 0.016 if apart < 4.0 else 0.032 if apart < 9.0 else 0.064 if apart < 19.0 else 0.128
    assert small.value(q) == pytest.approx(exact(values, q), rel=most)


@given(parts=st.lists(st.lists(durations), min_size=2, max_size=4), many=st.sampled_from([1, 40_000]), data=st.data())
def test_where_room_is_limited_any_order_makes_the_same(parts, many, data):
    """One by one, at once or merged, of wide ones and narrow ones, with few durations or very many."""
    histograms, at_once = [Small() for _ in parts], Small()
    for histogram, part in zip(histograms, parts, strict=True):
        for seconds in part:
            histogram.update(seconds, many)
            at_once.update(seconds, many)
    merged = Small()
    for histogram in data.draw(st.permutations(histograms)):
        merged.merge(data.draw(st.sampled_from([histogram, Small.from_dict(histogram.to_dict())])))

    assert at_once.to_dict() == merged.to_dict()
    assert at_once.value(0.5) == merged.value(0.5)


def test_what_is_read_from_a_record_is_no_finer_than_it_was():
    """Buckets that became wide stay so when the durations that made them so are forgotten, in the record, too."""
    small = Small()
    small.update_many([1e-3] * 3 + [1e3])
    small.halve()
    again = Small.from_dict(small.to_dict())
    again.update(1.01e-3)

    assert small.to_dict()["buckets"][0][1] == 1
    assert again.to_dict()["doubled"] == small.to_dict()["doubled"] > 0
    assert again.count == small.count + 1
    for other in (Small(), Quantile()):
        other.update_many([2e-3, 3e-3])
        other.merge(again)
        assert other.to_dict()["doubled"] == small.to_dict()["doubled"]
        assert other.count == again.count + 2


@pytest.mark.parametrize(("doublings", "most"), [(4, 0.016), (9, 0.032), (19, 0.064), (37, 0.128)])
def test_the_middle_of_a_wide_bucket_is_told(doublings, most):
    """It is as far from both ends of the bucket, so that none of its durations is further off than that."""
    small = Small()
    values = [2e-6 * 2.0 ** (doublings * place / 999) for place in range(1_000)]
    small.update_many(values)
    off = [abs(small.value((place + 0.5) / 1_000) / value - 1.0) for place, value in enumerate(values)]

    assert 0.6 * most < max(off) <= most


def test_fewer_durations_take_fewer_bytes_again():
    """After a night of millions the counts that are left fit into two bytes."""
    small = Small()
    small.update(0.1, 100_000)
    small.halve()

    assert small.count == 50_000
    assert small._counts.itemsize == 2


@pytest.mark.parametrize("doubled", [-1, 6, 1.0, None])
def test_a_record_with_buckets_wider_than_a_doubling_is_refused(doubled):
    """Nothing has ever written it."""
    with pytest.raises(ValueError, match="doubled: expected a whole number"):
        Quantile.from_dict({"buckets": [[0, 1]], "doubled": doubled})


def counted(values: list[float]) -> Quantile:
    """Return a histogram of *values*."""
    quantile = Quantile()
    quantile.update_many(values)
    return quantile


@given(parts=st.lists(st.lists(durations), max_size=6), own=st.lists(durations))
def test_many_merged_at_once_are_what_they_are_one_by_one(parts, own):
    """Those that keep the same buckets are added up together, which changes nothing."""
    others = [counted(part) for part in parts for _ in range(2)]
    at_once, one_by_one = counted(own), counted(own)
    at_once.merge_all(iter(others))
    for other in others:
        one_by_one.merge(other)

    assert at_once.count == one_by_one.count
    assert at_once.to_dict() == one_by_one.to_dict()
