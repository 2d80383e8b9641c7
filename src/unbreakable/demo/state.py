"""The demo's folder, from which a run that was killed can be taken up again."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from unbreakable.demo.bookings import End, Ended, Verdict
from unbreakable.demo.figures import Figures
from unbreakable.errors import StateBroken, StateError, StateOwned
from unbreakable.storage.owner import Ownership

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one demo plays."""

    seed: int = 1
    fault_rate: float = 0.05
    bookings: int = 1000
    kill_partner: bool = False


class State:
    """One folder, held by one demo at a time; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owner: Ownership | None = None

    def __enter__(self) -> Self:
        """Take the folder, or raise StateError when another demo has it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"the state folder {self.folder} cannot be made: {error}") from error
        try:
            self._owner = Ownership(self.folder / "demo")
        except StateOwned as error:
            raise StateOwned(f"another demo is at work here: {error} with --state", error.pid) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owner is not None:
            self._owner.release()

    def unfinished(self) -> Settings | None:
        """Return the settings of a demo that was begun here without coming to its end."""
        kept = _read(self._path("settings.json"))
        if kept is None or kept.pop("finished", True):
            return None
        return Settings(**kept)

    def begin(self, settings: Settings) -> None:
        """Clear what earlier demos left here and start a new one."""
        for run in ("unprotected", "protected"):
            shutil.rmtree(self.run_folder(run), ignore_errors=True)
        for name in ("unprotected.json", "ends.jsonl"):
            self._path(name).unlink(missing_ok=True)
        _write(self._path("settings.json"), {**asdict(settings), "finished": False})

    def finish(self, settings: Settings) -> None:
        """Remember that this demo came to its end."""
        _write(self._path("settings.json"), {**asdict(settings), "finished": True})

    def run_folder(self, run: str) -> Path:
        """Return the folder of the partners' books in one run."""
        return self._path(run)

    @property
    def knowledge(self) -> Path:
        """The file of what was learned, which is kept from demo to demo."""
        return self._path("knowledge.db")

    def forget_run(self, run: str) -> None:
        """Throw a run's half-written books away."""
        shutil.rmtree(self.run_folder(run), ignore_errors=True)

    def unprotected(self) -> Figures | None:
        """Return the figures of the unprotected run if it had come to its end."""
        kept = _read(self._path("unprotected.json"))
        if kept is None:
            return None
        for derived in ("failures", "p50_later"):
            kept.pop(derived, None)
        return Figures(**kept)

    def keep_unprotected(self, figures: Figures) -> None:
        """Remember the figures of the unprotected run."""
        _write(self._path("unprotected.json"), figures.to_dict())

    def remember(self, ended: Ended) -> None:
        """Add the end of one protected booking; it is in the file when this returns."""
        line = {"id": ended.id, "due": ended.due, "seconds": ended.seconds, **_plain(ended.verdict)}
        with self._path("ends.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def remembered(self) -> list[Ended]:
        """Return the ends of protected bookings so far; a last line that was cut off by a crash is left out."""
        path = self._path("ends.jsonl")
        if not path.exists():
            return []
        text = path.read_text()
        whole, _, cut = text.rpartition("\n")
        if cut:
            path.write_text(whole + "\n" if whole else "")
        return [_ended(json.loads(line)) for line in whole.splitlines()]

    def _path(self, name: str) -> Path:
        return self.folder / name


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {"end": verdict.end.value, "why": verdict.why, "heals": list(verdict.heals)}


def _ended(line: dict[str, Any]) -> Ended:
    verdict = Verdict(end=End(line["end"]), why=line["why"], heals=tuple(line["heals"]))
    return Ended(id=line["id"], due=line["due"], seconds=line["seconds"], verdict=verdict)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StateBroken(f"{path} is not what a demo wrote ({error}); delete the folder or give another") from error


def _write(path: Path, value: dict[str, Any]) -> None:
    """Replace the file in one step: a crash leaves the old one or the new one."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value, indent=1))
    draft.replace(path)
