"""How often the primary way of a job is measured."""

from __future__ import annotations

import pytest

from unbreakable.simulation.jobs import Job
from unbreakable.simulation.speedup import LEAST


@pytest.mark.parametrize(("succeeds", "measured"), [(True, LEAST), (False, 14)])
def test_there_is_a_baseline_whatever_the_dice_say(succeeds, measured):
    """One call in twenty measures the primary way until that is known, and no more than one if it never succeeds."""
    job = Job()

    for _ in range(300):
        if job._is_control(0.99):
            job.controls += 1
            job.watch.alone.extend([0.2] if succeeds else [])
        job.watch.calls.append(0.1)

    assert measured == job.controls
