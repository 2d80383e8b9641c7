"""What nodes learned, kept for the next process."""

from unbreakable.knowledge.sqlite import SqliteMemory

__all__ = ["SqliteMemory"]
