"""Kinds of node, each for one sort of work."""

from unbreakable.nodes.api import APINode
from unbreakable.nodes.orchestrator import OrchestratorNode, OrchestratorStatus
from unbreakable.nodes.stream import StreamNode
from unbreakable.nodes.streaming.batching import Batch, Batching
from unbreakable.nodes.streaming.status import Ack, DeadLetter, StreamStatus, StreamSummary
from unbreakable.nodes.transport import AdaptiveTransport

__all__ = [
    "APINode",
    "Ack",
    "AdaptiveTransport",
    "Batch",
    "Batching",
    "DeadLetter",
    "OrchestratorNode",
    "OrchestratorStatus",
    "StreamNode",
    "StreamStatus",
    "StreamSummary",
]
