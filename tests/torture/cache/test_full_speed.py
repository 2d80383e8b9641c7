"""Everything at once, in real threads and on real event loops."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from unbreakable.nodes import CacheNode


class Register:
    """Numbers that readers cache while writers raise them, and what readers saw that was older than it may be."""

    def __init__(self, keys):
        self.cache, self.keys, self.stop = CacheNode(max_size=16), keys, threading.Event()
        self.written, self.told = [0] * keys, [0] * keys
        self.locks = [threading.Lock() for _ in range(keys)]
        self.reads, self.wrong = [0] * 4, []

    def steps(self, reader):
        """Yield a key, and the number below which nothing may come, until it is time to stop."""
        key = reader
        while not self.stop.is_set():
            key = (key * 5 + 7) % self.keys
            yield key, self.told[key]
            self.reads[reader] += 1

    def judge(self, key, value, floor):
        if value < floor:
            self.wrong.append((key, value, floor))

    def read(self, reader):
        for key, floor in self.steps(reader):
            self.judge(key, self.cache.get_sync(key, lambda key=key: self.written[key], tags=[key % 3]), floor)

    def read_on_a_loop(self, reader):
        asyncio.run(self.read_three_times(reader))

    async def read_three_times(self, reader):
        """Ask three times at once, and call one of them off."""
        for key, floor in self.steps(reader):

            async def fetch(key=key):
                number = self.written[key]
                await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop
                return number

            calls = [asyncio.ensure_future(self.cache.get(key, fetch, tags=[key % 3])) for _ in range(3)]
            await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop
            calls[self.reads[reader] % 3].cancel()
            for value in await asyncio.gather(*calls, return_exceptions=True):
                self.judge(key, floor if isinstance(value, asyncio.CancelledError) else value, floor)

    def write(self, writer):
        number = 0
        while number < 1_500 or min(self.reads) < 100:
            number += 1
            key = (number * 7 + writer * 5) % self.keys
            with self.locks[key]:
                self.written[key] += 1
                self.invalidate(key, number)
                self.told[key] = self.written[key]

    def invalidate(self, key, number):
        if number % 97 == 0:
            self.cache.invalidate()
        elif number % 40 == 0:
            self.cache.invalidate(tags=[key % 3])
        else:
            self.cache.invalidate(key)


@pytest.fixture
def hasty_threads():
    """Let threads take turns a hundred times as often as they do."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.real
@pytest.mark.parametrize("loops", [0, 2, 4])
def test_nothing_stale_is_seen_at_full_speed(loops, hasty_threads):
    """Readers in threads and on event loops, writers and invalidators: no read is older than the last told write."""
    register = Register(keys=24)
    work = [register.read_on_a_loop if number < loops else register.read for number in range(4)]
    readers = [threading.Thread(target=read, args=(number,)) for number, read in enumerate(work)]
    writers = [threading.Thread(target=register.write, args=(number,)) for number in range(2)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join(60)
    register.stop.set()
    for thread in readers:
        thread.join(60)
    status, shelf = register.cache.get_status(), register.cache.leases.shelf

    assert [] == register.wrong
    assert loops or sum(register.reads) == status.hits + status.misses or without_gil()
    assert 0 == status.in_flight == len(register.cache.leases.flights)
    assert len(shelf.entries) == len(shelf.small) + len(shelf.main) <= 16
    assert all(entry in shelf.tagged[tag] for entry in shelf.entries.values() for tag in entry.tags)


def without_gil():
    """Return whether hits of threads at the same moment may count once."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()
