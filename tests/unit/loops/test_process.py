"""What the loop's side of a worker process makes of what it hears."""

from __future__ import annotations

import socket

from unbreakable.loops.process import ProcessWorker
from unbreakable.loops.wire import receive, send


def test_an_answer_to_something_else_is_dropped():
    """Whatever writes into the connection, each question gets the answer that bears its number."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = ProcessWorker("work", None)
        worker._connection = ours
        for number in (0, 2, 1):
            send(theirs, b"answer %d" % number, number)

        assert b"answer 1" == worker._exchange(b"question")
        assert (1, b"question") == receive(theirs)
