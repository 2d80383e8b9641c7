"""A worker is replaced for what it has grown by, before there is no memory left."""

from __future__ import annotations

import os

import pytest

from unbreakable.loops import memory
from unbreakable.loops.memory import EVERY, SETTLED, Memory, limit, resident
from unbreakable.testing import virtual_time


@pytest.fixture
def taken(monkeypatch):
    """Return what the worker takes, to be changed."""
    bytes_taken = [100 * 10**6]
    monkeypatch.setattr(memory, "resident", lambda pid: bytes_taken[0])
    monkeypatch.setattr(memory, "limit", lambda: 10**9)
    monkeypatch.setattr(Memory, "needed_soon", 0)
    return bytes_taken


def looks(clock, worker, seconds):
    """Return what is said in so many seconds."""
    said = []
    for _ in range(int(seconds / EVERY)):
        clock.advance(EVERY)
        said.append(worker.look())
    return [word for word in said if word]


def test_a_worker_that_grows_is_replaced_before_the_end(taken):
    """It has taken a tenth of the machine, and takes nine tenths by now."""
    with virtual_time() as clock:
        worker = Memory(1)
        assert [] == looks(clock, worker, 2 * SETTLED)
        taken[0] = 900 * 10**6
        assert ["takes 900 MB of memory, and may take 850 MB"] == looks(clock, worker, EVERY)


def test_a_program_that_needs_the_machine_has_it(taken):
    """It would need it after it was replaced, too."""
    with virtual_time() as clock:
        taken[0] = 900 * 10**6
        worker = Memory(1)
        assert [] == looks(clock, worker, 100.0)


def test_a_program_that_loads_what_it_needs_after_its_beginning_is_replaced_once(taken):
    """The next one takes as much again, and is left alone."""
    said = []
    for seconds in (20.0, 20.0, 300.0):
        with virtual_time() as clock:
            taken[0] = 100 * 10**6
            worker = Memory(1)
            looks(clock, worker, seconds / 2)
            taken[0] = 900 * 10**6
            said.append(len(looks(clock, worker, EVERY)))

    assert [1, 0, 0] == said


def test_a_leak_that_takes_long_is_seen_each_time(taken):
    """What is taken after a minute is no need of the beginning."""
    said = []
    for _ in range(3):
        with virtual_time() as clock:
            taken[0] = 100 * 10**6
            worker = Memory(1)
            looks(clock, worker, 300.0)
            taken[0] = 900 * 10**6
            said.append(len(looks(clock, worker, EVERY)))

    assert [1, 1, 1] == said


def test_a_limit_that_somebody_names_holds_in_any_case(taken):
    """Whoever says so knows what the program needs."""
    with virtual_time() as clock:
        taken[0] = 300 * 10**6
        worker = Memory(1, 200 * 10**6)
        assert looks(clock, worker, EVERY) == ["takes 300 MB of memory, and may take 200 MB"]


def test_what_this_process_takes_is_known():
    """A hundred megabytes more are seen; of a process that is gone nothing is known."""
    before = resident(os.getpid())
    held = bytearray(100 * 10**6)
    held[::4096] = b"x" * len(held[::4096])

    assert resident(os.getpid()) - before > 90 * 10**6
    assert 0 == resident(2**30)


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/app/one", {"app/memory.max": "500000000", "app/one/memory.max": "max"}, 500_000_000),
        ("0::/app", {"app/memory.max": "max"}, None),
        ("4:cpu:/\n5:memory:/app", {"memory/app/memory.limit_in_bytes": "300000000"}, 300_000_000),
        ("5:memory:/app", {"memory/app/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("5:memory:/", {}, None),
    ],
)
def test_a_cgroup_is_asked_for_its_limit(tmp_path, line, files, expected):
    """Of both versions, also where a group further up has it; else it is the machine's."""
    (tmp_path / "own").write_text(line)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    assert (expected or machine) == limit(tmp_path, tmp_path / "own")
    assert machine == limit(tmp_path / "nothing", tmp_path / "none")
