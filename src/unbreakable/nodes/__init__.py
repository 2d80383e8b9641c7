"""Kinds of node, each for one sort of work."""

import typing

from unbreakable import lazily

if typing.TYPE_CHECKING:  # each kind is loaded when first asked for, by __getattr__ below
    from unbreakable.nodes.agent import AgentNode, AgentStatus
    from unbreakable.nodes.answering.knowledge import KnowledgeBase
    from unbreakable.nodes.answering.rating import Rating
    from unbreakable.nodes.answering.response import AgentResponse
    from unbreakable.nodes.api import APINode
    from unbreakable.nodes.cache import CacheNode, CacheStatus
    from unbreakable.nodes.database import DatabaseNode, DatabaseStatus, Row, Rows, SyncTransaction, Transaction
    from unbreakable.nodes.orchestrator import OrchestratorNode, OrchestratorStatus
    from unbreakable.nodes.stream import StreamNode
    from unbreakable.nodes.streaming.batching import Batch, Batching
    from unbreakable.nodes.streaming.status import Ack, DeadLetter, StreamStatus, StreamSummary
    from unbreakable.nodes.transport import AdaptiveTransport

__all__ = [
    "APINode",
    "Ack",
    "AdaptiveTransport",
    "AgentNode",
    "AgentResponse",
    "AgentStatus",
    "Batch",
    "Batching",
    "CacheNode",
    "CacheStatus",
    "DatabaseNode",
    "DatabaseStatus",
    "DeadLetter",
    "KnowledgeBase",
    "OrchestratorNode",
    "OrchestratorStatus",
    "Rating",
    "Row",
    "Rows",
    "StreamNode",
    "StreamStatus",
    "StreamSummary",
    "SyncTransaction",
    "Transaction",
]

__getattr__ = lazily.load(
    __name__,
    {
        "APINode": "unbreakable.nodes.api",
        "Ack": "unbreakable.nodes.streaming.status",
        "AdaptiveTransport": "unbreakable.nodes.transport",
        "AgentNode": "unbreakable.nodes.agent",
        "AgentResponse": "unbreakable.nodes.answering.response",
        "AgentStatus": "unbreakable.nodes.agent",
        "Batch": "unbreakable.nodes.streaming.batching",
        "Batching": "unbreakable.nodes.streaming.batching",
        "CacheNode": "unbreakable.nodes.cache",
        "CacheStatus": "unbreakable.nodes.cache",
        "DatabaseNode": "unbreakable.nodes.database",
        "DatabaseStatus": "unbreakable.nodes.database",
        "DeadLetter": "unbreakable.nodes.streaming.status",
        "KnowledgeBase": "unbreakable.nodes.answering.knowledge",
        "OrchestratorNode": "unbreakable.nodes.orchestrator",
        "OrchestratorStatus": "unbreakable.nodes.orchestrator",
        "Rating": "unbreakable.nodes.answering.rating",
        "Row": "unbreakable.nodes.database",
        "Rows": "unbreakable.nodes.database",
        "StreamNode": "unbreakable.nodes.stream",
        "StreamStatus": "unbreakable.nodes.streaming.status",
        "StreamSummary": "unbreakable.nodes.streaming.status",
        "SyncTransaction": "unbreakable.nodes.database",
        "Transaction": "unbreakable.nodes.database",
    },
)
__dir__ = lazily.listing(__all__)
