"""A program ends, whatever the collector closes at its very end."""

from __future__ import annotations

import pytest
from tests.torture.left_generators import REPORT, ended

LEFT_GENERATORS = f"""
{REPORT}
gc.set_threshold(1_000_000)  # the first collection is the one at the end
for _ in range(200):
    Report()
print("done")
"""


@pytest.mark.real
def test_a_program_with_generators_that_were_left_ends():
    """So many generators are closed by the last collection that there is something to learn, and the program ends."""
    done = ended(LEFT_GENERATORS, 30)

    assert [0, b"done\n", b""] == [done.returncode, done.stdout.replace(b"\r", b""), done.stderr]
