"""`unbreakable demo` on the command line: what it refuses, and what it says then."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from unbreakable.cli.main import main
from unbreakable.demo.state import Settings, State

UNFINISHED = Settings(seed=7, bookings=60)


def run(*arguments):
    return CliRunner().invoke(main, ["demo", *map(str, arguments)])


def python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_the_verbs_are_listed():
    """Without a verb the command says what there is."""
    result = CliRunner().invoke(main, ["--help"])

    assert 0 == result.exit_code
    assert "demo" in result.output


def test_an_unknown_verb_is_a_usage_error():
    """A verb that does not exist is named, and the exit code is 2."""
    result = CliRunner().invoke(main, ["dmeo"])

    assert 2 == result.exit_code
    assert "dmeo" in result.output


@pytest.mark.parametrize(
    "options",
    [*(["--fault-rate", number] for number in ("1.5", "nan", "-nan", "inf")), ["--bookings", "0"], ["--seed", "many"]],
    ids="=".join,
)
def test_impossible_settings_are_refused(options, tmp_path):
    """What cannot be played is refused before anything is started."""
    assert 2 == run(*options, "--state", tmp_path).exit_code
    assert [] == list(tmp_path.iterdir())


def test_an_unfinished_demo_is_not_finished_as_another_one(tmp_path):
    """Options that contradict the demo in the state folder are refused, and the message says which."""
    with State(tmp_path / "demo") as state:
        state.begin(UNFINISHED)
    result = run("--seed", 8, "--state", tmp_path)

    assert 2 == result.exit_code
    assert "an unfinished demo with --seed 7 is in the state folder" in result.output


def test_a_folder_in_use_is_refused(tmp_path):
    """Two demos on one state folder: the second one says that the first is at work, and what to do."""
    with State(tmp_path / "demo"):
        result = run("--state", tmp_path)

    assert 2 == result.exit_code
    assert "another demo is at work" in result.output
    assert "--state" in result.output


def test_a_state_folder_that_cannot_be_made_is_refused(tmp_path):
    """A file in the place of the folder is an error in words."""
    (tmp_path / "demo").write_text("I am a file")
    result = run("--state", tmp_path)

    assert 2 == result.exit_code
    assert "cannot be made" in result.output


@pytest.mark.real
def test_a_missing_extra_is_named():
    """Without the HTTP client the demo says what to install."""
    result = python(
        "import sys\nsys.modules['httpx2'] = None\n"
        "from unbreakable.cli.main import main\nmain(['demo', '--bookings', '1'])"
    )

    assert 2 == result.returncode
    assert "pip install 'unbreakable[demo]'" in result.stderr


@pytest.mark.real
def test_help_loads_no_client_and_no_database():
    """Asking for help costs no heavy import."""
    result = python(
        "import sys\nfrom unbreakable.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'httpx2', 'h11', 'sqlite3', 'numpy'} & set(sys.modules)))"
    )

    assert "[]" == result.stdout.splitlines()[-1]


def test_ctrl_c_before_anything_is_played_has_the_code_of_an_interruption(tmp_path, monkeypatch):
    """Code 1 says that a booking failed; loading what plays the demo takes its time, too."""

    def load() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unbreakable.cli.demo._load", load)

    assert 130 == run("--state", tmp_path).exit_code
