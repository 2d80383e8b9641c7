"""What a workflow is made of is read from a configuration, or refused with the path of what is wrong."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from unbreakable.errors import ConfigurationError
from unbreakable.fractal import FractalNode
from unbreakable.fractal.settings import OFFERED, OPTIONS, nearest, offered_by
from unbreakable.policies.check import refuse
from unbreakable.workflows import Step, build_graph
from unbreakable.workflows.step import check_text, read_steps

KINDS = {
    "agent": "AgentNode",
    "api": "APINode",
    "cache": "CacheNode",
    "database": "DatabaseNode",
    "orchestrator": "OrchestratorNode",
    "stream": "StreamNode",
}
EXAMPLE = '{"id": "api", "type": "api", "endpoint": "https://…"}'


def read_nodes(nodes: object, prefix: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nodes by id: those that exist as they are, the described ones made with *given* settings, too.

    *nodes* is a list of descriptions such as ``{"id": "cache", "type": "cache", "ttl": 3600}`` or of node objects,
    which are known by their names; or a dictionary of either by id.  A node that is made is called *prefix*.id unless
    it is given a name.  Raises ConfigurationError with the path of what is wrong, such as ``nodes[1].ttl``.
    """
    made: dict[str, Any] = {}
    for path, node_id, entry in _entries(nodes):
        node = _made(path, node_id, entry, prefix, given) if isinstance(entry, Mapping) else entry
        name = node_id or str(getattr(node, "name", ""))
        if heart_of(node) is None:
            raise refuse(path, f"a node or a description such as {EXAMPLE}", node)
        check_text(f"{path}.id", name)
        if name in made:
            raise refuse(f"{path}.id", "an id that no other node has", name)
        made[name] = node
    return made


def heart_of(node: object) -> FractalNode | None:
    """Return the FractalNode that *node* is, or that is behind it; None when it is no node."""
    if isinstance(node, FractalNode):
        return node
    behind = getattr(node, "node", None)
    return behind if isinstance(behind, FractalNode) else None


def read_workflow(workflow: object) -> tuple[Step, ...]:
    """Return the steps of *workflow*; raise ConfigurationError with the path of what does not fit."""
    try:
        steps = read_steps(workflow)
        build_graph(steps)
    except ConfigurationError as error:
        message = str(error)
        raise type(error)(message if message.startswith("workflow") else f"workflow.{message}") from error.__cause__
    return steps


def check_settings(given: Iterable[str], own: Iterable[str]) -> None:
    """Refuse a setting of a workflow that is neither among its *own* nor one of ``protect``'s."""
    own = tuple(own)
    for key in given:
        if key not in own and key not in OPTIONS:
            raise ConfigurationError(f"{key} is not a setting of workflows{nearest(key, [*own, *OFFERED])}")


def _entries(nodes: object) -> Iterable[tuple[str, str | None, Any]]:
    """Yield the path, the id if it is told from outside, and the entry of each node."""
    if isinstance(nodes, Mapping):
        for node_id, entry in nodes.items():
            yield f"nodes[{node_id!r}]", node_id, entry
        return
    if isinstance(nodes, (str, bytes)) or not isinstance(nodes, Iterable):
        raise refuse("nodes", f"a list of nodes, or of descriptions such as {EXAMPLE}", nodes)
    for place, entry in enumerate(nodes):
        yield f"nodes[{place}]", entry.get("id") if isinstance(entry, Mapping) else None, entry


def _made(path: str, node_id: str | None, entry: Mapping[Any, Any], prefix: str, given: Mapping[str, Any]) -> Any:
    """Return the node that *entry* describes."""
    settings = dict(entry)
    kind, own = settings.pop("type", None), settings.pop("id", node_id)
    if own is None:
        raise ConfigurationError(f"{path}.id is missing: a description needs one, such as {EXAMPLE}")
    check_text(f"{path}.id", own)
    if kind not in KINDS:
        raise _unknown_kind(path, entry, kind)
    node_class = getattr(importlib.import_module("unbreakable.nodes"), KINDS[kind])
    offered = offered_by(node_class)
    for key in settings:
        if key not in offered and key not in OPTIONS:
            raise ConfigurationError(f"{path}.{key} is not a setting of {kind} nodes{nearest(key, offered)}")
    name = settings.pop("name", f"{prefix}.{own}")
    try:
        return node_class(**{**given, **settings, "name": name})
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}.{str(error).removeprefix(f'{name}: ')}") from error.__cause__


def _unknown_kind(path: str, entry: Mapping[Any, Any], kind: object) -> ConfigurationError:
    if kind is None:
        wrong = next((key for key in entry if difflib.get_close_matches(str(key), ["type"], 1)), None)
        hint = "" if wrong is None else f"; {path}.{wrong} is not a setting (did you mean 'type'?)"
        return ConfigurationError(f"{path}.type is missing: it must be one of {', '.join(KINDS)}{hint}")
    hint = nearest(kind, list(KINDS))
    return ConfigurationError(f"{path}.type must be one of {', '.join(KINDS)}, not {kind!r}{hint}")
