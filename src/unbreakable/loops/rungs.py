"""The rungs of the healing ladder, and the failures in a row after which each is tried at the latest."""

from __future__ import annotations

import enum


class Rung(enum.Enum):
    """One step of healing, the mildest first."""

    KNOWN_REMEDY = "known_remedy"
    ADAPTIVE_BACKOFF = "adaptive_backoff"
    SAFE_STATE_RESET = "safe_state_reset"
    QUANTUM_REFRESH = "quantum_refresh"
    SURVIVAL_MODE = "survival_mode"


STEPS = {
    3: Rung.ADAPTIVE_BACKOFF,
    5: Rung.SAFE_STATE_RESET,
    8: Rung.QUANTUM_REFRESH,
    13: Rung.SURVIVAL_MODE,
}
TURNS = {rung: failures for failures, rung in STEPS.items()}
FIRST, LAST = min(STEPS), max(STEPS)
