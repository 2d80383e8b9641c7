"""Files of knowledge: JSON, Markdown and plain text, one or a folder of them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from unbreakable.errors import ConfigurationError
from unbreakable.nodes.answering.passage import Passage
from unbreakable.nodes.answering.reading import MOST_TITLE, Place, read_data, read_markdown, read_text, text_of
from unbreakable.policies.check import refuse

MOST_FILES = 10_000  # of one folder
DATABASES = frozenset((".db", ".db3", ".kb", ".sqlite", ".sqlite3"))
TEXTS = frozenset((".json", ".md", ".markdown", ".txt"))
_SQLITE = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Return whether *path* is, or by its name should be, a SQLite file."""
    if path.is_dir():
        return False
    if path.suffix.lower() in DATABASES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def existing(path: str | os.PathLike[str]) -> Path:
    """Return the path of what is there, from the root on; ConfigurationError when there is nothing."""
    named = os.fspath(path)
    if not isinstance(named, str) or not named or "\0" in named:
        raise refuse("knowledge", "the path of a file or folder", path)
    found = Path(named).expanduser()
    try:
        there = found.is_file() or found.is_dir()
    except OSError:  # a text that is no name, since it is too long
        there = False
    if not there:
        raise refuse("knowledge", "the path of a file or folder that exists (put a text into a list)", named)
    return found.absolute()


def read_path(path: Path, most_bytes: int) -> Iterator[Passage]:
    """Yield the passages of a file, or of those in a folder; files of more than *most_bytes* are refused."""
    if not path.is_dir():
        yield from read_file(path, path.name, most_bytes)
        return
    files = sorted(itertools.islice(_texts(path), MOST_FILES + 1))
    if not files or len(files) > MOST_FILES:
        raise refuse("knowledge", f"a folder with 1 to {MOST_FILES} .json, .md or .txt files", f"{path}: {len(files)}")
    for each in files:
        yield from read_file(each, each.relative_to(path).as_posix(), most_bytes)


def _texts(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found = (Path(place, name) for name in files if not name.startswith("."))
        yield from (each for each in found if each.suffix.lower() in TEXTS)


def read_file(path: Path, name: str, most_bytes: int) -> Iterator[Passage]:
    """Yield the passages of one file; *name* is what answers call it."""
    suffix = path.suffix.lower()
    if suffix not in TEXTS:
        raise refuse("knowledge", "a .json, .md or .txt file, a folder of them, or a knowledge base", str(path))
    name, stem = text_of("knowledge", name), text_of("knowledge", path.stem[:MOST_TITLE])
    at, text = Place(path=name, source=name), _text(path, most_bytes)
    if suffix == ".json":
        yield from read_data(_json(path, text), at)
    else:
        read = read_text if suffix == ".txt" else read_markdown
        yield from read(text, replace(at, titles=(stem,)))


def _text(path: Path, most_bytes: int) -> str:
    try:
        if path.stat().st_size > most_bytes:
            raise refuse("knowledge", f"files of at most {most_bytes} bytes", str(path))
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"knowledge: {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"knowledge: {path} must be UTF-8, which byte {error.start} is not") from error


def _json(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise ConfigurationError(f"knowledge: {path} is nested too deeply") from None
    except ValueError as error:
        raise ConfigurationError(f"knowledge: {path} must be JSON ({error})") from error
