"""What was said of a stream, checked where it is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args

from unbreakable.errors import ConfigurationError
from unbreakable.fractal.operation import can_take_one, is_generator
from unbreakable.nodes.streaming.batching import Batching
from unbreakable.nodes.streaming.codec import Pair, checked
from unbreakable.nodes.streaming.status import Level
from unbreakable.nodes.streaming.verdict import Limits
from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.storage.log import LEAST_LOG_BYTES

Folder: TypeAlias = "str | os.PathLike[str]"

MOST_DEAD_LETTERS = 100_000  # a folder with more files is slow to read


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Hold what was said of a stream."""

    handler: Callable[[Any], Any] | None
    max_buffer: int
    overflow: Path | None
    durability: Level
    batching: Batching | None
    codec: Pair | None
    max_overflow_bytes: int
    max_dead_letters: int
    limits: Limits


def settle(
    *,
    handler: object,
    max_buffer: object,
    overflow: object,
    durability: str,
    batch: object,
    codec: object,
    max_overflow_bytes: object,
    max_dead_letters: object,
    deliveries: object,
    patience: object,
) -> StreamSettings:
    """Return checked settings; ConfigurationError names the one that is wrong."""
    check.whole("max_buffer", max_buffer, least=1)
    check.whole("max_overflow_bytes", max_overflow_bytes, least=LEAST_LOG_BYTES)
    check.whole("max_dead_letters", max_dead_letters, least=1)
    check.whole("deliveries", deliveries, least=1)
    check.seconds("patience", patience, endless=True)
    if max_dead_letters > MOST_DEAD_LETTERS:  # type: ignore[operator] # a whole number
        raise refuse("max_dead_letters", f"at most {MOST_DEAD_LETTERS}", max_dead_letters)
    folder = _folder(overflow)
    if durability not in get_args(Level):
        raise refuse("durability", '"memory", "process" or "durable"', durability)
    if durability != "memory" and folder is None:
        raise ConfigurationError(
            f'durability "{durability}" needs a folder to write to: give overflow="path/of/folder"'
        )
    if codec is not None and folder is None:
        raise refuse("codec", "None, since nothing is written without overflow", codec)
    return StreamSettings(
        handler=_handler(handler),
        max_buffer=max_buffer,  # type: ignore[arg-type] # a whole number
        overflow=folder,
        durability=durability,  # type: ignore[arg-type] # one of the three words
        batching=_batching(batch, max_buffer),
        codec=checked(codec),
        max_overflow_bytes=max_overflow_bytes,  # type: ignore[arg-type] # a whole number
        max_dead_letters=max_dead_letters,  # type: ignore[arg-type] # a whole number
        limits=Limits(deliveries=deliveries, patience=patience),  # type: ignore[arg-type] # numbers
    )


def _handler(handler: Any) -> Callable[[Any], Any] | None:
    if handler is None:
        return None
    expected = "a function, async or plain, that takes one item (or a list of them, with batch)"
    if not callable(handler) or is_generator(handler) or not can_take_one(handler):
        raise refuse("handler", expected, handler)
    return handler  # type: ignore[no-any-return]


def _folder(overflow: Any) -> Path | None:
    if overflow is None:
        return None
    text = os.fspath(overflow) if isinstance(overflow, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text or "://" in text:
        raise refuse("overflow", "the path of a folder, or None", overflow)
    path = Path(text).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise refuse("overflow", "the path of a folder; there is a file", str(path))
    return path


def _batching(batch: object, max_buffer: Any) -> Batching | None:
    if batch is None:
        return None
    if isinstance(batch, bool) or not isinstance(batch, (int, Batching)) or (isinstance(batch, int) and batch < 1):
        raise refuse("batch", "a whole number from 1 up, a Batching or None", batch)
    batching = batch if isinstance(batch, Batching) else Batching(batch)
    if batching.most > max_buffer:
        raise refuse("batch", f"at most max_buffer, which is {max_buffer}", batching.most)
    return batching
