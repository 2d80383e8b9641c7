"""Whatever happens to a log, in whatever order, it keeps what it confirmed."""

from __future__ import annotations

import contextlib
import random
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.dense import most
from tests.unit.storage.conftest import ModelDisk, read_all

from unbreakable.errors import StateError
from unbreakable.storage.log import Log
from unbreakable.storage.reading import Gap

SMALL = 16 * 1024  # bytes of the whole log; a file takes 2 KiB
VERBS = ["write", "sync", "sync_folder", "create", "cut", "remove", "rename", "open", "read"]


def payload(number):
    return f"{number} ".encode() * (1 + number * 37 % 150)


class LogStory(RuleBasedStateMachine):
    """Write, confirm, read and be done; be killed, lose power and be refused at any moment."""

    @initialize()
    def begin(self):
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name) / "log"
        self.disk, self.log = ModelDisk(), None
        self.confirmed = self.read = self.done = self.written = 0
        self.missing, self.shaky = set(), False
        self.open()

    def open(self):
        self.disk.failing.clear()
        self.log = Log(self.folder, durable=True, log_bytes=SMALL, disk=self.disk)

    @rule(count=st.integers(1, 12), jump=st.sampled_from([1, 1, 1, 4]))
    def append(self, count, jump):
        for number in range(self.log.last + jump, self.log.last + jump + count):
            try:
                self.log.append(number, 0, payload(number))
            except StateError:
                return
            self.missing -= {number}
            self.missing |= set(range(self.written + 1, number)) if jump > 1 else set()
            self.written = number

    @rule()
    def sync(self):
        try:
            self.confirmed = max(self.confirmed, self.log.sync())
            self.shaky = False
        except StateError:
            self.shaky = True
            assert self.log.trouble is not None

    @rule(most=st.integers(1, 30))
    def take(self, most):
        try:
            found = self.log.read(most, self.log.synced)
        except StateError:
            return
        self.look_at(found)

    def look_at(self, found):
        for each in found:
            assert not isinstance(each, Gap), each
            assert each.number > self.read
            assert payload(each.number) == each.payload
            assert set(range(self.read + 1, each.number)) <= self.missing
            self.read = each.number

    @rule()
    def be_done(self):
        with contextlib.suppress(StateError):  # it may be on record all the same
            self.log.done(self.read)
        self.done = self.read

    @rule(verb=st.sampled_from(VERBS), after=st.integers(1, 3), times=st.integers(1, 3), partly=st.integers(0, 60))
    def refuse(self, verb, after, times, partly):
        self.disk.fail(verb, *range(after, after + times), partly=partly)

    @rule()
    def die(self):
        self.log._owner.release()
        self.open()
        self.look_again(lost_from=(self.confirmed if self.shaky else self.written) + 1)

    @rule(seed=st.integers(0, 10**6))
    def lose_power(self, seed):
        self.log._owner.release()
        self.disk = self.disk.power_cut(random.Random(seed))
        self.open()
        self.look_again(lost_from=self.confirmed + 1)

    def look_again(self, lost_from):
        """Everything that is not done with and was confirmed is there; what was not may be lost, or be a gap."""
        there, before = set(), 0
        for each in read_all(self.log):
            if isinstance(each, Gap):
                assert all(number >= lost_from or number in self.missing for number in range(each.first, each.last + 1))
                before = each.last
                continue
            assert each.number > before
            assert payload(each.number) == each.payload
            there.add(each.number)
            before = each.number
        expected = set(range(self.done + 1, lost_from)) - self.missing
        assert expected <= there, expected - there
        self.written = self.read = self.log.last
        self.missing |= set(range(lost_from, self.log.last + 1)) - there
        self.done, self.shaky = min(self.done, self.read), False

    @precondition(lambda self: self.log is not None)
    @invariant()
    def limits_hold(self):
        assert self.log.size_bytes <= SMALL + 2048
        assert self.log.synced <= self.log.last

    def teardown(self):
        if getattr(self, "log", None) is not None:
            self.disk.failing.clear()
            self.log.close()
        if hasattr(self, "place"):
            self.place.cleanup()


TestLogStory = LogStory.TestCase
TestLogStory.settings = settings(max_examples=most(100, 30), stateful_step_count=40)
