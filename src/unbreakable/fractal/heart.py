"""The FractalNode behind what people hold: a node, a node of another kind, a protected function."""

from __future__ import annotations

from typing import Any, Protocol

from unbreakable.fractal.node import FractalNode
from unbreakable.policies.check import refuse


class HasNode(Protocol):
    """Have a node behind it, as nodes of some kinds and protected functions do."""

    @property
    def node(self) -> FractalNode:
        """Return the node."""


def known_heart(node: object) -> FractalNode:
    """Return the FractalNode that *node* is, or that is behind it; ConfigurationError when it is no node."""
    heart = heart_of(node)
    if heart is None:
        raise refuse("node", "a node or a protected function", node)
    return heart


def heart_of(node: object) -> FractalNode | None:
    """Return the FractalNode that *node* is, or that is behind it; None when it is no node."""
    if isinstance(node, FractalNode):
        return node
    behind = getattr(node, "node", None)
    return behind if isinstance(behind, FractalNode) else None


def as_node(node: Any) -> Any:
    """Return *node*, or what is behind a protected function, which has neither a name nor a status of its own."""
    return node if hasattr(node, "get_status") else heart_of(node)
