"""Recorded calls are played once more, under other settings, through the policies that are in force in earnest."""

from unbreakable.replay.changes import Changes
from unbreakable.replay.whatif import what_if

__all__ = ["Changes", "what_if"]
