"""What happened is kept for people: the stories of calls, the latest status."""

from unbreakable.observe.history import History
from unbreakable.observe.reading import Snapshot, Told, latest_snapshot, latest_stories, story_of

__all__ = ["History", "Snapshot", "Told", "latest_snapshot", "latest_stories", "story_of"]
