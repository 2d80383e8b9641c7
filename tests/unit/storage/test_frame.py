"""A record proves that it is whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.storage.frame import HEAD, Damaged, Frame, Short, encode, find, parse

SALT = 0xC0FFEE
WHOLE = encode(7, 3, b"seat 12A", SALT)


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_what_was_written_is_read(number, flags, payload, salt):
    """Number, flags and payload come back as they were."""
    data = encode(number, flags, payload, salt)

    assert Frame(number, flags, payload, len(data)) == parse(data, 0, salt)


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_any_bit_that_flips_is_noticed(at):
    """No bit is outside both checksums and the magic."""
    for bit in range(8):
        data = bytearray(WHOLE)
        data[at] ^= 1 << bit

        assert Damaged() == parse(bytes(data), 0, SALT)


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_record_that_was_cut_short_is_not_called_damaged(size):
    """Its head tells how long it would have been."""
    needed = HEAD.size if size < HEAD.size else len(WHOLE)

    assert Short(needed) == parse(WHOLE[:size], 0, SALT)


def test_a_record_of_another_file_is_none():
    """A payload may hold somebody else's log, byte for byte."""
    assert Damaged() == parse(WHOLE, 0, SALT + 1)


@given(st.binary(max_size=200).filter(lambda junk: encode(0, 0, b"", 0)[:4] not in junk), st.integers(0, 8))
def test_the_next_whole_record_is_found_behind_anything(junk, above):
    """Whatever was damaged, reading goes on behind it, and never backwards."""
    expected = len(junk) if above < 7 else None

    assert expected == find(junk + WHOLE, 0, SALT, above)
