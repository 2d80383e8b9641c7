"""What an outcome's story shows of names and errors, which are anybody's."""

from __future__ import annotations

import unbreakable as ub


def test_a_story_moves_no_cursor():
    """Codes of a terminal, and ends of lines, are shown as what they are; what can be read is left as it is."""

    @ub.protect("job\x1b[31m", effects="none", retry=False)
    def work():
        raise ValueError("Flüge\x1b[2J\rok")

    lines = work.outcome().explain().split("\n")

    assert not [line for line in lines if not line.isprintable()]
    assert "Flüge" in lines[-1]
    assert lines[0].startswith(r"job\x1b[31m failed")
