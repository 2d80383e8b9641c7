"""What goes around a call, and what makes one attempt of it."""

from __future__ import annotations

from unbreakable.fractal.healing import Healing
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.trying import Attempting, Validation
from unbreakable.policies import Bulkhead, Inner, Plan, Policy


def layers(settings: Settings, plan: Plan) -> tuple[list[Policy], Inner]:
    """Return what *settings* and *plan* put around a call, outermost first, and what makes one attempt."""
    fallback = () if settings.fallback is None else (settings.fallback,)
    bulkhead = () if not isinstance(plan.bulkhead, Bulkhead) else (plan.bulkhead,)
    around: list[Policy] = [*fallback, Validation(settings), *bulkhead, Healing(plan.retry)]
    return around, Attempting(settings).attempt
