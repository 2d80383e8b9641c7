"""Damage costs what was damaged, and is told to the record."""

from __future__ import annotations

import random

import pytest
from tests.unit.storage.conftest import (
    after,
    contents,
    filled,
    killed,
    opened,
    payload,
    place_of,
    read_all,
    segments,
)

from unbreakable.storage.segment import START, Header


@pytest.mark.parametrize("victim", [1, 30, 57, 100])
def test_a_flipped_bit_costs_one_record_which_is_named(tmp_path, disk, victim):
    """Whichever byte of it is hit: first, last or in the middle of the log."""
    log = filled(tmp_path, disk)
    clean = killed(log, disk)
    path, at, size = place_of(clean, victim)
    wrong = {}
    for offset in range(size):
        hurt = clean.copy()
        hurt.names_now[path].now[at + offset] ^= 1 << offset % 8
        log = opened(tmp_path, hurt)
        counted, found = log.count(), contents(log)
        log.close()
        if found != ([n for n in range(1, 101) if n != victim], [(victim, victim)]) or counted != 100:
            wrong[offset] = counted, found

    assert {} == wrong


def test_a_flipped_bit_in_a_header_costs_nothing(tmp_path, disk):
    """Headers are there twice."""
    clean = killed(filled(tmp_path, disk), disk)
    wrong = {}
    for path in (segments(clean)[0], segments(clean)[-1]):
        for offset in range(START):
            hurt = clean.copy()
            hurt.names_now[path].now[offset] ^= 1 << offset % 8
            log = opened(tmp_path, hurt)
            found = contents(log)
            log.close()
            if found != (list(range(1, 101)), []):
                wrong[path.name, offset] = found

    assert {} == wrong


def test_a_file_without_a_header_is_read_by_what_its_name_says(tmp_path, disk):
    """Whichever it is, the newest and the only one included: its records are there, and it is kept."""
    clean = killed(filled(tmp_path, disk), disk)
    for victim in segments(clean):
        hurt = clean.copy()
        hurt.names_now[victim].now[:START] = bytes(START)
        log = opened(tmp_path, hurt)
        assert (list(range(1, 101)), []) == contents(log)
        log.done(100)
        log.close()
        assert victim.name + ".damaged" in hurt.names(tmp_path)


def test_a_block_that_is_lost_with_the_header_costs_the_records_in_it(tmp_path, disk):
    """They are named; those behind are read."""
    clean = killed(filled(tmp_path, disk, range(1, 31), log_bytes=2**24), disk)
    (victim,) = segments(clean)
    clean.names_now[victim].now[:4096] = bytes(4096)
    numbers, gaps = contents(opened(tmp_path, clean))

    assert [*range(numbers[0], 31)] == numbers
    assert [(1, numbers[0] - 1)] == gaps


def test_a_file_of_which_nothing_can_be_read_is_set_aside_and_its_records_are_named(tmp_path, disk):
    """It is renamed, never deleted, and told until somebody has taken it away; the others are read."""
    clean = killed(filled(tmp_path, disk), disk)
    victim, following = segments(clean)[1:3]
    lost = range(int(victim.name[:20]), int(following.name[:20]))
    clean.names_now[victim].now[:START] = bytes(START)
    aside = f"{victim.name[:31]}.segment.broken"  # as the first files were called, whose names did not tell
    clean.names_now[victim.with_name(aside.removesuffix(".broken"))] = clean.names_now.pop(victim)
    log = opened(tmp_path, clean)

    assert ([n for n in range(1, 101) if n not in lost], [(lost[0], lost[-1])]) == contents(log)
    log.done(100)
    log.close()
    again = opened(tmp_path, clean)
    assert ([aside], [aside]) == (log.broken, again.broken)
    assert aside in clean.names(tmp_path)


@pytest.mark.parametrize("place", [0, 1])
def test_a_file_that_is_missing_is_a_gap(tmp_path, disk, place):
    """Somebody cleaned up by hand."""
    clean = killed(filled(tmp_path, disk), disk)
    victim, following = segments(clean)[place : place + 2]
    lost = range(int(victim.name[:20]), int(following.name[:20]))
    del clean.names_now[victim]

    assert ([n for n in range(1, 101) if n not in lost], [(lost[0], lost[-1])]) == contents(opened(tmp_path, clean))


def test_a_damaged_file_is_kept_when_it_is_done_with(tmp_path, disk):
    """Somebody may want to see what is left of the record."""
    clean = killed(filled(tmp_path, disk), disk)
    path, at, _ = place_of(clean, 5)
    clean.names_now[path].now[at] ^= 1
    log = opened(tmp_path, clean)
    read_all(log)
    log.done(100)
    log.close()

    assert [path.name + ".damaged", "mark"] == clean.names(tmp_path)


def test_a_damaged_block_costs_the_records_in_it(tmp_path, disk):
    """A device loses 4 KiB at a time; what is lost is told to the record."""
    clean = killed(filled(tmp_path, disk), disk)
    content = clean.names_now[segments(clean)[0]].now
    content[2048:6144] = random.Random(1).randbytes(4096)
    read, gaps = contents(opened(tmp_path, clean))
    ((first, last),) = gaps

    assert [n for n in range(1, 101) if not first <= n <= last] == read
    assert 10 <= last - first <= 20


@pytest.mark.parametrize("broken", [{0}, {4096}, {0, 4096}])
def test_a_damaged_mark_lets_records_be_read_again(tmp_path, disk, broken):
    """One of its slots damaged, the other tells; both, and all that is still there is read."""
    log = filled(tmp_path, disk)
    log.done(41)
    log.done(42)
    clean = killed(log, disk)
    for at in broken:
        clean.names_now[tmp_path / "mark"].now[at + 9] ^= 1
    read, gaps = contents(opened(tmp_path, clean))

    assert [] == gaps
    assert read == list(range(read[0], 101))
    assert read[0] in ({42, 43} if len(broken) == 1 else {1 + 100 // 5 * n for n in range(3)} | set(range(43)))


# ── torn ends ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tail_torn_anywhere_loses_only_what_was_not_whole(tmp_path, disk):
    """At every byte of the last two records; nothing is taken for damage, and the log goes on."""
    clean = killed(filled(tmp_path, disk), disk)
    path, start, _ = place_of(clean, 99)
    end, wrong = len(clean.names_now[path].now), {}
    for size in range(start, end):
        torn = clean.copy()
        del torn.names_now[path].now[size:]
        whole = 98 if size < place_of(clean, 100)[1] else 99
        log = opened(tmp_path, torn)
        found = contents(log)
        log.append(log.last + 1, 0, payload(log.last + 1))
        log.sync()
        again = after(log, torn)
        if found != (list(range(1, whole + 1)), []) or again != (list(range(1, whole + 2)), []):
            wrong[size] = found, again

    assert {} == wrong


@pytest.mark.parametrize(("junk", "gaps"), [(bytes(4096), []), (b"\x07" * 100, [(101, 101)]), (b"\x07" * 20, [])])
def test_junk_after_the_end_is_not_taken_for_records(tmp_path, disk, junk, gaps):
    """Zeros are what a file system shows that had no time to write; other junk may have been a record."""
    clean = killed(filled(tmp_path, disk), disk)
    clean.names_now[segments(clean)[-1]].now.extend(junk)

    assert (list(range(1, 101)), gaps) == contents(opened(tmp_path, clean))


def test_a_file_whose_maker_died_over_it_is_removed(tmp_path, disk):
    """Before its header was written there was no record in it."""
    clean = killed(filled(tmp_path, disk), disk)
    header = Header(99, 101, 100, 0, bytes(8), 1)
    for size in (0, 5, START - 1):
        path = tmp_path / header.name
        clean.names_now[path] = type(clean.names_now[segments(clean)[0]])(header.encode()[: min(size, 40)])
        log = opened(tmp_path, clean)

        assert (list(range(1, 101)), []) == contents(log)
        assert path not in clean.names_now
        log._owner.release()


def test_a_file_damaged_all_over_is_read_in_one_go(tmp_path, disk):
    """Each record that is whole is found, and the disk is not read again for each that is not."""
    clean = killed(filled(tmp_path, disk, range(1, 4_001), log_bytes=2**24), disk)
    (path,) = segments(clean)
    content = clean.names_now[path].now
    place = START
    for number in range(1, 4_001):
        place = content.find(b"UBr", place) + 4
        if number % 2:
            content[place] ^= 1
    log = opened(tmp_path, clean, log_bytes=2**24)
    before = clean.calls["read"]
    read, gaps = contents(log)

    assert list(range(2, 4_001, 2)) == read
    assert [(number, number) for number in range(1, 4_001, 2)] == gaps
    assert 20 > clean.calls["read"] - before
