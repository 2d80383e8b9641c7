"""What a workflow is made of is read from a configuration, or refused with the path of what is wrong."""

from __future__ import annotations

import contextlib
import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from unbreakable.errors import ConfigurationError
from unbreakable.fractal.heart import as_node, heart_of
from unbreakable.fractal.remedies import read_remedies
from unbreakable.fractal.settings import OFFERED, offered_by, settle
from unbreakable.loops.engine import checked_iterations
from unbreakable.nodes.orchestrator import check_limit
from unbreakable.plain import nearest
from unbreakable.policies import check
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


def read_nodes(nodes: object, prefix: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return the nodes by id, and those that were made: the described ones, with *given* settings, too.

    *nodes* is a list of descriptions such as ``{"id": "cache", "type": "cache", "ttl": 3600}`` or of node objects,
    which are known by their names; or a dictionary of either by id.  A node that is made is called *prefix*.id unless
    it is given a name.  Raises ConfigurationError with the path of what is wrong, such as ``nodes[1].ttl``; what was
    made until then is closed.
    """
    known: dict[str, Any] = {}
    made: dict[str, Any] = {}
    with contextlib.ExitStack() as undo:
        for path, node_id, entry in _entries(nodes):
            node = entry
            if isinstance(entry, Mapping):
                node = _made(path, node_id, entry, prefix, given)
                undo.callback(node.aclose_sync)
            elif heart_of(node) is None:
                raise refuse(path, f"a node or a description such as {EXAMPLE}", node)
            own_id = str(as_node(node).name) if node_id is None else node_id
            check_text(f"{path}.id", own_id)
            if own_id in known:
                raise refuse(f"{path}.id", "an id that no other node has", own_id)
            known[own_id] = node
            if node is not entry and node.name in made:
                raise refuse(f"{path}.name", "a name that no other node has", node.name)
            if node is not entry:
                made[node.name] = node
        undo.pop_all()
    return known, tuple(made.values())


def read_workflow(workflow: object) -> tuple[Step, ...]:
    """Return the steps of *workflow*; raise ConfigurationError with the path of what does not fit."""
    try:
        steps = read_steps(workflow)
        build_graph(steps)
    except ConfigurationError as error:
        message = str(error)
        raise type(error)(message if message.startswith("workflow") else f"workflow.{message}") from error.__cause__
    return steps


def check_settings(name: str, given: dict[str, Any], own: Iterable[str]) -> None:
    """Refuse a setting of a workflow that is neither among its *own* nor one of ``protect``'s, or that is wrong."""
    offered = [*own, *(option for option in OFFERED if option != "system")]
    for key in given:
        if key not in offered:
            raise ConfigurationError(f"{key} is not a setting of workflows{nearest(key, offered)}")
    try:
        settle(name, given)
        if isinstance(given.get("remedies"), Iterator):
            given["remedies"] = tuple(given["remedies"])
        read_remedies(name, given.get("remedies"))
    except ConfigurationError as error:
        raise ConfigurationError(str(error).removeprefix(f"{name}: ")) from error.__cause__


def check_limits(interval: object, max_iterations: object, concurrency_limit: object, grace: object) -> None:
    """Refuse wrong numbers of a workflow."""
    check.seconds("interval", interval)
    checked_iterations(max_iterations)
    check_limit(concurrency_limit)
    check.seconds("grace", grace, endless=True)


def checked_memory(memory: Any) -> Any:
    """Return *memory* if a system can use it."""
    if not all(callable(getattr(memory, verb, None)) for verb in ("get", "add", "watch", "summary")):
        raise refuse("memory", "a ub.LocalMemory or a ub.SqliteMemory", memory)
    return memory


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
    if own is None and "id" not in entry:
        raise ConfigurationError(f"{path}.id is missing: a description needs one, such as {EXAMPLE}")
    check_text(f"{path}.id", own)
    if node_id is not None and own != node_id:
        raise refuse(f"{path}.id", f"{node_id!r} or left out", own)
    if not isinstance(kind, str) or kind not in KINDS:
        raise _unknown_kind(path, entry, kind)
    node_class = getattr(importlib.import_module("unbreakable.nodes"), KINDS[kind])
    offered = [option for option in offered_by(node_class) if option != "system"]  # which is the one that makes it
    for key in settings:
        if key not in offered:
            raise ConfigurationError(f"{path}.{key} is not a setting of {kind} nodes{nearest(key, offered)}")
    name = settings.pop("name", None)
    if name is None:
        name = f"{prefix}.{own}"
    check_text(f"{path}.name", name)
    try:
        return node_class(**{**given, **settings, "name": name})
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}.{str(error).removeprefix(f'{name}: ')}") from error.__cause__


def _unknown_kind(path: str, entry: Mapping[Any, Any], kind: object) -> ConfigurationError:
    if "type" not in entry:
        wrong = next((key for key in entry if difflib.get_close_matches(str(key), ["type"], 1)), None)
        hint = "" if wrong is None else f"; {path}.{wrong} is not a setting (did you mean 'type'?)"
        return ConfigurationError(f"{path}.type is missing: it must be one of {', '.join(KINDS)}{hint}")
    hint = nearest(kind, list(KINDS))
    return ConfigurationError(f"{path}.type must be one of {', '.join(KINDS)}, not {kind!r}{hint}")
