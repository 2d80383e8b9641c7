"""A wrong setting is refused where it is written, with what was expected."""

from __future__ import annotations

import math

import pytest

from unbreakable.errors import ConfigurationError
from unbreakable.nodes import Batching, StreamNode


def generator(item):
    yield item


WRONG = {
    "handler": [12, lambda: None, lambda a, b: None, generator],
    "max_buffer": [0, -1, 1.5, True, None, math.inf],
    "overflow": ["", 12, b"bytes", "postgresql://host/db", "nul\0"],
    "durability": ["durable!", None, "process", "durable"],
    "batch": [0, -1, 1.5, True, "10", Batching(20_000)],
    "codec": [(print, print), 12],
    "max_overflow_bytes": [0, 1_000, None, 1e9],
    "deliveries": [0, None, 2.5],
    "patience": [-1, None, math.nan],
    "max_dead_letters": [0, 10**6, None],
    "retries": [3],
}


@pytest.mark.parametrize(("setting", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_setting_is_refused(setting, value):
    """The message names the setting."""
    expected = "did you mean 'retry'" if setting == "retries" else setting
    with pytest.raises(ConfigurationError, match=expected):
        StreamNode(**{setting: value})


@pytest.mark.parametrize("codec", [print, (print,), (print, 1)])
def test_a_codec_is_a_pair_of_functions(tmp_path, codec):
    """Encode and decode."""
    with pytest.raises(ConfigurationError, match="codec must be a pair of functions"):
        StreamNode(overflow=tmp_path, codec=codec)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    """Before anything is written."""
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(ConfigurationError, match="overflow must be the path of a folder; there is a file"):
        StreamNode(overflow=tmp_path / "taken")


def test_a_durability_that_needs_a_folder_says_so():
    """With what to write."""
    with pytest.raises(ConfigurationError, match='durability "process" needs a folder to write to: give overflow='):
        StreamNode(durability="process")


@pytest.mark.parametrize("wrong", [{"linger": -1}, {"linger": 1e9}, {"most": 0}])
def test_batching_is_checked_where_it_is_written(wrong):
    """Like every policy."""
    with pytest.raises(ConfigurationError, match="Batching"):
        Batching(**wrong)


@pytest.mark.parametrize("wait", [-1, math.nan, "1"])
def test_a_wrong_wait_is_refused(wait):
    """Before the item is accepted."""
    stream = StreamNode()
    with pytest.raises(ConfigurationError, match="wait must be 0 or more seconds"):
        stream.put_sync(1, wait=wait)

    assert 0 == stream.get_status().accepted


def test_a_stream_takes_the_keywords_of_protect():
    """They are those of its handler."""
    stream = StreamNode(print, name="orders", effects="idempotent", retry=False, deadline=5.0)

    assert ("orders", "idempotent", 5.0) == (stream.name, stream.settings.effects, stream.settings.deadline)


def test_nothing_is_written_before_the_first_item(tmp_path):
    """Making a stream costs nothing."""
    stream = StreamNode(print, overflow=tmp_path / "s", durability="durable")

    assert 0 == stream.get_status().on_disk
    assert not (tmp_path / "s").exists()
