"""What is given anew with each call of a block: functions, which hold on to the call's own variables."""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from unbreakable.fractal.node import FractalNode
from unbreakable.fractal.remedies import Remedy, enlist, read_remedies
from unbreakable.fractal.settings import plain_function
from unbreakable.fractal.trying import check_input
from unbreakable.fractal.turn import Turns
from unbreakable.policies import Context
from unbreakable.policies.check import refuse
from unbreakable.runtime import Runtime


class BlockNode(FractalNode):
    """The node behind a block: what it knows outlives each call, what calls are given does not."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.turns: defaultdict[int, Turns] = defaultdict(Turns)

    def after_fork(self) -> None:
        """Forget the calls that were in flight in the parent process."""
        super().after_fork()
        self.turns.clear()


class Own:
    """Hold the functions given with one call of a block."""

    of_method = None  #: a block belongs to no instance

    def __init__(self, name: str, given: dict[str, Any]) -> None:
        if not isinstance(name, str):  # by which blocks are told apart
            raise refuse("name", "a word", name)
        self.name = name
        self.validate: Callable[[], object] | None = plain_function(name, "validate", given.pop("validate", None))
        self.key: Callable[[], Any] | None = plain_function(name, "key", given.pop("key", None))
        self.remedies: list[Remedy] = []
        enlist(self, *read_remedies(name, given.pop("remedies", None)))
        self.sort = (self.key is not None, bool(self.remedies))  #: what tells apart the nodes of one place

    def settings(self) -> dict[str, Any]:
        """Return what the node of the block has to know of them: it holds on to none."""
        return {} if self.key is None else {"key": ask}

    def open(self, node: FractalNode, runtime: Runtime, work: Any) -> Context:
        """Return the context of a call by *node*, which is about what was given with it."""
        ctx = node.open(runtime, work, ((self.key,), {}) if self.key is not None else ((), {}))
        ctx.given = ((), {})
        if ctx.refused is None:
            ctx.refused = check_input(self, (), {})
        if self.remedies and isinstance(node, BlockNode):
            ctx.remedies = [self._taking_turns(node.turns[number], each) for number, each in enumerate(self.remedies)]
        return ctx

    def _taking_turns(self, turns: Turns, remedy: Remedy) -> Remedy:
        """Return *remedy*, which is made anew with each call, with the turn of those before it that serve the same."""
        if remedy.source is None:
            return remedy
        owner = owner_of(remedy.source)
        return remedy.serving(turns.of(owner), of_all=owner is remedy.source or self.key is not None)


def ask(key: Callable[[], Any]) -> Any:
    """Return the key of a block's call."""
    return key()


def owner_of(function: Any) -> Any:
    """Return whom *function* serves: the object that it is a method of, else itself."""
    while isinstance(function, functools.partial):
        function = function.func
    return function.__self__ if inspect.ismethod(function) else function
