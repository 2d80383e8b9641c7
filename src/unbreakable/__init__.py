"""Keep unreliable work running: protected calls, nodes, loops and workflows that heal and learn."""

from unbreakable import errors, events
from unbreakable.outcome import Failure, Outcome, Status

__all__ = ["Failure", "Outcome", "Status", "errors", "events"]
