"""A SQLite database that is asked safely: one writer at a time, work that is done exactly once."""

from unbreakable.nodes.database.node import DatabaseNode
from unbreakable.nodes.database.rows import Row, Rows
from unbreakable.nodes.database.status import DatabaseStatus
from unbreakable.nodes.database.transaction import SyncTransaction, Transaction

__all__ = ["DatabaseNode", "DatabaseStatus", "Row", "Rows", "SyncTransaction", "Transaction"]
