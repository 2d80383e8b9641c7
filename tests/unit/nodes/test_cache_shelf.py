"""What stays and what goes when there is no room for all."""

from __future__ import annotations

import bisect
import itertools
import random
from collections import OrderedDict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.dense import DENSE, most

from unbreakable.nodes.caching.shelf import MOST_SWEPT, Entry, Shelf

FOR_EVER = float("inf")


def fill(shelf, keys, until=FOR_EVER, now=0.0):
    for key in keys:
        shelf.put(Entry(key, until), now)


def use(shelf, key):
    entry = shelf.entries.get(key)
    if entry is not None:
        entry.use()
    return entry is not None


# ── room ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("most", [1, 2, 3, 9, 10, 11, 100])
def test_there_are_never_more_than_the_most(most):
    """Whatever the size, each new entry finds room, and the last one is there."""
    shelf, dice = Shelf(most), random.Random(7)

    for number in range(5 * most + 20):
        fill(shelf, [number])
        assert number in shelf.entries
        assert min(number + 1, most) == len(shelf.entries)
        use(shelf, dice.randrange(number + 1))


def test_what_is_asked_for_again_outlives_what_is_not():
    """Fifty values used twice survive ten thousand that are asked for once."""
    shelf = Shelf(1_000)
    fill(shelf, range(50))
    for key in range(50):
        use(shelf, key)

    fill(shelf, range(1_000, 11_000))

    assert 50 == sum(key in shelf.entries for key in range(50))


def test_what_comes_back_soon_after_it_went_stays_longer():
    """A key that left for want of use and returns is taken for one that is used."""
    shelf = Shelf(100)
    fill(shelf, ["back"])
    fill(shelf, range(150))
    gone = "back" not in shelf.entries
    fill(shelf, ["back"])
    fill(shelf, range(150, 1_000))

    assert gone
    assert "back" in shelf.entries


def test_what_is_loaded_again_keeps_its_standing():
    """A value in the place of an older one of the same key is as well liked as that was."""
    shelf = Shelf(100)
    fill(shelf, ["liked"])
    use(shelf, "liked")
    fill(shelf, ["liked"])
    fill(shelf, range(1_000))

    assert "liked" in shelf.entries


def test_what_was_liked_once_is_not_kept_for_ever():
    """A thousand uses of long ago count no more than a few: when nobody asks any more, it goes."""
    shelf = Shelf(10)
    fill(shelf, ["once"])
    for _ in range(1_000):
        use(shelf, "once")

    for number in range(500):
        fill(shelf, [number])
        use(shelf, number)

    assert "once" not in shelf.entries


def test_what_has_been_replaced_can_be_dropped_all_the_same():
    """Dropping an entry takes nothing from the one that is in its place."""
    shelf = Shelf(3)
    old, new = Entry("k", FOR_EVER), Entry("k", FOR_EVER)
    shelf.put(old, 0.0)
    shelf.put(new, 0.0)

    assert not shelf.drop(old)
    assert {"k": new} == shelf.entries == shelf.small
    assert shelf.drop(new)
    assert {} == shelf.entries == shelf.small


def test_one_entry_makes_room_in_bounded_time():
    """Even if everything is in use, few entries are passed over before one goes."""
    shelf = Shelf(10_000)
    fill(shelf, range(10_000))
    for key in range(10_000):
        use(shelf, key)
    order = list(shelf.entries)

    fill(shelf, ["new"])

    moved = sum(entry.queue is shelf.main for entry in shelf.entries.values())
    assert 9_999 == len(set(order) & set(shelf.entries))
    assert moved <= 64


# ── age ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_too_old_is_given_no_further_round():
    """When room is made, an old entry goes, liked or not, before a fresh one that nobody asked for."""
    shelf = Shelf(3)
    for key, until in (("liked", FOR_EVER), ("liked once", 10.0), ("not yet liked", FOR_EVER)):
        fill(shelf, [key], until=until)
        if key.startswith("liked"):
            use(shelf, key)

    fill(shelf, ["new"], now=11.0)

    assert {"liked", "not yet liked", "new"} == set(shelf.entries)


def test_what_is_too_old_goes_first():
    """Old entries make room, liked or not; nothing fresh is evicted for want of it."""
    shelf = Shelf(100)
    fill(shelf, range(50), until=10.0)
    for key in range(50):
        use(shelf, key)
    fill(shelf, range(50, 100), until=100.0, now=1.0)

    fill(shelf, range(100, 150), until=100.0, now=11.0)

    assert set(range(50, 150)) == set(shelf.entries)
    assert (0, 50) == (shelf.evicted, shelf.expired)


def test_old_entries_go_though_there_is_room():
    """With each new entry a few old ones go, so that they do not stay for want of others."""
    shelf = Shelf(10_000)
    fill(shelf, range(1_000), until=10.0)

    fill(shelf, [f"new {number}" for number in range(1_000 // MOST_SWEPT + 1)], now=11.0)

    assert 1_000 // MOST_SWEPT + 1 == len(shelf.entries)


def test_what_is_loaded_again_does_not_keep_the_old_ones_behind_it():
    """An entry in the place of an older one stands at the end of the line, so that those before it are seen to go."""
    shelf = Shelf(100)
    fill(shelf, ["again"], until=10.0)
    fill(shelf, range(10), until=10.0)
    fill(shelf, ["again"], until=20.0, now=9.0)

    shelf.sweep(11.0, 99)

    assert ["again"] == list(shelf.entries)


# ── tags ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_remembered_of_tags_that_no_entry_has():
    """After tens of thousands of tags as many are known as entries have."""
    shelf = Shelf(100)

    for number in range(100_000 if DENSE else 20_000):
        entry = Entry(number, FOR_EVER, (f"a{number}", f"b{number}"))
        shelf.tag(entry)
        shelf.put(entry, 0.0)

    assert 200 == len(shelf.tagged)
    assert len(shelf.ghosts) <= 100
    assert 100 == len(shelf.small) + len(shelf.main) == len(shelf.entries)


# ── hit ratios ──────────────────────────────────────────────────────────────────────────────────────────────────────


def zipf(count, keys, exponent, seed):
    """Return keys of which the most popular are asked for most often."""
    dice, weights = random.Random(seed), list(itertools.accumulate(1 / rank**exponent for rank in range(1, keys + 1)))
    return [bisect.bisect(weights, dice.random() * weights[-1]) for _ in range(count)]


def with_passers_by(trace, seed):
    """Let every third request be for something that is never asked for again."""
    dice = random.Random(seed)
    return [("once", number) if dice.random() < 1 / 3 else key for number, key in enumerate(trace)]


TRACES = {
    "zipf": zipf(60_000, 20_000, 0.9, seed=1),
    "zipf with passers-by": with_passers_by(zipf(60_000, 20_000, 0.9, seed=2), seed=3),
    "shifting zipf": [key + (number // 7_500) * 300 for number, key in enumerate(zipf(60_000, 20_000, 0.9, seed=4))],
}


def hits_of_lru(trace, most):
    kept, hits = OrderedDict(), 0
    for key in trace:
        if key in kept:
            kept.move_to_end(key)
            hits += 1
        else:
            kept[key] = None
            if len(kept) > most:
                kept.popitem(last=False)
    return hits / len(trace)


def hits_of_shelf(trace, most):
    shelf, hits = Shelf(most), 0
    for key in trace:
        if use(shelf, key):
            hits += 1
        else:
            fill(shelf, [key])
    return hits / len(trace)


@pytest.mark.parametrize("most", [100, 1_000])
@pytest.mark.parametrize(("trace", "gain"), [("zipf", 1.15), ("zipf with passers-by", 1.25), ("shifting zipf", 1.0)])
def test_more_is_hit_than_by_an_lru(trace, gain, most):
    """On skewed requests it hits clearly more often than what throws out the least recently used."""
    ours, lru = hits_of_shelf(TRACES[trace], most), hits_of_lru(TRACES[trace], most)

    assert ours >= gain * lru, (ours, lru)


# ── anything, in any order ──────────────────────────────────────────────────────────────────────────────────────────


class AnyOrder(RuleBasedStateMachine):
    """Do anything to a small shelf; its parts always agree with one another, and all that came is accounted for."""

    keys = st.integers(0, 12)

    def __init__(self):
        super().__init__()
        self.shelf, self.now, self.came, self.dropped, self.replaced = Shelf(5), 0.0, 0, 0, 0

    @rule(key=keys, life=st.integers(1, 5), tags=st.lists(st.sampled_from("abc"), unique=True))
    def put(self, key, life, tags):
        old = self.shelf.entries.get(key)
        self.replaced += old is not None and old.until > self.now
        entry = Entry(key, self.now + life, tuple(tags))
        self.shelf.tag(entry)
        self.shelf.put(entry, self.now)
        self.came += 1
        assert self.shelf.entries[key] is entry

    @rule(key=keys)
    def use(self, key):
        use(self.shelf, key)

    @rule(tag=st.sampled_from("abc"))
    def drop(self, tag):
        self.dropped += sum(self.shelf.drop(entry) for entry in self.shelf.with_tags([tag]))
        assert [] == [entry for entry in self.shelf.entries.values() if tag in entry.tags]

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def sweep(self):
        self.shelf.sweep(self.now, 99)

    @invariant()
    def the_parts_agree(self):
        shelf = self.shelf
        assert len(shelf.entries) <= shelf.most
        assert shelf.entries == {**shelf.small, **shelf.main}
        assert len(shelf.entries) == len(shelf.small) + len(shelf.main)
        assert not set(map(hash, shelf.entries)) & set(shelf.ghosts)
        tagged = {(tag, entry) for tag, entries in shelf.tagged.items() for entry in entries}
        assert {(tag, entry) for entry in shelf.entries.values() for tag in entry.tags} == tagged

    @invariant()
    def the_count_adds_up(self):
        gone = self.shelf.evicted + self.shelf.expired + self.dropped + self.replaced
        assert self.came == len(self.shelf.entries) + gone


AnyOrder.TestCase.settings = settings(max_examples=most(60, 25), stateful_step_count=40)
test_any_order = AnyOrder.TestCase
