"""Where a circuit may stand, and what moves it from there."""

from __future__ import annotations

import enum

from unbreakable.events import CircuitClosed, CircuitHalfOpened, CircuitOpened, CircuitRamping, Event


class State(enum.StrEnum):
    """Say where a circuit stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    RAMPING = "ramping"
    FORCED_OPEN = "forced open"
    DISABLED = "disabled"


HALF_OPEN = State.HALF_OPEN  # the same, without a look into its class, for those who ask at every failure


class Change(enum.Enum):
    """What moves a circuit."""

    TRIPPED = enum.auto()  #: too many failures
    RESTED = enum.auto()  #: the rest is over
    BACK = enum.auto()  #: every permit succeeded; how much the target bears is to be seen
    PROVEN = enum.auto()  #: every permit succeeded, or every step of the ramp went well
    FORCED = enum.auto()
    SWITCHED_OFF = enum.auto()
    RESET = enum.auto()


CHANGES: dict[tuple[State, Change], State] = {
    (State.CLOSED, Change.TRIPPED): State.OPEN,
    (State.OPEN, Change.RESTED): State.HALF_OPEN,
    (State.HALF_OPEN, Change.TRIPPED): State.OPEN,
    (State.HALF_OPEN, Change.BACK): State.RAMPING,
    (State.HALF_OPEN, Change.PROVEN): State.CLOSED,
    (State.RAMPING, Change.TRIPPED): State.OPEN,
    (State.RAMPING, Change.PROVEN): State.CLOSED,
    **{(state, Change.FORCED): State.FORCED_OPEN for state in State},
    **{(state, Change.SWITCHED_OFF): State.DISABLED for state in State},
    **{(state, Change.RESET): State.CLOSED for state in State},
}
EVENTS: dict[State, type[Event]] = {
    State.OPEN: CircuitOpened,
    State.HALF_OPEN: CircuitHalfOpened,
    State.RAMPING: CircuitRamping,
    State.CLOSED: CircuitClosed,
    State.FORCED_OPEN: CircuitOpened,
    State.DISABLED: CircuitClosed,
}
COUNTING = (State.CLOSED, State.RAMPING)  # in which failures add up until there are too many
SHUT = (State.OPEN, State.FORCED_OPEN)  # in which nothing goes through
FREE = (State.CLOSED, State.DISABLED)  # in which everything does
