"""A log keeps what it was given, in order, until it is done with."""

from __future__ import annotations

from base64 import b64decode, b85decode
from zlib import crc32

import pytest
from tests.unit.storage.conftest import ALL, after, contents, filled, killed, opened, payload, read_all, segments

from unbreakable.errors import StateError, StateNotOurs, StateOwned, StateTooNew
from unbreakable.storage.disk import DISK
from unbreakable.storage.segment import FACTS


def test_records_are_read_in_order_over_all_files(tmp_path, disk):
    """A log of many files is one log."""
    log = filled(tmp_path, disk)

    assert len(segments(disk)) > 3
    assert (list(range(1, 101)), []) == contents(log)


def test_what_is_done_with_is_not_read_again(tmp_path, disk):
    """The next process begins where this one said that it was done."""
    log = filled(tmp_path, disk)
    log.done(42)

    assert (list(range(43, 101)), []) == after(log, disk)


def test_files_are_removed_when_their_records_are_done_with(tmp_path, disk):
    """Also the last one, when the log is closed."""
    log = filled(tmp_path, disk)
    read_all(log)
    log.done(99)
    one_left = segments(disk)
    log.done(100)
    log.close()

    assert 1 == len(one_left)
    assert ["mark"] == disk.names(tmp_path)


def test_numbers_go_on_after_everything_was_removed(tmp_path, disk):
    """A number never means two records."""
    log = filled(tmp_path, disk)
    log.done(100)
    log.close()

    assert 100 == opened(tmp_path, disk).last


def test_numbers_that_were_never_in_the_log_are_no_gap(tmp_path, disk):
    """Memory may keep some of a stream to itself."""
    numbers = [*range(5, 10), *range(20, 25), 40]

    assert (numbers, []) == after(filled(tmp_path, disk, numbers), disk)


def test_records_can_be_put_before_others(tmp_path, disk):
    """What was in memory when a stream is closed is older than what is on disk."""
    log = filled(tmp_path, disk, range(50, 90))
    log.insert([(number, 0, payload(number)) for number in range(30, 40)])
    log.close()
    log = opened(tmp_path, disk)
    counted = log.count()

    assert ([*range(30, 40), *range(50, 90)], []) == contents(log)
    assert 50 == counted


def test_what_is_added_after_records_were_put_before_others_is_there(tmp_path, disk):
    """A stream that could not be closed goes on, and loses nothing."""
    log = filled(tmp_path, disk, range(50, 60))
    log.insert([(number, 0, payload(number)) for number in range(30, 40)])
    for number in range(60, 70):
        log.append(number, 0, payload(number))
    log.sync()

    assert ([*range(30, 40), *range(50, 70)], []) == after(log, disk)


def test_records_carry_the_run_that_wrote_them(tmp_path, disk):
    """The same number in two runs is told apart, should the first have kept it in memory."""
    log = filled(tmp_path, disk, [1])
    first = log.run.hex()
    log = filled(tmp_path, killed(log, disk), [2])

    assert [first, log.run.hex()] == [record.run for record in read_all(log)]


def test_reading_stops_where_it_is_told(tmp_path, disk):
    """What is not confirmed yet is left for later."""
    log = filled(tmp_path, disk)
    before = [record.number for record in log.read(ALL, 7)]
    log.append(101, 0, payload(101))

    assert list(range(1, 8)) == before
    assert (list(range(8, 102)), []) == contents(log)


def test_the_count_is_what_will_be_read(tmp_path, disk):
    """Before anything is read, and after a part of it."""
    log = filled(tmp_path, disk)
    log.done(10)
    log = opened(tmp_path, killed(log, disk))
    at_first = log.count()
    log.read(20, ALL)

    assert (90, 70) == (at_first, log.count())


# ── other people's files ────────────────────────────────────────────────────────────────────────────────────────────


def test_files_of_others_are_left_alone(tmp_path, disk):
    """A folder may hold more than the log."""
    disk.names_now[tmp_path / "notes.txt"] = type(disk)({tmp_path / "x": b"mine"}).names_now[tmp_path / "x"]
    log = filled(tmp_path, disk)
    log.done(100)
    log.close()

    assert ["mark", "notes.txt"] == disk.names(tmp_path)


def test_a_log_of_a_newer_version_is_refused_and_left_alone(tmp_path, disk):
    """Nothing is guessed about a format that is not known."""
    clean = killed(filled(tmp_path, disk, [1]), disk)
    (path,) = segments(clean)
    header = bytearray(clean.names_now[path].now[:64])
    header[8:12] = (2).to_bytes(4, "little")
    header[FACTS.size : FACTS.size + 4] = crc32(bytes(header[: FACTS.size])).to_bytes(4, "little")
    clean.names_now[path].now[:128] = bytes(header) * 2
    before = bytes(clean.names_now[path].now)

    with pytest.raises(StateTooNew, match="format 2 of a newer Unbreakable, this one reads 1"):
        opened(tmp_path, clean)
    assert before == bytes(clean.names_now[path].now)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    """It is somebody else's."""
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(StateNotOurs, match="name another folder"):
        opened(tmp_path / "taken")
    assert "mine" == (tmp_path / "taken").read_text()


def test_a_log_has_one_owner(tmp_path):
    """Also within one process."""
    log = opened(tmp_path)
    with pytest.raises(StateOwned):
        opened(tmp_path)
    log.close()

    opened(tmp_path).close()


def test_a_closed_log_refuses(tmp_path):
    """And says why."""
    log = opened(tmp_path)
    log.close()
    log.close()

    with pytest.raises(StateError, match="it is closed"):
        log.append(1, 0, b"")


def test_the_machines_own_disk_is_used_as_the_model_is(tmp_path):
    """The same story on real files."""
    log = filled(tmp_path, DISK)
    log.read(50, ALL)
    log.done(50)
    log.sync()
    log._owner.release()
    log = opened(tmp_path)

    assert (list(range(51, 101)), []) == contents(log)
    log.done(100)
    log.close()
    assert ["log.lock", "mark"] == sorted(path.name for path in tmp_path.iterdir())


# Format 1: three records, of which the first was done with.  Whatever comes later must read it.
SEGMENT_1 = (
    b"RYG%ga%Ev{0RR91-)iyL0RR91000000RR910000000000000000000000000^|56lN?5m%KycFU00000RYG%ga%Ev{0RR91-)iyL0RR91000000RR9"
    b"10000000000000000000000000^|56lN?5m%KycFU00000^;JT0Rrkd(<jPZp1ONa40RR91000000ssI2bY*yS^;JT09$^VN6?7cO0ssI20ssI200"
    b"0000RR910RQz>LUQ@gX6ttb!MY9r000930000000000004U;VIn$PF)VI%Y;0Y9"
)
SLOTS_1 = ("VUJtYXJrAAECAAAAAAAAAAEAAAAAAAAAYDc6vg==", "VUJtYXJrAAEBAAAAAAAAAAAAAAAAAAAADINYWw==")


def test_the_first_format_is_read(tmp_path):
    """Items outlive the version that accepted them."""
    first, second = map(b64decode, SLOTS_1)
    (tmp_path / "mark").write_bytes(first.ljust(4096, b"\0") + second)
    (tmp_path / "00000000000000000001-0000000001.segment").write_bytes(b85decode(SEGMENT_1))
    log = opened(tmp_path)
    found = [tuple(record) for record in read_all(log)]
    log.close()

    assert [(2, 1, b"\x00\xff", "f5b165224a58b791"), (3, 0, b'{"a":[1,null]}', "f5b165224a58b791")] == found
