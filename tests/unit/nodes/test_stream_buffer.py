"""Whatever happens to a line of items, they leave it in order, each once, and are counted in one place."""

from __future__ import annotations

import contextlib
import random
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.dense import most
from tests.unit.storage.conftest import ModelDisk

from unbreakable.errors import StateError
from unbreakable.nodes.streaming.buffer import Buffer, Rules
from unbreakable.storage.log import Log

MODES = {
    "memory": {},
    "overflow": {"overflow": True},
    "process": {"overflow": True, "logs_all": True},
    "durable": {"overflow": True, "logs_all": True, "confirms": True},
}


class BufferStory(RuleBasedStateMachine):
    """Put, take, settle and let go; close and open; be killed and be refused, in every mode."""

    @initialize(mode=st.sampled_from(sorted(MODES)), most=st.integers(1, 6))
    def begin(self, mode, most):
        options = dict(MODES[mode])
        self.overflow, self.mode = options.pop("overflow", False), mode
        self.rules_ = Rules(most=most, **options)
        self.place = tempfile.TemporaryDirectory()
        self.disk = ModelDisk()
        self.waiting, self.next, self.numbers = [], 0, {}  # what is in the line, by its payload
        self.lease = self.log = None
        self.unmarked = []  # what is settled, but not on record as such
        self.open()

    def open(self):
        self.disk.failing.clear()
        if self.overflow:
            folder = Path(self.place.name) / "log"
            self.log = Log(folder, durable=self.rules_.confirms, log_bytes=2**20, disk=self.disk)
        self.buffer = Buffer(self.rules_, self.log, "run", lambda gap: None)
        self.buffer.count.found(0 if self.log is None else self.log.count(), 0)
        self.handled = 0

    @rule(count=st.integers(1, 9))
    def put(self, count):
        for _ in range(count):
            entry = self.buffer.put(0, b"%d" % self.next)
            if entry is None:
                return
            self.waiting.append((b"%d" % self.next, entry.is_logged))
            self.numbers[b"%d" % self.next] = entry.number
            self.next += 1

    @rule(verb=st.sampled_from(["write", "sync", "create", "read", "open"]), times=st.integers(1, 4))
    def refuse(self, verb, times):
        self.disk.fail(verb, *range(1, times + 1))

    @rule()
    def confirm(self):
        if self.log is not None:
            try:
                self.log.sync()
            except StateError:
                return

    @rule(most=st.integers(1, 8))
    def take(self, most):
        ready = self.buffer.ready()
        try:
            self.lease = self.buffer.take(most)
        except StateError:
            self.lease = None
            return
        taken = [] if self.lease is None else [entry.payload for entry in self.lease.entries]
        assert taken == [payload for payload, _ in self.waiting[: len(taken)]]
        assert len(taken) <= most
        assert not taken or self.mode != "durable" or self.lease.entries[-1].number <= self.log.synced
        if ready and not self.disk.failing:
            assert taken

    @rule(count=st.integers(1, 8), aside=st.booleans())
    def settle(self, count, aside):
        if self.lease is None:
            return
        entries = self.lease.entries[: 1 if aside else count]
        settled = self.buffer.bury if aside else self.buffer.settle
        assert settled(self.lease, entries[-1].number)
        logged = [each for each in self.waiting[: len(entries)] if each[1]]
        is_marked = self.log is not None and logged and self.log._mark.number >= entries[-1].number
        self.unmarked = [] if is_marked else self.unmarked + logged
        del self.waiting[: len(entries)]
        self.handled += len(entries)
        if not self.lease.entries:
            self.lease = None

    @rule()
    def let_go(self):
        self.buffer.release()
        self.lease = None

    @rule()
    def close_and_open(self):
        self.disk.failing.clear()
        before = self.buffer
        before.write_down()
        if self.log is not None:
            self.log.close()
            self.waiting = [(payload, True) for payload, _ in self.waiting]
            self.unmarked = []
            self.open()
        else:
            before.release()
        self.lease = None

    @rule(written=st.integers(0, 2))
    def close_on_a_full_disk_and_open(self, written):
        """Write down as many rows as there is room for; what was not written goes over in memory."""
        if self.log is None:
            return
        self.disk.failing.clear()
        before = self.buffer
        self.disk.fail("create", *range(written + 1, written + 50))
        with contextlib.suppress(StateError):
            before.write_down()
        self.disk.failing.clear()
        self.log.close()
        self.unmarked = []
        in_memory = {entry.payload for entry in before.only_in_memory()}
        self.waiting = [(payload, payload not in in_memory) for payload, _ in self.waiting]
        self.open()
        self.buffer.adopt(before)
        self.handled = before.counted()["handled"]  # what was set aside is found where it was set aside
        self.lease = None

    @rule()
    def be_killed(self):
        if self.log is None:
            return
        self.log._owner.release()
        least = self.log.synced if self.mode == "durable" else self.log.last
        self.open()
        self.lease = None
        there, expected = self.buffer.counted()["on_disk"], [each for each in self.waiting if each[1]]
        if there < len(expected):  # what was not confirmed may be there or not
            assert there >= sum(self.numbers[payload] <= least for payload, _ in expected)
            expected = expected[:there]
        again = there - len(expected)
        assert 0 <= again <= len(self.unmarked)
        self.waiting = self.unmarked[len(self.unmarked) - again :] + expected
        self.unmarked = []

    @invariant()
    def everything_is_counted_in_one_place(self):
        if not hasattr(self, "buffer"):
            return
        counted = self.buffer.counted()
        accepted = counted.pop("accepted")
        assert accepted == sum(counted.values()), counted
        in_memory = sum(not is_logged for _, is_logged in self.waiting)
        assert (in_memory, len(self.waiting) - in_memory) == (counted["in_memory"], counted["on_disk"])
        assert counted["in_memory"] <= self.rules_.most
        assert self.handled == counted["handled"] + counted["dead_letter"]
        if not self.waiting:
            assert self.buffer.settled.value == self.buffer.last

    def teardown(self):
        if hasattr(self, "buffer"):
            self.disk.failing.clear()
            if self.log is not None:
                self.log.close()
            self.place.cleanup()


TestBufferStory = BufferStory.TestCase
TestBufferStory.settings = settings(max_examples=most(100, 30), stateful_step_count=40)


def test_a_lease_that_was_taken_over_settles_nothing():
    """Two consumers never both have an item."""
    buffer = Buffer(Rules(most=4), None, "run", lambda gap: None)
    for payload in "abc":
        buffer.put(0, payload)
    old = buffer.take(2)
    new = buffer.take(2)

    assert ["a", "b"] == [entry.payload for entry in new.entries]
    assert not buffer.settle(old, 2)
    assert not buffer.bury(old, 1)
    assert buffer.settle(new, 1)
    assert {"accepted": 3, "handled": 1, "in_memory": 2, "on_disk": 0, "dead_letter": 0, "quarantined": 0} == (
        buffer.counted()
    )


def test_random_bursts_keep_their_order():
    """Ten thousand items through a memory of three, in bursts of any size."""
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as place:
        log = Log(Path(place), durable=False, log_bytes=2**24, disk=ModelDisk())
        buffer, sent, seen = Buffer(Rules(most=3), log, "run", lambda gap: None), 0, []
        while len(seen) < 10_000:
            for _ in range(dice.choice([0, 1, 2, 5, 40, 400]) if sent < 10_000 else 0):
                buffer.put(0, b"%d" % sent)
                sent += 1
            for _ in range(dice.choice([1, 3, 30, 300])):
                lease = buffer.take(dice.randint(1, 5))
                if lease is None:
                    break
                seen += [int(entry.payload) for entry in lease.entries]
                buffer.settle(lease, lease.entries[-1].number)
        log.close()

    assert list(range(len(seen))) == seen


def test_what_a_full_disk_left_in_memory_stays_behind_what_is_on_disk(tmp_path):
    """Nothing overtakes an older item, and nothing counts as settled before it is."""
    disk, settings_ = ModelDisk(), {"durable": False, "log_bytes": 2**20}
    before = Buffer(Rules(most=2), Log(tmp_path, disk=disk, **settings_), "run", lambda gap: None)
    for number in range(1, 5):  # 1 and 2 in memory, 3 and 4 on disk
        before.put(0, b"%d" % number)
    before.settle(before.take(2), 2)
    before.take(2)  # 3 and 4 in memory, too
    before.settle(before.lease, 3)
    before.put(0, b"5")  # in memory only
    disk.fail("create", *range(1, 99))
    with contextlib.suppress(StateError):
        before.write_down()
    before.log.close()
    disk.failing.clear()
    after = Buffer(Rules(most=2), Log(tmp_path, disk=disk, **settings_), "run", lambda gap: None)
    after.count.found(after.log.count(), 0)
    after.adopt(before)
    after.put(0, b"6")

    seen, settled = [], []
    while lease := after.take(1):
        seen.append(int(lease.entries[0].payload))
        after.settle(lease, lease.entries[0].number)
        settled.append(after.settled.value)
    after.log.close()

    assert [4, 5, 6] == seen == settled
