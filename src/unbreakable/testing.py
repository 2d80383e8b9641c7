"""Test your own code: in virtual time."""

from unbreakable.runtime.virtual import virtual_time
from unbreakable.runtime.virtual_clock import VirtualClock

__all__ = ["VirtualClock", "virtual_time"]
