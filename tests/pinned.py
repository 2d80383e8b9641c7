"""An engine under one plan, which learns no other."""

from __future__ import annotations

import unbreakable as ub
from unbreakable.policies import Plan


class Pinned(ub.QuantumSimulationEngine):
    """Choose nothing but *pinned*."""

    def __init__(self, pinned: Plan) -> None:
        super().__init__()
        self.pinned = pinned

    def choose_for(self, node) -> None:
        node.new_chooser = lambda _: self
        node.target.adopt(self.pinned)

    def plan(self, *_: object) -> Plan:
        return self.pinned

    def compare(self, *_: object) -> None: ...

    measure = compare

    @property
    def job(self):
        ((_, job),) = self._jobs.values()
        return job
