"""Which rung of healing a failing loop tries next, and how long it rests; it never gives up.

    failures in a row   rung                  what is done
    ─────────────────   ───────────────────   ─────────────────────────────────────────────────────────────────
    –                   known_remedy          within the iteration, its node applies what is known to help
    3                   adaptive_backoff      the pause doubles with each further failure, up to a cap
    5                   safe_state_reset      the state is again what it was after the last good iteration
    8                   quantum_refresh       the execution paths are discarded and made anew
    13                  survival_mode         longest pause; a substitute, if there is one, takes turns with probes
    18, 23, 28, …       both resets again     so that what survives is not kept down by what it has kept

GOOD good iterations in a row are the proof that all is well: the rung in force has worked, survival mode is over, and
the loop is back on its grid.  On the way there each good iteration halves the pause.
"""

from __future__ import annotations

import enum

from unbreakable.loops.status import Healing, Tries

GOOD = 3  # good iterations in a row that are taken as proof
SHORTEST = 0.0005  # seconds: what doubles when a loop without an interval fails, so that it does not eat a core
MOST_STRETCH = 16  # a failing loop is slowed down to a sixteenth of its pace at most,
LONGEST = 60.0  # and to one iteration in so many seconds; one that is slower anyway keeps its own pace
AGAIN = 5  # failures between two resets in survival mode


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
FIRST, LAST = min(STEPS), max(STEPS)


class Ladder:
    """Decide for a loop that runs every *interval* seconds; count what was tried and what has worked."""

    __slots__ = ("failures", "good", "in_force", "interval", "longest", "probes_next", "stretch", "surviving", "tries")

    def __init__(self, interval: float) -> None:
        self.keep_pace(interval)
        self.tries: dict[Rung, Tries] = {}
        self.start()

    def start(self) -> None:
        """Begin with all patience; what was counted is kept."""
        self.failures = self.good = 0
        self.stretch = 1
        self.surviving = self.probes_next = False
        self.in_force: Rung | None = None

    def keep_pace(self, interval: float) -> None:
        """Reckon the pauses of a loop that runs every *interval* seconds from now on."""
        self.interval = max(interval, SHORTEST)
        self.longest = max(self.interval, min(MOST_STRETCH * self.interval, LONGEST))

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────

    def failed(self) -> tuple[Rung, ...]:
        """Note a failed iteration; return the rungs to try now: ``tried`` is to be told of those that could be."""
        self.failures += 1
        self.good = 0
        self.probes_next = False
        if self.surviving:
            again = self.failures >= LAST and (self.failures - LAST) % AGAIN == 0
            return (Rung.SAFE_STATE_RESET, Rung.QUANTUM_REFRESH) if again else ()
        backed_off = self.stretch > 1
        self.in_force = Rung.ADAPTIVE_BACKOFF if backed_off else None
        if self.failures >= FIRST and self.stretch * self.interval < self.longest:
            self.stretch *= 2
        rung = STEPS.get(self.failures)
        nothing_new = rung is Rung.ADAPTIVE_BACKOFF and (backed_off or self.stretch == 1)
        return () if rung is None or nothing_new else (rung,)

    def tried(self, rung: Rung) -> None:
        """Count *rung* as tried, and hold it for the one in force, unless the loop survives anyway."""
        self._count(rung, tried=1)
        if not self.surviving and rung is not Rung.KNOWN_REMEDY:
            self.in_force = rung
            self.surviving = rung is Rung.SURVIVAL_MODE

    def worked(self, rung: Rung) -> None:
        """Count *rung* as having worked."""
        self._count(rung, worked=1)

    def succeeded(self) -> Rung | None:
        """Note a good iteration; return the rung that this proves to have worked, if any."""
        self.failures = 0
        self.good += 1
        if self.stretch > 1:
            self.stretch //= 2
        if self.good < GOOD:
            return None
        proven, self.in_force = self.in_force, None
        self.stretch, self.surviving = 1, False
        if proven is not None:
            self.worked(proven)
        return proven

    def substituted(self) -> None:
        """Note that the substitute ran: the next turn is the operation's, as a probe."""
        self.probes_next = True

    def _count(self, rung: Rung, *, tried: int = 0, worked: int = 0) -> None:
        before = self.tries.get(rung, Tries(0, 0))
        self.tries[rung] = Tries(before.tried + tried, before.worked + worked)

    # ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def pause(self) -> float:
        """The least seconds between this iteration and the next; 0.0 as long as the loop keeps its pace."""
        if self.surviving:
            return 0.0 if self.good else self.longest
        return min(self.longest, self.stretch * self.interval) if self.stretch > 1 else 0.0

    @property
    def substitutes(self) -> bool:
        """Whether it is the substitute's turn."""
        return self.surviving and not self.good and not self.probes_next

    def healing(self) -> Healing:
        """Return how often each rung was tried and has worked."""
        return Healing(**{rung.value: self.tries.get(rung, Tries(0, 0)) for rung in Rung})
