"""What a stream tells is ready to be written as JSON."""

from __future__ import annotations

import json
import threading

import pytest

from unbreakable.nodes import Ack, DeadLetter, StreamNode, StreamSummary

LOCK = threading.Lock()


def test_a_status_is_json_ready():
    """With what every node tells, and what a stream does besides."""
    status = StreamNode(print, name="orders").get_status().to_dict()

    assert status == json.loads(json.dumps(status)) | {"children": ()}
    assert ("orders", "new", 0, "ok") == (status["name"], status["state"], status["accepted"], status["health"])


@pytest.mark.parametrize(
    ("item", "shown"),
    [({"a": [1, 2]}, {"a": [1, 2]}), (b"raw", "b'raw'"), ([LOCK], repr([LOCK])), (None, None)],
    ids=["a list within", "bytes", "a lock", "nothing"],
)
def test_a_dead_letter_is_json_ready(item, shown):
    """Whatever the item is."""
    letter = DeadLetter(id="a-1", item=item, error="ValueError", deliveries=5).to_dict()

    assert {"id": "a-1", "item": shown, "error": "ValueError", "deliveries": 5} == letter
    assert json.dumps(letter)


def test_acks_and_summaries_are_json_ready():
    """Whoever stores them can."""
    summary = StreamSummary(accepted=3, handled=2, dead_letter=1, quarantined=0, elapsed=0.5)

    assert {"id": "a-1", "seq": 1, "level": "process"} == Ack("a-1", 1, "process").to_dict()
    assert {"accepted": 3, "handled": 2, "dead_letter": 1, "quarantined": 0, "elapsed": 0.5} == summary.to_dict()
