"""What runs a workflow: steps in the order of their dependencies, undone in the reverse order when one fails."""

from unbreakable.workflows.ending import Doubt, Ending, NotReturned, Returned
from unbreakable.workflows.graph import Graph, build_graph
from unbreakable.workflows.ports import News, Work
from unbreakable.workflows.result import PendingRun, RunResult, RunStatus, StepState
from unbreakable.workflows.step import Step

__all__ = [
    "Doubt",
    "Ending",
    "Graph",
    "News",
    "NotReturned",
    "PendingRun",
    "Returned",
    "RunResult",
    "RunStatus",
    "Step",
    "StepState",
    "Work",
    "build_graph",
]
