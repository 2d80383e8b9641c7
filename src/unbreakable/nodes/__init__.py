"""Kinds of node, each for one sort of work."""

from unbreakable.nodes.api import APINode
from unbreakable.nodes.cache import CacheNode, CacheStatus
from unbreakable.nodes.orchestrator import OrchestratorNode, OrchestratorStatus
from unbreakable.nodes.transport import AdaptiveTransport

__all__ = ["APINode", "AdaptiveTransport", "CacheNode", "CacheStatus", "OrchestratorNode", "OrchestratorStatus"]
