"""A request is made from what the caller says, or refused before anything is sent."""

from __future__ import annotations

import functools
import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx2

from unbreakable.errors import ValidationFailed
from unbreakable.nodes.http.meaning import EFFECTS, KEY_HEADER, has_key
from unbreakable.outcome import in_one_line

IN_THE_QUERY = ("GET", "HEAD", "DELETE")
SLASH = re.compile(r"[/\\]")
LONG = 256  # characters of a path; longer ones are not remembered
NAME_MARKS = frozenset(f"!#$%&'*+-.^_`|~{string.ascii_letters}{string.digits}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Hold what the caller of ``make_request`` said."""

    data: Any
    path: str
    params: Any
    headers: Mapping[str, str] | None
    method: str
    key: str | None


def prepare(client: httpx2.Client | httpx2.AsyncClient, endpoint: str, ask: Ask, headers: Any) -> httpx2.Request:
    """Return the request for *endpoint* that *ask* asks for; *headers* are those that the node always sends.

    Raises ValidationFailed for what cannot be sent.
    """
    if ask.method not in EFFECTS:
        raise ValidationFailed(f"method must be one of {', '.join(EFFECTS)}, not {ask.method!r}")
    try:
        content, query, kind = body(ask.method, ask.data)
        everything = httpx2.Headers(headers)
        everything.update(checked(ask.headers))
        if kind is not None:
            everything.setdefault("Content-Type", kind)
        if ask.key is not None:
            everything.update(checked({KEY_HEADER: ask.key}))
        if KEY_HEADER in everything and not has_key(everything):
            raise ValidationFailed("idempotency_key must not be blank: every request needs its own")
        url = address(endpoint, ask.path, query, pairs(ask.params))
        return client.build_request(ask.method, url, content=content, headers=everything)
    except (httpx2.InvalidURL, TypeError, ValueError) as error:
        raise ValidationFailed(f"the request cannot be made: {in_one_line(error)}") from error


def pairs(params: Any) -> Any:
    """Return *params* if they can stand in a query; raise ValidationFailed otherwise.

    What can be gone through only once is refused: a repeat, or a copy, would send nothing of it.
    """
    if params is None or isinstance(params, (str, bytes, Mapping)):
        return params
    listed = list(params) if isinstance(params, Iterable) and not isinstance(params, Iterator) else None
    if listed is None or not all(isinstance(each, (tuple, list)) and len(each) == 2 for each in listed):
        raise ValidationFailed(f"params must be a dict, or a list of pairs of a name and a value, not {params!r:.200}")
    return [tuple(each) for each in listed]


def body(method: str, data: Any) -> tuple[bytes | None, Mapping[str, Any] | None, str | None]:
    """Return *data* as the request's content, its query parameters, and its content type."""
    if data is None:
        return None, None, None
    if isinstance(data, str):
        return data.encode(), None, "text/plain; charset=utf-8"
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), None, None
    if method in IN_THE_QUERY:
        if not isinstance(data, Mapping):
            raise ValidationFailed(f"data of a {method} must be a dict of query parameters, not {type(data).__name__}")
        return None, data, None
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationFailed(f"data cannot be sent as JSON: {in_one_line(error)}") from error
    return text.encode(), None, "application/json"


def address(endpoint: str, path: Any, query: Any, params: Any) -> httpx2.URL:
    """Return the address of *path* below *endpoint*, whose host it cannot change, with everything asked for."""
    if not isinstance(path, str) or "://" in path.partition("?")[0]:
        raise ValidationFailed(f"path must be below the endpoint, such as '/search', not {path!r}")
    place, _, asked = path.partition("?")
    url = joined(endpoint, place) if len(place) <= LONG else joined.__wrapped__(endpoint, place)
    for more in (asked, query, params):
        if more:
            url = url.copy_merge_params(more)
    return url


@functools.lru_cache(maxsize=1024)  # taking addresses apart was an eighth of what a request costs
def joined(endpoint: str, place: str) -> httpx2.URL:
    """Return the address of *place* below *endpoint*; raise ValidationFailed if it is not below it."""
    url = httpx2.URL(endpoint)
    if leaves(place):
        raise ValidationFailed(f"path must stay below the endpoint, which its '..' would leave: {place!r:.200}")
    if not place:
        return url
    below = httpx2.URL("/" + place.lstrip("/")).raw_path
    stem, mark, standing = url.raw_path.partition(b"?")
    return url.copy_with(raw_path=stem.rstrip(b"/") + below + mark + standing)


def leaves(place: str) -> bool:
    """Return whether the path *place* climbs above where it starts, however its reader takes it.

    Some readers decode %2F, take a backslash for a slash, merge slashes, or drop what follows a semicolon.  So where
    a piece between two slashes can be read as several, each ".." in it counts, and its names together count as one.

    >>> leaves("a/../b"), leaves("a/../../b"), leaves("%2e%2E/b"), leaves("a%2f..%2f../b"), leaves("..;x=1/b")
    (False, True, True, True, True)
    """
    depth = 0
    for piece in place.split("/"):
        text = unquote(piece)
        climbs = [name.partition(";")[0] for name in SLASH.split(text)].count("..")
        names = SLASH.split(text.partition(";")[0])  # all that is left of it to who drops the rest, slashes and all
        depth += -climbs if climbs else any(name not in ("", ".") for name in names)
        if depth < 0:
            return True
    return False


def checked(headers: Any) -> Mapping[str, str]:
    """Return *headers* if they can be sent; raise ValidationFailed, naming the one that cannot."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ValidationFailed(f"headers must be a dict of text, not {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not name or not NAME_MARKS.issuperset(name):
            raise ValidationFailed(f"headers must have names of letters, digits and hyphens, not {name!r}")
        if not isinstance(value, str) or not value.isascii() or any(mark in value for mark in "\r\n\0"):
            raise ValidationFailed(
                f"headers[{name!r}] must be ASCII text in one line, not {type(value).__name__} {value!r:.40}"
            )
    return headers
