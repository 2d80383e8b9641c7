"""Kinds of node, each for one sort of work."""

from unbreakable.nodes.api import APINode
from unbreakable.nodes.database import DatabaseNode, DatabaseStatus, Row, Rows, SyncTransaction, Transaction
from unbreakable.nodes.orchestrator import OrchestratorNode, OrchestratorStatus
from unbreakable.nodes.transport import AdaptiveTransport

__all__ = [
    "APINode",
    "AdaptiveTransport",
    "DatabaseNode",
    "DatabaseStatus",
    "OrchestratorNode",
    "OrchestratorStatus",
    "Row",
    "Rows",
    "SyncTransaction",
    "Transaction",
]
