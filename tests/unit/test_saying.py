"""What a command says beside its answer."""

from __future__ import annotations

import errno
import io

import pytest

from unbreakable.cli.saying import complain, put, say


class Nobody(io.StringIO):
    said = 0

    def write(self, text: str) -> int:
        self.said += 1
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize(("as_json", "stream"), [(False, "stderr"), (True, "stdout")])
def test_that_nobody_reads_is_no_reason_to_end(monkeypatch, as_json, stream):
    """A supervisor says that its worker has died, and must not die of that."""
    nobody = Nobody()
    monkeypatch.setattr(f"sys.{stream}", nobody)

    say("the worker was killed by signal 9", as_json=as_json)
    complain("it cannot be loaded", as_json=as_json)
    put("Traceback", err=not as_json)

    assert 3 <= nobody.said
