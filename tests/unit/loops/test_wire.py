"""Messages between two processes come whole or not at all."""

from __future__ import annotations

import socket
import struct

import pytest

from unbreakable.loops import wire
from unbreakable.loops.wire import MOST_BYTES, Gone, pack, receive, send, unpack


@pytest.fixture
def ends():
    """Return both ends of a connection."""
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


def test_messages_come_as_they_were_sent(ends):
    """In order, empty ones and those with an object in them too."""
    ours, theirs = ends
    for number, message in enumerate((b"", b"one", pack({"two": 2}))):
        send(ours, message, number)

    assert [(0, b""), (1, b"one")] == [receive(theirs), receive(theirs)]
    number, message = receive(theirs)
    assert (2, {"two": 2}) == (number, unpack(message))


@pytest.mark.parametrize("torn", [b"", b"\0\0\0", struct.pack("!QQ", 1, 5) + b"abc"], ids=["between", "head", "body"])
def test_an_end_anywhere_says_that_nobody_is_there(ends, torn):
    """Half a message is none."""
    ours, theirs = ends
    ours.sendall(torn)
    ours.close()
    with pytest.raises(Gone):
        receive(theirs)


def test_a_length_that_nobody_sends_is_not_believed(ends):
    """What writes rubbish into the connection is no partner."""
    ours, theirs = ends
    ours.sendall(struct.pack("!QQ", 1, MOST_BYTES + 1))
    with pytest.raises(Gone):
        receive(theirs)


def test_a_partner_that_has_died_is_noticed_though_the_connection_is_open(ends, monkeypatch):
    """Somebody else, a forked process say, may still hold its end."""
    monkeypatch.setattr(wire, "LOOK_AGAIN", 0.001)
    looks = iter([True, True, False])
    with pytest.raises(Gone):
        receive(ends[1], lambda: next(looks))

    assert [] == list(looks)


def test_sending_to_nobody_says_so(ends):
    """A broken pipe is not the caller's error."""
    ours, theirs = ends
    theirs.close()
    with pytest.raises(Gone):
        send(ours, b"anybody?", 1)
