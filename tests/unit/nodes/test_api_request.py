"""What is sent and what comes of the answer, without a socket."""

from __future__ import annotations

import asyncio
import json
import ssl

import httpx2
import pytest

import unbreakable as ub
from unbreakable.nodes import AdaptiveTransport, APINode
from unbreakable.nodes.http.request import joined
from unbreakable.testing import virtual_time


def echo(request: httpx2.Request) -> httpx2.Response:
    facts = {"method": request.method, "url": str(request.url), "body": request.content.decode()}
    return httpx2.Response(200, json=facts)


def api(answer=echo, endpoint="https://api.test/v1", method="GET", **options) -> APINode:
    handler = answer if callable(answer) else lambda request: answer
    return APINode(endpoint, method, transport=httpx2.MockTransport(handler), **options)


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("endpoint", "path", "url"),
    [
        ("https://api.test", "", "https://api.test"),
        ("https://api.test/v1", "", "https://api.test/v1"),
        ("https://api.test/v1", "search", "https://api.test/v1/search"),
        ("https://api.test/v1/", "/search/", "https://api.test/v1/search/"),
        ("https://api.test/v1?key=7", "/search?city=CAI", "https://api.test/v1/search?key=7&city=CAI"),
        ("https://api.test/a%2Fb", "/città:1", "https://api.test/a%2Fb/citt%C3%A0:1"),
        ("https://api.test", "//evil.test/x", "https://api.test/evil.test/x"),
    ],
)
def test_the_path_is_below_the_endpoint(endpoint, path, url):
    """A path is put behind the endpoint's own and cannot lead to another host."""
    assert url == api(endpoint=endpoint).make_request_sync(path=path)["url"]


@pytest.mark.parametrize(
    "path",
    [
        "../../ok?admin=1",
        "..",
        "/a/../../b",
        "%2e%2e/ok",
        "/.%2E/ok",
        "..\\ok",
        "..%5cok",
        "a%2f..%2f..%2fok",
        ";%2fa/..",
        "a%2Fb/../../ok",
        "a//../../ok",
        "a/./../../ok",
        "..;v=1/ok",
        "../v1/../../v1/ok",
    ],
)
def test_a_path_that_leaves_the_endpoint_is_refused(path):
    """What is sent with the endpoint's credentials stays below it, however the service reads dots and slashes."""
    with pytest.raises(ub.errors.ValidationFailed, match=r"path must stay below the endpoint"):
        api(auth="s3cret").make_request_sync(path=path)


@pytest.mark.parametrize("path", ["a/../b", "a/./b", "..a/b..", "a/...", "v1.2", "a%2Fb", "a;v=1/..", "a%252e%252e"])
def test_dots_that_stay_below_the_endpoint_are_sent(path):
    """A path may have dots in it, and even climb where it came from."""
    assert api().make_request_sync(path=path)["url"].startswith("https://api.test/v1")


def test_addresses_are_remembered_within_bounds():
    """Few addresses are taken apart once, many do not pile up, and long ones are not kept at all."""
    node = api()
    for path in ("/a", "/a", *(f"/orders/{number}" for number in range(2_000)), "/" + 60_000 * "x"):
        assert node.make_request_sync(path=path)["url"] == f"https://api.test/v1{path}"
    kept = joined.cache_info()
    assert kept.hits >= 1
    assert kept.currsize <= kept.maxsize == 1024
    misses = kept.misses
    node.make_request_sync(path="/" + 300 * "x")
    assert joined.cache_info().misses == misses


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_dict_becomes_the_query_of_a_read(method):
    """Where there is no body, data are parameters; params come on top."""
    got = api(method=method).make_request_sync({"city": "CAI", "n": 1}, params={"n": 2})

    assert ("https://api.test/v1?city=CAI&n=2", "") == (got["url"], got["body"])


@pytest.mark.parametrize("data", [{"città": [1, None, True]}, [1, 2], 7, "text", b"bytes", bytearray(b"bytes"), None])
def test_data_become_the_body_of_a_write(data):
    """Text and bytes are sent as they are, nothing as nothing, everything else as JSON."""
    body = api(method="POST").make_request_sync(data)["body"]
    raw = {str: data, bytes: "bytes", bytearray: "bytes", type(None): ""}

    assert raw.get(type(data), data) == (body if type(data) in raw else json.loads(body))


def test_headers_are_put_together():
    """The call's headers win over the node's; JSON says that it is JSON; the key is a header."""
    seen: list[httpx2.Headers] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers)
        return httpx2.Response(204)

    node = api(note, method="POST", headers={"X-Team": "a", "X-Who": "node"})
    node.make_request_sync({}, headers={"x-who": "call"}, idempotency_key="order-17")

    assert ("a", "call", "application/json", "order-17") == tuple(
        seen[0][name] for name in ("x-team", "x-who", "content-type", "idempotency-key")
    )


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"method": "FETCH"}, "method must be one of GET"),
        ({"data": [1]}, "data of a GET must be a dict of query parameters, not list"),
        ({"data": {1, 2}, "method": "POST"}, "data cannot be sent as JSON"),
        ({"data": float("nan"), "method": "POST"}, "data cannot be sent as JSON"),
        ({"path": "https://evil.test"}, "path must be below the endpoint"),
        ({"path": 7}, "path must be below the endpoint"),
        ({"path": "/a\nb"}, "the request cannot be made"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, r"headers\['X-A'\] must be ASCII text in one line"),
        ({"headers": {"X-User": "Jürgen"}}, r"headers\['X-User'\] must be ASCII text in one line"),
        ({"headers": {"X A": "b"}}, "headers must have names of letters"),
        ({"headers": {"Ü": "b"}}, "headers must have names of letters"),
        ({"idempotency_key": "é"}, r"headers\['Idempotency-Key'\] must be ASCII text"),
        ({"data": {"name": "\ud83d"}, "method": "POST"}, "the request cannot be made"),
        ({"data": "\ud83d", "method": "POST"}, "the request cannot be made"),
        ({"params": 5}, "params must be a dict, or a list of pairs"),
        ({"params": ["q"]}, "params must be a dict, or a list of pairs"),
        ({"params": zip(["q"], [1], strict=True)}, "params must be a dict, or a list of pairs"),
        ({"headers": ["X-A"]}, "headers must be a dict of text"),
        ({"idempotency_key": 7}, r"headers\['Idempotency-Key'\] must be ASCII text"),
        ({"idempotency_key": ""}, "idempotency_key must not be blank"),
        ({"headers": {"idempotency-key": " "}}, "idempotency_key must not be blank"),
        ({"endpoint": "https://other.test"}, "endpoint must be one of https://api.test/v1"),
    ],
)
def test_a_request_that_cannot_be_made_is_refused(request_, complaint):
    """What is wrong is told once, before anything is sent, and neither repeated nor blamed on the service."""
    node = api(breaker=ub.CircuitBreaker(1))
    with pytest.raises(ub.errors.ValidationFailed, match=complaint):
        node.make_request_sync(**request_)

    assert "closed" == node.breaker.state.value
    assert 1 >= node.make_request_sync.outcome(**request_).attempts


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "content", "value"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/problem+json; charset=utf-8", b"[1]", [1]),
        ("text/json", b"null", None),
        ("text/plain; charset=latin-1", "città".encode("latin-1"), "città"),
        ("application/soap+xml", b"<a/>", "<a/>"),
        ("application/octet-stream", b'{"a": 1}', b'{"a": 1}'),
        ("", b"raw", b"raw"),
        ("application/json", b"", None),
    ],
)
def test_an_answer_is_parsed_by_its_content_type(kind, content, value):
    """JSON, text and bytes are told apart by what the answer says it is; nothing is None."""
    headers = {"content-type": kind} if kind else {}

    assert value == api(httpx2.Response(200, headers=headers, content=content)).make_request_sync()


def test_json_that_is_none_does_not_pass():
    """A 200 that promises JSON and holds an error page is a failed attempt."""
    answer = httpx2.Response(200, headers={"content-type": "application/json"}, content=b"<html>Bad gateway</html>")

    with pytest.raises(ub.errors.VerificationFailed, match=r"not the JSON that it says it is.*Bad gateway"):
        api(answer, retry=False).make_request_sync()


@pytest.mark.parametrize("charset", ["rot13", "undefined", "hex", "idna"])
def test_text_in_a_charset_that_is_none_does_not_pass(charset):
    """A 200 whose charset cannot be read is a failed verification, not a bug of somebody's."""
    headers = {"content-type": f"text/plain; charset={charset}"}

    with pytest.raises(ub.errors.VerificationFailed, match="not the text that it says it is"):
        api(httpx2.Response(200, headers=headers, content=b"\xff.."), retry=False).make_request_sync()


def test_a_schema_says_what_an_answer_must_be():
    """A type is checked; a function parses, and what it returns is the value."""
    assert {"n": 1} == api(httpx2.Response(200, json={"n": 1}), schema=dict).make_request_sync()
    assert 1 == api(httpx2.Response(200, json={"n": 1}), schema=lambda value: value["n"]).make_request_sync()
    with pytest.raises(ub.errors.VerificationFailed, match="expected list, not dict"):
        api(httpx2.Response(200, json={}), schema=list, retry=False).make_request_sync()


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (302, {"location": "/x"}, "invalid"),
        (400, {}, "invalid"),
        (401, {}, "credentials"),
        (403, {}, "credentials"),
        (403, {"retry-after": "1"}, "throttled"),
        (429, {}, "throttled"),
        (500, {}, "transient"),
        (503, {"retry-after": "1"}, "throttled"),
        (504, {}, "timeout"),
    ],
)
def test_refusals_are_told_apart(status, headers, kind):
    """The status of an answer, and whether it asks for a pause, say what sort of failure it is."""
    outcome = api(httpx2.Response(status, headers=headers), method="POST").make_request_sync.outcome()

    assert f"attempt 1 failed ({kind})" in outcome.explain()


def test_a_certificate_that_is_not_trusted_is_not_looked_at_again():
    """A service that cannot prove who it is, is asked once: waiting makes it no more trustworthy."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("TLS") from ssl.SSLCertVerificationError("self-signed certificate")

    outcome = api(answer).make_request_sync.outcome()

    assert isinstance(outcome.error, ub.errors.NotSent)
    assert ("self-signed certificate" in str(outcome.error), 1) == (True, outcome.attempts)


def test_any_clients_requests_end_at_a_certificate_that_is_not_trusted():
    """What HTTP failures mean is the same behind a client of the user's own: it, too, asks such a service once."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.method)
        raise httpx2.ConnectError("TLS") from ssl.SSLCertVerificationError("self-signed certificate")

    transport = AdaptiveTransport(httpx2.MockTransport(answer))
    with httpx2.Client(transport=transport) as client, pytest.raises(httpx2.ConnectError, match="TLS"):
        client.get("https://api.test")

    assert ["GET"] == asked


def test_no_cookies_are_kept():
    """What one caller's answer set is not sent with the next caller's request."""
    sent: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers.get("cookie"))
        return httpx2.Response(204, headers={"set-cookie": "session=ada; Path=/"})

    node = api(answer)
    node.make_request_sync()
    node.make_request_sync()
    asyncio.run(node.make_request())

    assert [None, None, None] == sent


def test_a_refusal_behind_a_redirect_refreshes_the_token():
    """The token that was refused is the one that was sent first, whatever a redirect made of it."""
    tokens = ["new", "old"]

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "api.test":
            good = request.headers["authorization"] == "Bearer new"
            return (
                httpx2.Response(200, json="in") if good else httpx2.Response(302, headers={"location": "//login.test"})
            )
        return httpx2.Response(401)

    assert "in" == api(answer, auth=tokens.pop).make_request_sync()


def test_the_signature_keeps_the_words_of_the_body():
    """Two refusals with the same status and other words are two troubles; with other numbers they are one."""
    bodies = [{"error": "auth_error", "id": 17}, {"error": "auth_error", "id": 4711}, {"error": "overloaded", "id": 1}]
    node = api(lambda request: httpx2.Response(500, json=bodies.pop(0)), retry=False, breaker=False)
    seen: list[str] = []
    node.on(ub.events.AttemptFailed, lambda event: seen.append(event.signature))
    for _ in range(3):
        node.make_request_sync.outcome()

    assert seen[0] == seen[1] != seen[2]
    assert "auth_error" in seen[0]


# ── pacing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_date_to_retry_after_is_waited_for():
    """A service that names the hour is asked again at that hour, by its own clock."""
    answers = [
        httpx2.Response(
            503,
            headers={"date": "Mon, 23 Nov 2026 12:00:00 GMT", "retry-after": "Mon, 23 Nov 2026 12:00:20 GMT"},
        ),
        httpx2.Response(200, json="good"),
    ]
    with virtual_time() as clock:
        assert "good" == await api(lambda request: answers.pop(0)).make_request()
        assert 20.0 <= clock.now() < 21.0


async def test_an_open_circuit_is_asked_again_after_its_rest():
    """The founding example: five failures open the circuit, thirty seconds later it is tried again."""
    calls = 0

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal calls
        calls += 1
        return httpx2.Response(500 if calls <= 5 else 200)

    node = api(answer, method="POST")
    with virtual_time() as clock:
        ends = [(await node.make_request.outcome()).status for _ in range(10)]
        before, rested = calls, node.breaker.state.value
        clock.advance(30.0)
        after = await node.make_request.outcome()

    assert ([ub.Status.FAILED] * 10, 5, "open") == (ends, before, rested)
    assert (ub.Status.OK, "closed") == (after.status, node.breaker.state.value)


# ── as a node ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_is_a_node_like_any_other():
    """A workflow can execute it: the context's input is the data."""
    node = api(method="POST")
    in_tasks, in_threads = await node.execute(context={"city": "CAI"}), node.execute_sync(context={"city": "CAI"})

    assert '{"city":"CAI"}' == in_tasks.value["body"] == in_threads.value["body"]
    assert 2 == node.get_status().success_count


def test_a_fallback_is_marked_as_one():
    """An answer of our own is DEGRADED, and tells why."""
    outcome = api(httpx2.Response(500), fallback=lambda failure: [], retry=False).make_request_sync.outcome()

    assert (ub.Status.DEGRADED, []) == (outcome.status, outcome.value)
    assert "500" in (outcome.degraded_reason or "")
