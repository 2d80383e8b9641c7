"""Test your own code: in virtual time."""

from unbreakable.runtime.virtual import VirtualClock, virtual_time

__all__ = ["VirtualClock", "virtual_time"]
