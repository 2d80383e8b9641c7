"""What is set aside stays until somebody has looked at it."""

from __future__ import annotations

import random

import pytest

from unbreakable.errors import StateError
from unbreakable.storage.letters import Letters


def opened(folder, disk):
    return Letters(folder, durable=True, disk=disk)


def test_letters_are_there_in_order_after_a_power_cut(tmp_path, disk):
    """What add returned from is on the device."""
    letters = opened(tmp_path, disk)
    for name in ("0002-b", "0001-a", "0003-c"):
        letters.add(name, f"head of {name}".encode(), b"payload" * 100)
    letters.remove("0003-c")
    again = opened(tmp_path, disk.power_cut(random.Random(1)))

    assert ["0001-a", "0002-b"] == sorted(again.names)
    assert (b"head of 0001-a", b"payload" * 100) == again.read("0001-a")


def test_what_was_left_unfinished_is_cleared_away(tmp_path, disk):
    """A process that was killed while it wrote leaves nothing behind for ever."""
    disk.names_now[tmp_path / "a.letter.new"] = type(disk)({tmp_path / "x": b"half"}).names_now[tmp_path / "x"]

    assert {} == opened(tmp_path, disk).names
    assert [] == disk.names(tmp_path)


def test_a_damaged_letter_is_still_there(tmp_path, disk):
    """Nobody is told that there was nothing."""
    letters = opened(tmp_path, disk)
    letters.add("a", b"head", b"payload")
    disk.names_now[tmp_path / "a.letter"].now[40] ^= 1

    assert ["a"] == list(letters.names)
    assert letters.read("a") is None


@pytest.mark.parametrize("verb", ["create", "write", "sync", "rename"])
def test_a_letter_that_could_not_be_written_is_not_there(tmp_path, disk, verb):
    """Neither now nor for the next process, and it can be written later."""
    letters = opened(tmp_path, disk)
    disk.fail(verb, 1)
    with pytest.raises(StateError):
        letters.add("a", b"head", b"payload")
    before = [list(letters.names), list(opened(tmp_path, disk.copy()).names)]
    letters.add("a", b"head", b"payload")

    assert [[], []] == before
    assert ["a"] == list(opened(tmp_path, disk.copy()).names)
