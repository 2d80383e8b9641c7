"""A disk that refuses loses nothing that was confirmed, and is used again when it works."""

from __future__ import annotations

import contextlib
import errno
import random

import pytest
from tests.unit.storage.conftest import (
    SMALL,
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

from unbreakable.errors import StateError, StateFull


def test_a_full_disk_refuses_and_everything_else_goes_on(tmp_path, disk):
    """What was there before is read, room that is made is used, and nothing is half there."""
    log = filled(tmp_path, disk, range(1, 41))
    disk.room = disk._used() + 500
    for _ in range(3):
        with pytest.raises(StateFull):
            filled_until_refused(log)
    trouble, last = log.trouble, log.last
    read = [record.number for record in read_all(log)]
    log.done(35)
    log.append(last + 1, 0, payload(last + 1))
    log.sync()

    assert isinstance(trouble, StateFull)
    assert log.trouble is None
    assert 40 < last < 45
    assert list(range(1, last + 1)) == read
    assert (list(range(36, last + 2)), []) == after(log, disk)


def test_a_full_disk_can_be_opened_to_be_emptied(tmp_path, disk):
    """Nothing has to be written before something is removed."""
    clean = killed(filled(tmp_path, disk), disk)
    clean.room = clean._used()
    log = opened(tmp_path, clean)

    assert (list(range(1, 101)), []) == contents(log)
    log.done(100)
    log.close()
    assert clean._used() < clean.room


def test_the_log_has_a_limit_of_its_own(tmp_path, disk):
    """What is done with makes room."""
    log = opened(tmp_path, disk)
    with pytest.raises(StateFull, match="65536 bytes"):
        filled_until_refused(log)
    log.sync()
    last = log.last
    read_all(log)
    log.done(last - 1)
    log.append(last + 1, 0, payload(last + 1))

    assert SMALL // 2 < 300 * last
    assert log.size_bytes <= SMALL


def test_what_waits_for_the_device_has_a_limit_as_well(tmp_path, disk, monkeypatch):
    """What is not confirmed is kept in memory, which a device that does not keep up must not fill."""
    monkeypatch.setattr("unbreakable.storage.writing.MOST_HELD", 20 * len(payload(1000)))
    log = opened(tmp_path, disk)
    with pytest.raises(StateFull, match="does not keep up"):
        filled_until_refused(log)
    last = log.last
    log.sync()
    log.append(last + 1, 0, payload(last + 1))

    assert 20 <= last < 30


def filled_until_refused(log):
    for number in range(log.last + 1, 10_000):
        log.append(number, 0, payload(number))


@pytest.mark.parametrize("partly", [0, 1, 27, 100])
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_write_that_fails_is_made_good_in_a_new_file(tmp_path, disk, partly, is_cut):
    """However much of it arrived, and also when it cannot be taken back."""
    log = filled(tmp_path, disk, range(1, 20))
    disk.fail("write", 1, partly=partly)
    disk.failing["cut"] = set() if is_cut else {disk.calls["cut"] + 1}
    for number in range(20, 30):
        log.append(number, 0, payload(number))
    log.sync()

    assert 2 == len(segments(disk))
    assert (list(range(1, 30)), []) == after(log, disk)


@pytest.mark.parametrize("partly", [0, 1, 27, 100])
def test_a_write_that_fails_twice_leaves_nothing_behind(tmp_path, disk, partly):
    """The log is as it was, and goes on when the disk does."""
    log = filled(tmp_path, disk, range(1, 20))
    disk.fail("write", 1, 3, partly=partly)  # the record, the new file's header, the record in it
    with pytest.raises(StateError):
        log.append(20, 0, payload(20))
    files, trouble = len(segments(disk)), log.trouble
    log.append(20, 0, payload(20))
    log.sync()

    assert 1 == files
    assert isinstance(trouble, StateError)
    assert (list(range(1, 21)), []) == after(log, disk)


def test_a_sync_that_fails_is_made_good_in_a_new_file(tmp_path, disk):
    """The old descriptor is never asked again, and what it may have dropped is written once more."""
    log = filled(tmp_path, disk, range(1, 11))
    (old,) = segments(disk)
    size = len(disk.names_now[old].now)
    for number in range(11, 16):
        log.append(number, 0, payload(number))
    disk.fail("sync", 1)
    with pytest.raises(StateError):
        log.sync()
    del disk.names_now[old].now[size + 100 :]  # the system has dropped it, as it may
    before = log.synced
    synced = log.sync()

    assert (10, 15) == (before, synced)
    assert (list(range(1, 16)), []) == contents(log)
    assert (list(range(1, 16)), []) == after(log, disk.power_cut(random.Random(1)))


def test_what_was_written_again_is_read_from_the_new_file(tmp_path, disk):
    """Also by a reader that stands in the old one, which may now hold anything."""
    log = filled(tmp_path, disk, range(1, 11))
    before = [record.number for record in read_all(log, 10)]
    (old,) = segments(disk)
    for number in range(11, 16):
        log.append(number, 0, payload(number))
    disk.fail("sync", 1)
    with pytest.raises(StateError):
        log.sync()
    log.done(9)
    disk.names_now[old].now[place_of(disk, 12)[1]] ^= 1
    log.sync()

    assert list(range(1, 11)) == before
    assert (list(range(11, 16)), []) == contents(log)


def test_what_an_earlier_process_wrote_is_confirmed_with_the_rest(tmp_path, disk):
    """It may have died before it asked."""
    log = opened(tmp_path, disk)
    log.append(1, 0, payload(1))
    log._owner.release()
    log = opened(tmp_path, disk)
    log.append(2, 0, payload(2))
    log.sync()

    assert ([1, 2], []) == after(log, disk.power_cut(random.Random(1)))


def test_records_that_wait_to_be_written_again_stay_where_they_are(tmp_path, disk):
    """Should the process die before, the old file is all there is."""
    log = opened(tmp_path, disk)
    log.append(1, 0, payload(1))
    disk.fail("sync", 1)
    with pytest.raises(StateError):
        log.sync()
    log.done(0)

    assert ([1], []) == after(log, disk)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_file_is_kept_for_what_must_be_written_again(tmp_path, disk, is_closed):
    """Though all that was confirmed in it is done with; closing writes it, and a death finds it."""
    log = filled(tmp_path, disk, [1])
    log.append(2, 0, payload(2))
    disk.fail("sync", 1)
    with pytest.raises(StateError):
        log.sync()
    log.done(1)
    if is_closed:
        log.close()

    assert ([2], []) == after(log, disk)


def test_a_new_name_that_was_not_synced_is_synced_the_next_time(tmp_path, disk):
    """Content without a name is lost in a power cut."""
    log = opened(tmp_path, disk)
    log.append(1, 0, payload(1))
    disk.fail("sync_folder", 1)
    with pytest.raises(StateError):
        log.sync()
    log.sync()

    assert ([1], []) == after(log, disk.power_cut(random.Random(1)))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_file_goes_only_when_the_device_knows_that_it_may(tmp_path, disk, seed, fails):
    """Also when the mark had to be written to a new file: what is gone is never a gap after a power cut."""
    log = filled(tmp_path, disk)
    disk.fail("sync", 1)
    disk.fail("sync_folder", fails)
    with contextlib.suppress(StateError):
        log.done(90)
    read, gaps = after(log, disk.power_cut(random.Random(seed)))

    assert [] == gaps
    assert set(range(91, 101)) <= set(read)


def test_a_file_that_may_not_grow_is_followed_by_another(tmp_path, disk):
    """A process may be limited in the length of its files."""
    disk.longest = 5_000
    log = filled(tmp_path, disk, range(1, 61))

    assert len(segments(disk)) > 3
    assert (list(range(1, 61)), []) == after(log, disk)


def test_a_disk_that_confirms_nothing_does_not_pile_up_files(tmp_path, disk):
    """Each time the records are written anew, and what is worthless is removed."""
    log = filled(tmp_path, disk, range(1, 6))
    log.append(6, 0, payload(6))
    disk.fail("sync", *range(1, 50))
    for _ in range(20):
        with pytest.raises(StateError):
            log.sync()
    files = len(segments(disk))
    disk.failing.clear()
    log.sync()

    assert files <= 2
    assert (list(range(1, 7)), []) == after(log, disk)


@pytest.mark.parametrize("seed", range(8))
def test_a_file_in_doubt_that_could_not_be_removed_takes_nothing_with_it(tmp_path, disk, seed):
    """What was written anew and confirmed is read, though the files that it replaces are still there."""
    log = filled(tmp_path, disk, [1])
    for number in range(2, 61):
        log.append(number, 0, payload(number))
    disk.fail("sync", 1)
    disk.fail("remove", *range(1, 4))
    with pytest.raises(StateError):
        log.sync()
    confirmed = log.sync()

    log._owner.release()
    disk = disk.power_cut(random.Random(seed))
    log = opened(tmp_path, disk)
    counted, files = log.count(), len(segments(disk))

    assert (60, 60) == (confirmed, counted)
    assert 3 <= files  # one of them may be in the way
    assert (list(range(1, 61)), []) == contents(log)


def test_a_disk_that_neither_confirms_nor_removes_is_not_filled(tmp_path, disk):
    """However often what is in doubt is written anew, the log takes one file more than it may, and goes on after."""
    log = filled(tmp_path, disk, [1])
    disk.fail("remove", *range(1, 10**4))
    numbers = iter(range(2, 10**6))
    sizes = []
    for _ in range(30):
        disk.fail("sync", 1)
        with contextlib.suppress(StateError):
            while True:
                number = next(numbers)
                log.append(number, 0, payload(number))
        with contextlib.suppress(StateError):
            log.sync()
        sizes.append(log.size_bytes)
    disk.failing.clear()
    last = log.sync()

    assert max(sizes) <= SMALL + SMALL // 8
    assert last == log.last
    numbers, gaps = after(log, disk)
    assert (last, []) == (numbers[-1], gaps)


def test_appending_goes_on_after_a_failed_sync_that_nobody_repeated(tmp_path, disk):
    """Whoever waited for the sync may have given up."""
    log = filled(tmp_path, disk, range(1, 6))
    log.append(6, 0, payload(6))
    disk.fail("sync", 1)
    with pytest.raises(StateError):
        log.sync()
    log.append(7, 0, payload(7))
    log.sync()

    assert (list(range(1, 8)), []) == after(log, disk.power_cut(random.Random(2)))


def test_a_mark_that_was_refused_is_written_at_the_end(tmp_path, disk):
    """The next process need not do again what is done."""
    log = filled(tmp_path, disk)
    disk.fail("write", 1)
    with pytest.raises(StateError):
        log.done(42)
    log.close()

    assert 58 == opened(tmp_path, disk).count()


@pytest.mark.parametrize("seed", range(24))
def test_what_was_removed_is_never_missed(tmp_path, disk, seed):
    """However the power goes, the mark does not fall back behind files that are gone for it."""
    log = filled(tmp_path, disk)
    for number in (40, 41, 42, 43):
        log.done(number)
    disk.fail("write", 1, partly=9)
    with pytest.raises(StateError):
        log.done(44)
    log._owner.release()
    log = opened(tmp_path, disk.power_cut(random.Random(seed)))

    numbers, gaps = contents(log)
    assert (100, []) == (numbers[-1], gaps)
    assert numbers[0] <= 44


def test_trouble_with_the_mark_never_stops_reading(tmp_path, disk):
    """At worst records are read twice by the next process; no file goes before the device knows."""
    log = filled(tmp_path, disk)
    files = segments(disk)
    disk.fail("sync", 1, 2, 3)
    with pytest.raises(StateError):
        log.done(90)
    kept = segments(disk)
    disk.failing.clear()
    log.done(91)

    assert files == kept
    assert len(segments(disk)) < len(files)
    assert (list(range(92, 101)), []) == after(log, disk)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_way_of_being_full_is_called_full(tmp_path, disk, error):
    """A quota and a limit of the process are no different from a full disk."""
    log = opened(tmp_path, disk)
    disk.fail("write", 1, 2, error=error)

    with pytest.raises(StateFull):
        log.append(1, 0, b"")


def test_a_record_of_half_the_log_finds_room_again_and_again(tmp_path, disk):
    """What is done with makes way, also in the file that is being written to."""
    log = opened(tmp_path, disk)
    for number in range(1, 6):
        log.append(number, 0, bytes(40_000))
        log.sync()
        assert [number] == [record.number for record in read_all(log)]
        log.done(number)

    assert log.size_bytes <= SMALL
