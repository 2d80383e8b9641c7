"""Traces of calls: written while they are made, on request, and read to play them once more."""

from unbreakable.observe.calls.reading import Call, Ended, Trace, Tried, read_trace
from unbreakable.observe.calls.recorder import Recorder, record_trace

__all__ = ["Call", "Ended", "Recorder", "Trace", "Tried", "read_trace", "record_trace"]
