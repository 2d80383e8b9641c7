"""`unbreakable explain`: the story of one outcome or run, or which stories there are."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import click

from unbreakable.cli.saying import Unusable
from unbreakable.errors import ConfigurationError, StateError
from unbreakable.observe import latest_snapshot, latest_stories, story_of
from unbreakable.workflows.reading import RunTold, run_of

MOST_LISTED = 20
TELLING = ("uncertain", "failed")  # states that say themselves how little is known of the effect


@click.command(short_help="Tell the story of a call or of a run.")
@click.argument("outcome_id", required=False)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path(".unbreakable"),
    show_default=True,
    help="Where the system keeps its state.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the story as one JSON object.")
def explain(outcome_id: str | None, state: Path, as_json: bool) -> None:
    """Tell the story of a call that did not plainly succeed, or of a workflow's run, by its id.

    Ids stand in the notes of exceptions, in outcomes and in the results of runs; without one the latest stories are
    listed.  Exit code 2: there is no such story.
    """
    try:
        found = _listed(state, as_json) if outcome_id is None else _told(state, outcome_id, as_json)
    except (ConfigurationError, StateError) as error:
        raise Unusable(str(error)) from error
    if found is None:
        raise Unusable(f"{outcome_id}: no story of that id is kept in {state}; calls that plainly succeed have none")
    click.echo(found)


def _told(state: Path, outcome_id: str, as_json: bool) -> str | None:
    story = story_of(state, outcome_id)
    if story is not None:
        return json.dumps(vars(story)) if as_json else f"{_when(story.at)}\n{story.text}"
    run = run_of(state, outcome_id)
    return None if run is None else json.dumps(run.to_dict()) if as_json else _in_words(run)


def _listed(state: Path, as_json: bool) -> str:
    stories = latest_stories(state, MOST_LISTED)
    if as_json:
        return json.dumps([vars(story) for story in stories])
    lines = [f"{_when(each.at)}  {each.id}  {each.status:<8}  {each.node}" for each in stories]
    return "\n".join(lines) or f"no stories are kept in {state}: {_why_none(state)}"


def _why_none(state: Path) -> str:
    with contextlib.suppress(StateError):  # a damaged status is a system's, too
        if latest_snapshot(state) is None:
            return "only systems keep them; how the loops of an engine are doing is told by `unbreakable status`"
    return "nothing had to be healed"


def _in_words(run: RunTold) -> str:
    """Return what became of a run, step by step."""
    state = run.status or ("being undone" if run.turned_back else "unfinished")
    lines = [f"{_when(run.begun)}", f"run {run.id} of {run.workflow}: {state}"]
    for step in run.steps:
        doubt = "" if step.certain or step.state in TELLING else " (uncertain)"
        why = "" if step.error is None else f": {step.error}"
        lines.append(f"  {step.changed - run.begun:.3f} s  {step.id} {step.state}{doubt}{why}")
    return "\n".join([*lines, *([] if run.error is None else [f"  turned back by: {run.error}"])])


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
