"""Kinds of node, each for one sort of work."""

import typing

from unbreakable import lazily

if typing.TYPE_CHECKING:  # each kind is loaded when first asked for, by __getattr__ below
    from unbreakable.nodes.agent import AgentNode, AgentStatus
    from unbreakable.nodes.answering.knowledge import KnowledgeBase
    from unbreakable.nodes.answering.rating import Rating
    from unbreakable.nodes.answering.response import AgentResponse
    from unbreakable.nodes.api import APINode
    from unbreakable.nodes.orchestrator import OrchestratorNode, OrchestratorStatus
    from unbreakable.nodes.transport import AdaptiveTransport

__all__ = [
    "APINode",
    "AdaptiveTransport",
    "AgentNode",
    "AgentResponse",
    "AgentStatus",
    "KnowledgeBase",
    "OrchestratorNode",
    "OrchestratorStatus",
    "Rating",
]

__getattr__ = lazily.load(
    __name__,
    {
        "APINode": "unbreakable.nodes.api",
        "AdaptiveTransport": "unbreakable.nodes.transport",
        "AgentNode": "unbreakable.nodes.agent",
        "AgentResponse": "unbreakable.nodes.answering.response",
        "AgentStatus": "unbreakable.nodes.agent",
        "KnowledgeBase": "unbreakable.nodes.answering.knowledge",
        "OrchestratorNode": "unbreakable.nodes.orchestrator",
        "OrchestratorStatus": "unbreakable.nodes.orchestrator",
        "Rating": "unbreakable.nodes.answering.rating",
    },
)
__dir__ = lazily.listing(__all__)
