"""A node may be told its system where it is made."""

from __future__ import annotations

import pytest

import unbreakable as ub

MAKERS = {
    "node": lambda system: ub.FractalNode("x", system=system),
    "function": lambda system: ub.protect("x", system=system)(lambda: 1),
    "api": lambda system: ub.APINode("https://partner.invalid", system=system),
    "cache": lambda system: ub.CacheNode(system=system),
    "agent": lambda system: ub.AgentNode(system=system),
    "database": lambda system: ub.DatabaseNode("sqlite+aiosqlite://", system=system),
    "stream": lambda system: ub.StreamNode(lambda item: None, system=system),
    "orchestrator": lambda system: ub.OrchestratorNode(system=system),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_system_takes_the_node_in(make):
    """It is seen in the status as what it is, and learns into the system's memory."""
    with ub.QuantumSystem() as system:
        node = make(system)
        (name, status), *others = system.get_system_status().nodes.items()

        assert [] == others
        assert type(status) is type(getattr(node, "node", node).get_status() if name == "x" else node.get_status())
    make(None)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_is_no_system_is_refused(make):
    """The message names the setting."""
    with pytest.raises(ub.errors.ConfigurationError, match="system must be a"):
        make("the big one")
