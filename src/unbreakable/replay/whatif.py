"""What would have become of recorded calls under other settings."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from unbreakable.errors import ConfigurationError, StateBroken
from unbreakable.observe.calls import Call, read_trace
from unbreakable.record import Record
from unbreakable.replay.changes import Changes
from unbreakable.replay.compare import Side, compare
from unbreakable.replay.luck import Luck
from unbreakable.replay.play import Played, play
from unbreakable.replay.settings import plan_of

LEAST = 40  # calls: of fewer nothing can be said
NOTHING = Changes([])


class WhatIf(Record):
    """Say how the *calls* of a node, recorded within *span* seconds, would have fared with *changes*.

    ``recorded`` is how they did fare, ``before`` how they fare in replays under the settings that were in force,
    ``after`` with the changes, ``difference`` the one less the other.  ``assumed`` says what the replays had to assume,
    ``left_out`` how many calls were recorded that are not among these, ``lost`` how many were not recorded.
    """

    node: str
    calls: int
    span: float
    began: float
    changes: tuple[str, ...]
    replays: int
    recorded: dict[str, float]
    before: Side
    after: Side
    difference: Side
    assumed: tuple[str, ...]
    left_out: int
    lost: int
    overlaps: int
    others: dict[str, int]


def what_if(
    path: str | os.PathLike[str],
    changes: Changes,
    *,
    node: str | None = None,
    replays: int = 4,
    most_calls: int = 2_000,
    seed: int = 1,
) -> WhatIf:
    """Replay the trace at *path* as it was and with *changes*: the last *most_calls* calls of *node*.

    Without a *node*, those of the one that has most.  Each of so many *replays* has other luck, by *seed*, where that
    is not known.  Raises StateError when the trace cannot be read, ConfigurationError when it has no such node, too few
    calls, or a change does not fit.
    """
    trace = read_trace(path)
    nodes = trace.nodes()
    name = _chosen(path, nodes, node)
    own = [call for call in trace.calls if call.node == name]
    calls = own[-most_calls:]
    if sum(not tried.was_cut for call in calls for tried in call.attempts) < LEAST:
        raise ConfigurationError(f"{path}: fewer than {LEAST} attempts of {name} have ended, so nothing can be said")
    for settings in {id(call.settings): call.settings for call in calls}.values():
        changes.check(_plan(path, settings))
    sides = [
        [play(calls, each, *_luck(calls, seed + replay, replay)) for replay in range(replays)]
        for each in (NOTHING, changes)
    ]
    before, after, difference = compare(sides[0], sides[1], seed)
    return WhatIf(
        node=name,
        calls=len(calls),
        span=max(call.began + call.took for call in calls) - calls[0].began,
        began=calls[0].began,
        changes=changes.texts,
        replays=replays,
        recorded=_as_recorded(calls),
        before=before,
        after=after,
        difference=difference,
        assumed=tuple(_assumed(sides[1])),
        left_out=len(own) - len(calls),
        lost=trace.lost,
        overlaps=sum(played.overlaps for side in sides for played in side),
        others={other: count for other, count in nodes.items() if other != name},
    )


def _luck(calls: Sequence[Call], seed: int, replay: int) -> tuple[Luck, int]:
    """Return the luck of a replay: of two that follow each other one is hopeful, so that intervals span both."""
    return Luck(calls, seed, hopeful=replay % 2 == 0), seed


def _plan(path: Any, settings: Any) -> Any:
    try:
        return plan_of(settings)
    except StateBroken as error:
        raise StateBroken(f"{path}: {error}") from error


def _chosen(path: Any, nodes: dict[str, int], node: str | None) -> str:
    if not nodes:
        raise ConfigurationError(f"{path}: no calls were recorded in this trace")
    if node is not None and node not in nodes:
        raise ConfigurationError(f"{path}: no calls of {node} were recorded; there are those of {', '.join(nodes)}")
    name = node or next(iter(nodes))
    if nodes[name] < LEAST:
        raise ConfigurationError(
            f"{path}: {nodes[name]} calls of {name} were recorded; of fewer than {LEAST} nothing can be said"
        )
    return name


def _as_recorded(calls: Sequence[Call]) -> dict[str, float]:
    import numpy as np

    from unbreakable.replay.compare import FIGURES, figures

    table = np.array([(call.status in ("ok", "healed"), call.took, len(call.attempts)) for call in calls], dtype=float)
    return dict(zip(FIGURES, map(float, figures(table.T)), strict=True))


def _assumed(replays: Sequence[Played]) -> list[str]:
    """Return in words what the replays had to assume."""
    drawn: Counter[str] = sum((played.drawn for played in replays), Counter[str]())
    words = {
        "again, assumed": "too few attempts after as many failures were recorded: they are taken to fare as others "
        "near them in time, or as the repeats that were recorded; it is not so where the request itself is at fault",
        "beside, assumed": "too few copies were recorded: an attempt beside a slow one is taken to be as quick as any "
        "other near it in time; it is not so where the request itself is slow",
        "beyond": "attempts were cut after longer than any took that ended: in half of the replays they never end, in "
        "the others as their like would, and the intervals span both",
    }
    return [text for what, text in words.items() if drawn[what]]
