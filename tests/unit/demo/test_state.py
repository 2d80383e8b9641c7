"""The demo's folder, from which a run that was killed is taken up."""

from __future__ import annotations

import pytest

from unbreakable.demo.bookings import End, Ended, Verdict
from unbreakable.demo.figures import Figures
from unbreakable.demo.state import Settings, State
from unbreakable.errors import StateBroken, StateOwned

SETTINGS = Settings(seed=7, bookings=60)
ENDED = Ended(id="b-1", due=0.5, seconds=0.1, verdict=Verdict(end=End.DONE, heals=("retry",)))
FIGURES = Figures(
    bookings=1, done=1, compensated=0, failed=0, downtime=0, p50=0.1, p99=0.1, later=[0.1], heals={},
    extra_load=0.0, double_charges=0, lost=0, stranded=0,
)  # fmt: skip


@pytest.fixture
def state(tmp_path):
    with State(tmp_path / "deep" / "demo") as state:
        yield state


def test_a_demo_that_was_cut_off_is_found(state):
    """Until it is finished a demo is unfinished, with its own settings."""
    assert None is state.unfinished()
    state.begin(SETTINGS)
    assert SETTINGS == state.unfinished()
    state.finish(SETTINGS)
    assert None is state.unfinished()


def test_what_was_remembered_comes_back(state):
    """Ends and figures survive, equal to what they were."""
    state.begin(SETTINGS)
    state.remember(ENDED)
    state.remember(ENDED)
    state.keep_unprotected(FIGURES)

    assert [ENDED, ENDED] == state.remembered()
    assert FIGURES == state.unprotected()


def test_a_line_that_was_cut_off_is_left_out(state):
    """A crash in the middle of writing costs that line, and later lines are whole again."""
    state.begin(SETTINGS)
    state.remember(ENDED)
    with (state.folder / "ends.jsonl").open("a") as file:
        file.write('{"id": "b-2", "du')

    assert [ENDED] == state.remembered()
    state.remember(ENDED)
    assert [ENDED, ENDED] == state.remembered()


def test_a_new_demo_starts_with_empty_books(state):
    """Beginning clears what earlier demos left, and nothing else."""
    state.begin(SETTINGS)
    state.remember(ENDED)
    state.keep_unprotected(FIGURES)
    (state.run_folder("protected")).mkdir()
    (state.folder / "mine.txt").write_text("keep me")
    state.begin(SETTINGS)

    assert ([], None, False) == (state.remembered(), state.unprotected(), state.run_folder("protected").exists())
    assert "keep me" == (state.folder / "mine.txt").read_text()


def test_two_demos_do_not_share_a_folder(state):
    """The second one is told who has it and what to do."""
    with pytest.raises(StateOwned, match=r"another demo is at work .*process \d+.* --state"), State(state.folder):
        pass


def test_the_folder_is_free_when_the_demo_is_over(tmp_path):
    """A folder that was let go can be taken again."""
    with State(tmp_path):
        pass
    with State(tmp_path) as state:
        assert None is state.unfinished()


def test_a_file_that_no_demo_wrote_is_refused(state):
    """Nonsense in the folder is an error with advice, not a traceback or a guess."""
    (state.folder / "settings.json").write_text("not json")

    with pytest.raises(StateBroken, match="delete the folder"):
        state.unfinished()
