"""``--json``: every verb answers in JSON, and so do its refusals."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from unbreakable.cli.main import VERBS, main


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_can_answer_in_json(verb):
    """The option is there, and its help says what comes."""
    assert "--json" in CliRunner().invoke(main, [verb, "--help"]).output


@pytest.mark.parametrize("words", [("status",), ("explain", "nobody")])
def test_a_refusal_is_json_too(tmp_path, words):
    """Where there is nothing to show, one JSON object on standard output says why; plain words go to the terminal."""
    state = ["--state", str(tmp_path / "none")]
    asked, plain = (CliRunner().invoke(main, [*words, *state, *more]) for more in (["--json"], []))

    assert (2, 2) == (asked.exit_code, plain.exit_code)
    assert "none" in json.loads(asked.stdout)["error"]
    assert "" == asked.stderr == plain.stdout
    assert plain.stderr.startswith("Error: ")
