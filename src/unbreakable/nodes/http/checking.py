"""The settings of an APINode are refused where they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from unbreakable.errors import ConfigurationError, ValidationFailed
from unbreakable.nodes.http.asking import Asking
from unbreakable.nodes.http.credentials import Credentials, checked
from unbreakable.nodes.http.meaning import EFFECTS, has_key
from unbreakable.nodes.http.request import checked as checked_headers
from unbreakable.policies import check
from unbreakable.policies.check import refuse

PORTS = 65_536
EXAMPLE = "an absolute URL such as 'https://api.example.com/v1'"


def checked_endpoints(endpoint: Any, endpoints: Any) -> tuple[str, ...]:
    """Return the URLs of the service in the order of preference."""
    if endpoints is None:
        return (_url("endpoint", endpoint),)
    if isinstance(endpoints, str) or not isinstance(endpoints, Sequence) or not endpoints:
        raise refuse("endpoints", f"a list of at least one URL, each {EXAMPLE}", endpoints)
    first = [] if endpoint is None else [_url("endpoint", endpoint)]
    others = [_url(f"endpoints[{number}]", url) for number, url in enumerate(endpoints)]
    return tuple(dict.fromkeys([*first, *others]))


def _url(path: str, url: Any) -> str:
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise refuse(path, EXAMPLE, url) from error
    has_port = parsed.port is None or 0 < parsed.port < PORTS
    if parsed.scheme not in ("http", "https") or not (parsed.host and has_port):
        raise refuse(path, EXAMPLE, url)
    return str(url)


def host_of(url: str) -> str:
    """Return the host of *url*, with its port if it is told.

    >>> host_of("http://localhost:8000/v1"), host_of("https://api.example.com")
    ('localhost:8000', 'api.example.com')
    """
    return httpx2.URL(url).netloc.decode("ascii")


def checked_method(method: Any) -> str:
    """Return *method* in capitals."""
    if not isinstance(method, str) or method.upper() not in EFFECTS:
        raise refuse("method", f"one of {', '.join(EFFECTS)}", method)
    return method.upper()


def new_asking(
    urls: tuple[str, ...], headers: Any, auth: Any, transport: Any, max_body: Any, *, carry: Any = True
) -> Asking:
    """Return what attempts share, from settings that were checked."""
    check.whole("max_body", max_body, least=1)
    check.switch("carry", carry)
    if not (
        transport is None
        or callable(transport)
        or hasattr(transport, "handle_request")
        or hasattr(transport, "handle_async_request")
    ):
        raise refuse("transport", "an httpx2 transport, or a function that makes one", transport)
    if has_key(headers):
        raise ConfigurationError("headers must not hold an Idempotency-Key, which each request needs its own of")
    standing, proof = dict(_headers(headers)), _proof(auth)
    if isinstance(proof, str):
        standing["Authorization"], proof = f"Bearer {proof}", None
    return Asking(urls, standing, proof, transport, max_body, carry=carry)


def _headers(headers: Any) -> Mapping[str, str]:
    try:
        return checked_headers(headers)
    except ValidationFailed as error:
        raise ConfigurationError(str(error)) from None


def _proof(auth: Any) -> httpx2.Auth | Credentials | str | None:
    if auth is None or isinstance(auth, httpx2.Auth):
        return auth
    if isinstance(auth, str):
        try:
            return checked(auth)
        except TypeError:
            raise ConfigurationError("auth must be a token of printable ASCII, which this text is not") from None
    if isinstance(auth, tuple) and len(auth) == 2 and all(isinstance(word, str) for word in auth):
        return httpx2.BasicAuth(*auth)
    if callable(auth):
        return Credentials(auth)
    expected = "a token, a (user, password), an httpx2.Auth, or a function that returns a token"
    raise ConfigurationError(f"auth must be {expected}, not a {type(auth).__name__}")
