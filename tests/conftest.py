"""What every test run shares: drawn examples that can be drawn again."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail, and a failure prints the blob that reproduces it.
settings.register_profile(
    "house",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")
