"""Items become bytes, and the same items again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from unbreakable.errors import NotRecordable
from unbreakable.policies.check import refuse
from unbreakable.storage import payload

Pair: TypeAlias = "tuple[Callable[[Any], bytes], Callable[[bytes], Any]]"

JSON, BYTES, TEXT, OWN = range(4)  # what is on disk: never renumbered


class Codec(Protocol):
    """Turn an item into what a buffer keeps, and back."""

    def encode(self, item: Any) -> tuple[int, Any]:
        """Return the flags and the payload of *item*, or raise what says why it cannot be kept."""

    def decode(self, flags: int, payload: Any) -> Any:
        """Return the item."""


class ByReference:
    """Keep items as they are: nothing leaves the memory."""

    def encode(self, item: Any) -> tuple[int, Any]:
        """Return *item* itself."""
        return JSON, item

    def decode(self, flags: int, payload: Any) -> Any:
        """Return the item itself."""
        return payload


class AsBytes:
    """Write text and bytes as they are, and all else as JSON, or with the user's own *pair* of functions.

    What takes more than *most_bytes* is refused.
    What cannot be written, or would read back as something else, is refused with a ``NotRecordable`` that names the
    culprit; what the user's own functions raise is theirs.
    """

    def __init__(self, pair: Pair | None, most_bytes: int) -> None:
        self._pair, self._most_bytes = pair, most_bytes

    def encode(self, item: Any) -> tuple[int, bytes]:
        """Return the flags and the bytes of *item*."""
        flags, data = self._encode(item)
        if len(data) > self._most_bytes:
            raise NotRecordable(f"item takes {len(data)} bytes, and at most {self._most_bytes} can be kept")
        return flags, data

    def _encode(self, item: Any) -> tuple[int, bytes]:
        if self._pair is not None:
            data = self._pair[0](item)
            if not isinstance(data, bytes):
                raise TypeError(f"the codec's encode must return bytes, not {type(data).__name__}")
            return OWN, data
        if type(item) is bytes:
            return BYTES, item
        try:
            if type(item) is str:
                return TEXT, item.encode()
            return JSON, payload.record(item, "item").text.encode()
        except UnicodeEncodeError as error:
            raise NotRecordable(f"item holds text that is no Unicode: {error.reason}") from None

    def decode(self, flags: int, payload: Any) -> Any:
        """Return the item; raise ValueError when it was written in a way that is not known here."""
        if flags == OWN:
            if self._pair is None:
                raise ValueError("it was written with a codec, and the stream has none now")
            return self._pair[1](payload)
        return _read(flags, payload)


def _read(flags: int, data: bytes) -> Any:
    if flags == BYTES:
        return data
    if flags == TEXT:
        return data.decode()
    if flags == JSON:
        return payload.read(data.decode())
    raise ValueError(f"it was written in a way that is not known here ({flags})")


class Encoded(Protocol):
    """What a buffer keeps of an item."""

    @property
    def flags(self) -> int:
        """How it was encoded."""

    @property
    def payload(self) -> Any:
        """What it was encoded to."""


def decoded(entries: Sequence[Encoded], codec: Codec) -> list[Any]:
    """Return the items up to the first that cannot be decoded."""
    items: list[Any] = []
    for entry in entries:
        try:
            items.append(codec.decode(entry.flags, entry.payload))
        except Exception:
            break
    return items


def checked(pair: object) -> Pair | None:
    """Return *pair* if it is what a codec is made of."""
    if pair is None:
        return None
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(callable(function) for function in pair)):
        raise refuse("codec", "a pair of functions (encode to bytes, decode from bytes) or None", pair)
    return pair
