"""Wrong settings of a node for an HTTP service are refused where they are written."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import httpx2
import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.nodes import AdaptiveTransport, APINode

URL = "https://api.test/v1"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "endpoint must be an absolute URL such as 'https://api.example.com/v1', not None"),
        ({"endpoint": "/search"}, "endpoint must be an absolute URL .*, not '/search'"),
        ({"endpoint": "api.test/v1"}, "endpoint must be an absolute URL"),
        ({"endpoint": "ftp://api.test"}, "endpoint must be an absolute URL"),
        ({"endpoint": "https://"}, "endpoint must be an absolute URL"),
        ({"endpoint": "https://api.test\n"}, "endpoint must be an absolute URL"),
        ({"endpoint": "http://api.test:99999"}, "endpoint must be an absolute URL"),
        ({"endpoint": "http://api.test:0"}, "endpoint must be an absolute URL"),
        ({"endpoint": 7}, "endpoint must be an absolute URL"),
        ({"endpoints": []}, r"endpoints must be a list of at least one URL"),
        ({"endpoint": URL, "endpoints": []}, r"endpoints must be a list of at least one URL"),
        ({"endpoints": URL}, r"endpoints must be a list of at least one URL"),
        ({"endpoints": [URL, "/b"]}, r"endpoints\[1\] must be an absolute URL .*, not '/b'"),
        ({"endpoint": URL, "method": "FETCH"}, "method must be one of GET, HEAD, .*, not 'FETCH'"),
        ({"endpoint": URL, "method": None}, "method must be one of"),
        ({"endpoint": URL, "headers": {"X-A": "a\nb"}}, r"headers\['X-A'\] must be ASCII text in one line"),
        ({"endpoint": URL, "headers": {"X-A": 1}}, r"headers\['X-A'\] must be ASCII text in one line"),
        ({"endpoint": URL, "headers": {"X-A": "é"}}, r"headers\['X-A'\] must be ASCII text in one line"),
        ({"endpoint": URL, "headers": {"": "a"}}, "headers must have names"),
        ({"endpoint": URL, "headers": [("X-A", "a")]}, "headers must be a dict"),
        ({"endpoint": URL, "headers": {"idempotency-key": "1"}}, "headers must not hold an Idempotency-Key"),
        ({"endpoint": URL, "auth": ""}, "auth must be a token of printable ASCII"),
        ({"endpoint": URL, "auth": "t\nx"}, "auth must be a token of printable ASCII"),
        ({"endpoint": URL, "auth": "tök"}, "auth must be a token of printable ASCII"),
        ({"endpoint": URL, "auth": ("ada",)}, "auth must be a token, a .*, not a tuple"),
        ({"endpoint": URL, "auth": 7}, "auth must be a token, a .*, not a int"),
        ({"endpoint": URL, "transport": 7}, "transport must be an httpx2 transport"),
        ({"endpoint": URL, "max_body": 0}, "max_body must be a whole number from 1 up"),
        ({"endpoint": URL, "effects": "sometimes"}, "effects must be one of"),
        ({"endpoint": URL, "retries": 3}, "did you mean 'retry'"),
    ],
)
def test_a_wrong_setting_is_refused(settings, complaint):
    """The message holds the path of what is wrong and what was expected; secrets are not repeated."""
    with pytest.raises(ConfigurationError, match=complaint):
        APINode(**settings)


def test_the_name_is_the_host():
    """A node is called as the service that it asks, unless it is given a name."""
    assert ("api.test", "localhost:8000", "sabre") == (
        APINode(URL).name,
        APINode("http://ada:secret@localhost:8000/v1").name,
        APINode(URL, name="sabre").name,
    )


def test_secrets_are_not_shown():
    """The password of an address is in no message and no name."""
    transport = httpx2.MockTransport(lambda request: httpx2.Response(500))
    node = APINode("http://ada:secret@api.test", transport=transport, retry=False)

    assert "secret" not in node.make_request_sync.outcome().explain() + repr(node) + str(node.get_status())


def test_the_method_is_told_by_name():
    """A class shows what its operations are, documented."""
    assert "parsed answer" in (APINode.make_request.__doc__ or "")
    assert "<protected APINode.make_request, circuit closed>" == repr(APINode(URL).make_request)


def test_a_transport_of_the_other_colour_is_refused():
    """A sync transport cannot serve an event loop; the call says so once."""
    node = APINode(URL, transport=httpx2.HTTPTransport())
    outcome = asyncio.run(node.make_request.outcome())

    assert isinstance(outcome.error, ub.errors.ValidationFailed)
    assert "handle_async_request, which make_request needs" in str(outcome.error)


def test_a_function_makes_a_transport_for_each_event_loop():
    """What belongs to one event loop is made anew for the next."""
    made: list[httpx2.MockTransport] = []

    def make() -> httpx2.MockTransport:
        made.append(httpx2.MockTransport(lambda request: httpx2.Response(204)))
        return made[-1]

    node = APINode(URL, transport=make)
    for _ in range(2):
        asyncio.run(node.make_request())
    node.make_request_sync()
    node.make_request_sync()
    node.aclose_sync()

    assert 3 == len(made)


def test_what_is_no_transport_cannot_be_wrapped():
    """AdaptiveTransport wraps transports."""
    with pytest.raises(ConfigurationError, match="inner must be a transport"):
        AdaptiveTransport(httpx2.Client)


PROGRAM = """
import sys
sys.modules["httpx2"] = None  # as if it were not installed
import unbreakable as ub
from unbreakable.nodes import APINode, AdaptiveTransport
try:
    APINode("https://api.test")
except ImportError as error:
    print(error)
"""


@pytest.mark.real
def test_a_missing_library_is_told_by_the_command_that_gets_it():
    """Without httpx2 everything else works, and the first use says how to install it."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)

    assert "APINode needs httpx2: pip install 'unbreakable[api]'" == run.stdout.strip()


FORKING = """
import os
import httpx2
from unbreakable.nodes import APINode

made = []

def make():
    made.append(httpx2.MockTransport(lambda request: httpx2.Response(200, json=len(made))))
    return made[-1]

node = APINode("https://api.test", transport=make, auth=lambda: "t0ken")
node.make_request_sync()
child = os.fork()
if child == 0:
    os._exit(node.make_request_sync())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), node.make_request_sync())
"""


@pytest.mark.real
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_connections_of_its_own():
    """A child process uses neither the connections nor the locks of its parent."""
    run = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60)

    assert "2 1" == run.stdout.strip()
