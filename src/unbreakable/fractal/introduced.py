"""Who chooses the settings of nodes that were given no engine; the door of the house says it before there are nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # there are no nodes yet
    from unbreakable.fractal.ports import Chooser
    from unbreakable.fractal.settings import Settings

usual: Callable[[Settings], Chooser] | None = None  #: None: the built-in ``Tuner``
