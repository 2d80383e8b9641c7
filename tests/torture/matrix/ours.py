"""Play the rows of the matrix against us: in virtual time, unless the real world is what a story is about."""

from __future__ import annotations

from tests.torture.peers.ours import PEER

from unbreakable.testing import virtual_time


def play(row) -> None:
    """Play the story of *row*; AssertionError when we break its promise."""
    peer = PEER()
    if row.is_real:
        row.play(peer)
        return
    with virtual_time() as clock:
        peer.now = clock.now
        row.play(peer)
