"""How far the run is."""

from __future__ import annotations

import io

from unbreakable.demo.bookings import End, Ended, Verdict
from unbreakable.demo.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def ended(end=End.DONE, heals=()):
    return Ended(id="b-1", due=0.0, seconds=0.1, verdict=Verdict(end=end, heals=heals))


def test_the_line_counts_what_happened():
    """Half of the bookings fill half of the bar."""
    progress = Progress("protected", 4, io.StringIO())
    progress.add(ended(heals=("retry", "retry")))
    progress.add(ended(End.FAILED))

    assert "[###############...............] 2/4  failed 1  healed 2" in progress.line()


def test_a_file_gets_whole_lines_and_few_of_them():
    """Away from a terminal nothing is redrawn: a quick run has one line."""
    stream = io.StringIO()
    progress = Progress("protected", 2, stream)
    progress.add(ended())
    progress.add(ended())
    progress.close()

    assert 1 == stream.getvalue().count("\n")
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_redrawn():
    """On a terminal the bar stays in its line until it is closed."""
    stream = Terminal()
    progress = Progress("protected", 1, stream)
    progress.add(ended())
    progress.close()

    assert stream.getvalue().startswith("\r")
    assert stream.getvalue().endswith("\n")
    assert 1 == stream.getvalue().count("\n")
