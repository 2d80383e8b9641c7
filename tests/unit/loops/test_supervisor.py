"""The supervisor of `unbreakable run` goes on where no worker can be had."""

from __future__ import annotations

import os
import signal

import pytest

from unbreakable.loops.supervisor import Supervisor

pytestmark = pytest.mark.real


def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path):
    """A machine without memory or processes to give has them again some day."""
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor([str(tmp_path / "nowhere")], say)

    assert 0 == supervisor.run()
    assert 1 == supervisor.deaths
    assert said[0].startswith("the worker cannot be started (FileNotFoundError: ")
    assert said[0].endswith("; it is started again in 0.5 s")
