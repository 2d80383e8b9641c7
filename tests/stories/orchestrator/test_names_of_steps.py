"""Steps of one name in different workflows."""

from __future__ import annotations

import unbreakable as ub
from unbreakable.testing import virtual_time


def down() -> None:
    """Fail."""
    raise ConnectionError("down")


def fine() -> str:
    """Work."""
    return "fine"


def test_steps_of_one_name_in_two_workflows_have_nothing_to_do_with_each_other() -> None:
    """What fails in one workflow opens no circuit for a step of the same name in another."""
    orchestrator = ub.OrchestratorNode()
    with virtual_time():
        for _ in range(4):
            orchestrator.orchestrate_sync([ub.Step("check", down)])
        result = orchestrator.orchestrate_sync([ub.Step("check", fine)])

    assert (ub.RunStatus.COMMITTED, {"check": "fine"}) == (result.status, result.results)


def test_a_step_of_one_object_says_nothing_of_the_same_step_of_another() -> None:
    """One region's gateway is down; the other region is charged all the same, by the same lines of code."""

    class Gateway:
        def __init__(self, trouble: Exception | None) -> None:
            self.trouble = trouble

        def charge(self) -> str:
            if self.trouble is not None:
                raise self.trouble
            return "paid"

    north, south, orchestrator = Gateway(ConnectionRefusedError()), Gateway(None), ub.OrchestratorNode()
    with virtual_time():
        for _ in range(3):
            orchestrator.orchestrate_sync([ub.Step("charge", north.charge)])
        result = orchestrator.orchestrate_sync([ub.Step("charge", south.charge)])

    assert {"charge": "paid"} == result.results
