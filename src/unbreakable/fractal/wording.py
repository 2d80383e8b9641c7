"""What an error says, without what differs from case to case."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from unbreakable.errors import says_nothing, told_by

MOST_CHARACTERS = 64  # of a message in a signature
MOST_WORDS = 4  # of a body in a signature
MOST_BODY = 8_192  # characters of a body that are looked at
DEEPEST = 3  # how deep a body is looked into

_DAY, _MONTH = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_FEW, _TOKEN = "[0-9a-fA-F]{0,4}", "[0-9a-zA-Z_+/=~-]"
# how languages quote: what opens, and what closes; that may open in another one, so all are looked for at once
_QUOTES = ("''", '""', "``", "„“”", "“”", "‚‘’", "‘’", "«»", "»«", "「」", "『』")  # noqa: RUF001 - meant
_QUOTED = "|".join(f"{each[0]}[^{each[1:]}]{{0,200}}[{each[1:]}]" for each in _QUOTES)
_TEMPLATE = (  # what a message must hold for it to be looked for, what is left out, what is put instead
    ("://", r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,15}://[^\s'\"<>)\]]+", "url"),
    ("@", r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+", "#"),
    ("20", rf"\b(?:{_DAY},? )?(?:\d{{1,2}}[ -]{_MONTH}[ -]\d{{4}}|{_MONTH} {{1,2}}\d{{1,2}})\b", "#"),
    ("0x", r"0x[0-9a-fA-F]+", "#"),
    ("-", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b", "#"),
    ("", _QUOTED, "'…'"),
    (":", rf"(?<![\w:])(?=[\d:]*[a-fA-F])(?=[a-fA-F:]*\d){_FEW}(?::{_FEW}){{2,7}}(?![\w:])", "#"),  # IPv6, MAC
    ("", r"\b\d+(?:\.\d+)?[eE][+-]?\d+\b", "#"),
    ("", rf"(?<!{_TOKEN})(?={_TOKEN}*\d)(?={_TOKEN}*[a-z])(?={_TOKEN}*[A-Z]){_TOKEN}{{20,}}", "#"),
    ("", r"\b(?=[a-fA-F]*\d)[0-9a-fA-F]{6,}\b", "#"),
    ("", r"\b(?:(?=[^\W\d]*\d[^\W\d]*\d)\w{12,}|\w*\d[^\W\d_]+\d\w*)\b", "#"),
)
_compiled = functools.cache(re.compile)  # when first needed: half a millisecond each
_LIST = re.compile(r"(#|'…')(?:, \1)+")  # as long as it may be
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CODE = re.compile(r"[A-Za-z][A-Za-z_.:/-]{1,39}")
_NAMES = frozenset({"code", "type", "error", "errors", "error_code", "errorcode", "reason", "status", "title"})

#: Words by which targets say that repeating is in vain; what they mean is learned sooner, and tested all the same.
FINAL = (
    *("auth_error", "autherror", "invalid_api_key", "invalid_grant", "insufficient_quota", "quota_exceeded"),
    *("access_denied", "accessdenied", "unauthorized", "forbidden", "not_supported"),
    *("account_suspended", "account_deactivated", "account_disabled"),
)
_LIMIT_0 = re.compile(r"\blimit(?: of| is|[:=])? ?0(?![\w.,])")


def is_final(signature: str) -> bool:
    """Return whether the target says in *signature* that repeating is in vain; names of types and places say nothing.

    >>> is_final("shop.Failed | 500 | auth_error | in shop.ask"), is_final("shop.Failed | gone | in shop.forbidden.ask")
    (True, False)
    """
    said = signature.lower().split(" | ")[1:]
    for opening in ("in ", "from "):  # the place, and before it the type of the root cause
        if said and said[-1].startswith(opening):
            said.pop()
    return any(word in part for part in said for word in FINAL) or any(map(_LIMIT_0.search, said))


def template(message: str) -> str:
    """Return *message* without what differs from case to case; a lone 0 is kept, for a limit of 0 is no other limit.

    >>> template("order 4711 of 'Ann' not found at 0x7f12")
    "order # of '…' not found at #"
    >>> template("GET https://api.example/v1/orders/17?page=3: limit 0 of req_8fKd93Jk2l, not 250")
    'GET url limit 0 of #, not #'
    """
    message = message[: 8 * MOST_CHARACTERS]
    for sign, pattern, blank in _TEMPLATE:
        if sign in message:
            message = _compiled(pattern).sub(blank, message)
    message = _LIST.sub(r"\1", _NUMBER.sub(_blank, message))
    return " ".join(message.split())[:MOST_CHARACTERS]


def _blank(number: re.Match[str]) -> str:
    return "0" if number[0] == "0" else "#"


def words_of_body(error: BaseException) -> str:
    """Return the codes in the body of the answer that *error* carries, as far as it was read already; "" without one.

    A status is not enough to know an answer by: a 500 that says ``auth_error`` is no 500 that passes, and a 429 whose
    limit is 0 is none that waiting helps against.
    """
    if says_nothing(error):
        return ""
    response = told_by(error, "response")
    found = dict.fromkeys(_words(_body_of(error, response)))
    headers = told_by(response, "headers")
    if any(_header(headers, name) == "0" for name in ("x-ratelimit-limit", "ratelimit-limit")):
        found["limit 0"] = None
    return " ".join(list(found)[:MOST_WORDS])


def _header(headers: Any, name: str) -> str | None:
    try:
        value = headers.get(name)
    except Exception:
        return None  # no headers at all
    return str(value).strip() if isinstance(value, (str, int)) else None


def _body_of(error: BaseException, response: object) -> Any:
    """Return the body: what was parsed already, or the bytes that lie there; nothing is read from a connection."""
    if isinstance(response, Mapping):  # botocore
        return response.get("Error")
    for body in (told_by(error, "body"), told_by(response, "_content")):
        if isinstance(body, Mapping):
            return body
        if isinstance(body, (bytes, str)) and body:
            return _parsed(body[:MOST_BODY])
    return None


def _parsed(body: bytes | str) -> Any:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _words(body: Any, depth: int = 0) -> Iterator[str]:
    """Yield the codes of *body*: values of fields that are called so, and a limit of 0."""
    if isinstance(body, str) and depth == 0:
        yield from () if body.lstrip().startswith("<") else (template(body)[:60],)
    elif isinstance(body, list) and depth < DEEPEST:
        for each in body[:MOST_WORDS]:
            yield from _words(each, depth + 1)
    elif isinstance(body, Mapping) and depth < DEEPEST:
        for name, value in list(body.items())[:32]:
            yield from _words_of(str(name).lower(), value, depth)


def _words_of(name: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, (Mapping, list)):
        yield from _words(value, depth + 1)
    elif name.endswith("limit") and value in (0, "0") and value is not False:
        yield "limit 0"
    elif name in _NAMES and isinstance(value, str) and _CODE.fullmatch(value):
        yield value
    elif name == "code" and type(value) is int and 0 < value < 1_000_000:
        yield f"code {value}"
