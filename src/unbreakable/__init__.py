"""Keep unreliable work running: protected calls, nodes, loops and workflows that heal and learn."""

import typing

from unbreakable import lazily
from unbreakable.protect import protect

if typing.TYPE_CHECKING:  # loaded when first asked for, by __getattr__ below
    from unbreakable import errors, events, remedies, testing
    from unbreakable.blocks import attempts
    from unbreakable.fractal import FractalNode, LocalMemory, Verify
    from unbreakable.fractal.incoming import incoming
    from unbreakable.fractal.memory import Knowledge
    from unbreakable.fractal.outgoing import outgoing
    from unbreakable.fractal.status import NodeStatus
    from unbreakable.knowledge import SqliteMemory
    from unbreakable.loops import EngineStatus, LoopState, LoopStatus, QuantumLoop, QuantumLoopEngine
    from unbreakable.nodes import (
        Ack,
        AdaptiveTransport,
        AgentNode,
        AgentResponse,
        APINode,
        Batching,
        CacheNode,
        DatabaseNode,
        KnowledgeBase,
        OrchestratorNode,
        Rating,
        Rows,
        StreamNode,
    )
    from unbreakable.observe.calls import record_trace
    from unbreakable.outcome import Failure, Outcome, Stage, Status, Trace
    from unbreakable.policies import (
        Backoff,
        Bulkhead,
        CircuitBreaker,
        Context,
        Hedge,
        Retry,
        RetryBudget,
        Slow,
        State,
        Strategy,
        Timeout,
        current,
    )
    from unbreakable.policies.limit import AdaptiveLimit
    from unbreakable.policies.priority import priority
    from unbreakable.policies.shadow import Shadow
    from unbreakable.policies.throttle import Throttle
    from unbreakable.simulation import QuantumSimulationEngine, QuantumStats, ScoreWeights, Speedup
    from unbreakable.simulation.decision import Decision
    from unbreakable.simulation.weigh import Universe
    from unbreakable.system import QuantumSystem, SystemStatus
    from unbreakable.workflow import QuantumWorkflow, WorkflowStatus
    from unbreakable.workflows import RunResult, RunStatus, Step, StepState

__version__ = "0.1.0"

__all__ = [
    "APINode",
    "Ack",
    "AdaptiveLimit",
    "AdaptiveTransport",
    "AgentNode",
    "AgentResponse",
    "Backoff",
    "Batching",
    "Bulkhead",
    "CacheNode",
    "CircuitBreaker",
    "Context",
    "DatabaseNode",
    "Decision",
    "EngineStatus",
    "Failure",
    "FractalNode",
    "Hedge",
    "Knowledge",
    "KnowledgeBase",
    "LocalMemory",
    "LoopState",
    "LoopStatus",
    "NodeStatus",
    "OrchestratorNode",
    "Outcome",
    "QuantumLoop",
    "QuantumLoopEngine",
    "QuantumSimulationEngine",
    "QuantumStats",
    "QuantumSystem",
    "QuantumWorkflow",
    "Rating",
    "Retry",
    "RetryBudget",
    "Rows",
    "RunResult",
    "RunStatus",
    "ScoreWeights",
    "Shadow",
    "Slow",
    "Speedup",
    "SqliteMemory",
    "Stage",
    "State",
    "Status",
    "Step",
    "StepState",
    "Strategy",
    "StreamNode",
    "SystemStatus",
    "Throttle",
    "Timeout",
    "Trace",
    "Universe",
    "Verify",
    "WorkflowStatus",
    "attempts",
    "current",
    "errors",
    "events",
    "incoming",
    "outgoing",
    "priority",
    "protect",
    "record_trace",
    "remedies",
    "testing",
]

__getattr__ = lazily.load(
    __name__,
    {
        "APINode": "unbreakable.nodes",
        "Ack": "unbreakable.nodes",
        "AdaptiveLimit": "unbreakable.policies.limit",
        "AdaptiveTransport": "unbreakable.nodes",
        "AgentNode": "unbreakable.nodes",
        "AgentResponse": "unbreakable.nodes",
        "Backoff": "unbreakable.policies",
        "Batching": "unbreakable.nodes",
        "Bulkhead": "unbreakable.policies",
        "CacheNode": "unbreakable.nodes",
        "CircuitBreaker": "unbreakable.policies",
        "Context": "unbreakable.policies",
        "DatabaseNode": "unbreakable.nodes",
        "Decision": "unbreakable.simulation.decision",
        "EngineStatus": "unbreakable.loops",
        "Failure": "unbreakable.outcome",
        "FractalNode": "unbreakable.fractal",
        "Hedge": "unbreakable.policies",
        "Knowledge": "unbreakable.fractal.memory",
        "KnowledgeBase": "unbreakable.nodes",
        "LocalMemory": "unbreakable.fractal",
        "LoopState": "unbreakable.loops",
        "LoopStatus": "unbreakable.loops",
        "NodeStatus": "unbreakable.fractal.status",
        "OrchestratorNode": "unbreakable.nodes",
        "Outcome": "unbreakable.outcome",
        "QuantumLoop": "unbreakable.loops",
        "QuantumLoopEngine": "unbreakable.loops",
        "QuantumSimulationEngine": "unbreakable.simulation",
        "QuantumStats": "unbreakable.simulation",
        "QuantumSystem": "unbreakable.system",
        "QuantumWorkflow": "unbreakable.workflow",
        "Rating": "unbreakable.nodes",
        "Retry": "unbreakable.policies",
        "RetryBudget": "unbreakable.policies",
        "Rows": "unbreakable.nodes",
        "RunResult": "unbreakable.workflows",
        "RunStatus": "unbreakable.workflows",
        "ScoreWeights": "unbreakable.simulation",
        "Shadow": "unbreakable.policies.shadow",
        "Slow": "unbreakable.policies",
        "Speedup": "unbreakable.simulation",
        "SqliteMemory": "unbreakable.knowledge",
        "Stage": "unbreakable.outcome",
        "State": "unbreakable.policies",
        "Status": "unbreakable.outcome",
        "Step": "unbreakable.workflows",
        "StepState": "unbreakable.workflows",
        "Strategy": "unbreakable.policies",
        "StreamNode": "unbreakable.nodes",
        "SystemStatus": "unbreakable.system",
        "Throttle": "unbreakable.policies.throttle",
        "Timeout": "unbreakable.policies",
        "Trace": "unbreakable.outcome",
        "Universe": "unbreakable.simulation.weigh",
        "Verify": "unbreakable.fractal",
        "WorkflowStatus": "unbreakable.workflow",
        "attempts": "unbreakable.blocks",
        "current": "unbreakable.policies",
        "errors": "",
        "events": "",
        "incoming": "unbreakable.fractal.incoming",
        "outgoing": "unbreakable.fractal.outgoing",
        "priority": "unbreakable.policies.priority",
        "record_trace": "unbreakable.observe.calls",
        "remedies": "",
        "testing": "",
    },
    first="unbreakable.protected",
)
__dir__ = lazily.listing(__all__)
