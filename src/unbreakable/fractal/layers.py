"""What goes around a call, and what makes one attempt of it."""

from __future__ import annotations

from unbreakable.fractal.healing import Healing
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.trying import Attempting, Validation
from unbreakable.policies import Inner, Plan, Policy


def layers(settings: Settings, plan: Plan) -> tuple[list[Policy], Inner]:
    """Return what *settings* and *plan* put around a call, outermost first, and what makes one attempt."""
    fallback = () if settings.fallback is None else (settings.fallback,)
    throttle = () if plan.throttle is None else (plan.throttle,)
    places = plan.concurrency or plan.bulkhead  # with both, the limit has the bulkhead for its upper end
    places_of_its_own = () if places is None else (places,)
    around: list[Policy] = [*fallback, Validation(settings), *throttle, *places_of_its_own, Healing(plan.retry)]
    return around, Attempting(settings).attempt
