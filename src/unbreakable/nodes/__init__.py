"""Kinds of node, each for one sort of work."""

from unbreakable.nodes.orchestrator import OrchestratorNode, OrchestratorStatus

__all__ = ["OrchestratorNode", "OrchestratorStatus"]
