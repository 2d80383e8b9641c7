"""A request that was answered by a redirect, or sent again unasked, has left, whatever becomes of its next one."""

from __future__ import annotations

import concurrent.futures.process
import http.server
import pickle
import socket
import threading
import types
import urllib.request
import xmlrpc.client
from multiprocessing import pool

import httpx2
import pytest

import unbreakable as ub
from unbreakable.policies.effects import is_unsent
from unbreakable.policies.sent_before import was_sent_before
from unbreakable.runtime.virtual import virtual_time


@pytest.fixture(scope="module")
def urls():
    """Return where a payment is taken and answered by a redirect to nobody, and where nobody is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/receipt"

    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.payments.append(self.path)
            self.send_response(303)
            self.send_header("Location", nobody)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        server.payments = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/pay", nobody, server.payments
        server.shutdown()
        thread.join()


CLIENTS = {
    "httpx2": lambda url: httpx2.post(url, follow_redirects=True, trust_env=False),
    "urllib": lambda url: urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, b"", timeout=5),
}


@pytest.mark.parametrize("post", CLIENTS.values(), ids=CLIENTS)
def test_a_payment_is_not_made_again_because_its_receipt_is_out_of_reach(urls, post):
    """The connection that was refused is that of the second request."""
    pays, nobody, payments = urls
    payments.clear()
    with virtual_time():
        pay = ub.protect("pay", effects="once", timeout=False, budget=False)(post)
        redirected, refused = pay.outcome(pays), pay.outcome(nobody)

    assert (1, 1, 3) == (len(payments), redirected.attempts, refused.attempts)


def test_a_payment_that_its_library_repeats_by_itself_is_not_made_a_third_time():
    """The standard library's XML-RPC sends again what nobody has answered, and is refused then."""
    with socket.create_server(("127.0.0.1", 0)) as listener, virtual_time():
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def hang_up():
            taken, _ = listener.accept()
            listener.close()
            while b"</methodCall>" not in taken.recv(65_536):
                pass
            taken.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        ended = ub.protect("pay", effects="once", timeout=False, budget=False)(
            xmlrpc.client.ServerProxy(place).pay
        ).outcome(1)
        thread.join()

    assert (1, ConnectionRefusedError) == (ended.attempts, type(ended.error))


def raised_in(module, source):
    """Return the error that *source*, a function ``f`` of that *module*, raises."""
    there = types.ModuleType(module).__dict__
    exec(compile(source, module, "exec"), there)  # noqa: S102 - nobody else says in which module a frame is
    with pytest.raises(ConnectionRefusedError) as caught:
        there["f"]()
    return caught.value


TRIES = (
    "retries=__import__('types').SimpleNamespace(history=[__import__('types').SimpleNamespace(status={}, error={})])"
)
KEEPS = "self=__import__('types').SimpleNamespace(_retry_connection={}); method={!r}; retry_persistent_connection={}"


@pytest.mark.parametrize(
    ("module", "function", "given", "left_before"),
    [
        ("requests.sessions", "resolve_redirects", "", True),
        ("urllib.request", "http_error_302", "", True),
        ("urllib3.connectionpool", "urlopen", TRIES.format(303, None), True),
        ("urllib3.connectionpool", "urlopen", TRIES.format(None, "ConnectionRefusedError()"), False),
        ("urllib3.connectionpool", "urlopen", TRIES.format(None, "ConnectionResetError()"), True),
        ("urllib3.connectionpool", "urlopen", TRIES.format(None, "ValueError()"), True),
        ("urllib3.connectionpool", "urlopen", "retries=None", False),
        ("urllib3.connectionpool", "urlopen", "", False),
        ("aiohttp.client", "_request", "history=[1]", True),
        ("aiohttp.client", "_request", "history=()", False),
        *(
            ("aiohttp.client", "_request", KEEPS.format(True, method, False), True)
            for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
        ),
        ("aiohttp.client", "_request", KEEPS.format(True, "PUT", True), False),
        ("aiohttp.client", "_request", KEEPS.format(True, "POST", False), False),
        ("aiohttp.client", "_request", KEEPS.format(False, "PUT", False), False),
        ("httpx._client", "_send_handling_redirects", "history=[1]", True),
        ("httpx2._client", "_send_handling_redirects", "history=[]", False),
        ("httpx2._client", "send", "history=[1]", False),
        ("requests.sessions", "send", "history=[1]", False),
        ("tornado.simple_httpclient", "on_redirect_done", "", True),
        ("tornado.simple_httpclient", "run", "", False),
        ("httplib2", "_request", "response=1", True),
        ("httplib2", "_request", "", False),
        ("httplib2", "request", "response=1", False),
        ("httplib2", "_conn_request", "seen_bad_status_line=True", True),
        ("httplib2", "_conn_request", "seen_bad_status_line=False", False),
        ("xmlrpc.client", "request", "i=1", True),
        ("xmlrpc.client", "request", "i=0", False),
        ("shop", "request", "i=1", False),
        ("shop", "on_redirect_done", "", False),
        ("shop", "_request", "response=1", False),
        ("shop", "resolve_redirects", "", False),
        ("shop", "urlopen", TRIES.format(303, None), False),
        ("shop", "_request", "history=[1]", False),
    ],
)
def test_what_a_frame_says_of_what_was_before(module, function, given, left_before):
    """Of each library one function does or two, of which the programs' own are told."""
    source = f"def {function}():\n    {given}\n    raise ConnectionRefusedError\ndef f():\n    {function}()\n"

    assert left_before is was_sent_before(raised_in(module, source))


@pytest.mark.parametrize(("before", "left_before"), [(999, True), (1_000, False)])
def test_of_a_recursion_only_the_first_frames_are_looked_at(before, left_before):
    """An error is asked in bounded time."""
    source = "def f():\n    resolve_redirects()\ndef resolve_redirects():\n    raise ConnectionRefusedError\n"
    error = raised_in("requests.sessions", source)
    silent, telling = error.__traceback__.tb_frame, error.__traceback__.tb_next.tb_next
    for _ in range(before):
        telling = types.TracebackType(telling, silent, 0, 1)
    error.__traceback__ = telling

    assert left_before is was_sent_before(error)


@pytest.mark.parametrize("pooled", [concurrent.futures.process._ExceptionWithTraceback, pool.ExceptionWithTraceback])
def test_of_an_error_from_a_process_pool_nobody_can_tell(pooled):
    """Its frames stayed in the other process, so that the request may have been answered by a redirect."""
    here = raised_in("shop", "def f():\n    raise ConnectionRefusedError\n")
    there = pickle.loads(pickle.dumps(pooled(here, here.__traceback__)))  # noqa: S301 - as the pools do

    assert [False, True] == [is_unsent(there), is_unsent(here)]


def test_an_error_that_was_made_of_another_is_asked_for_the_frames_of_that():
    """Requests makes one of urllib3's, which tells of the tries before."""
    source = "def urlopen():\n    {}\n    raise ConnectionRefusedError\ndef f():\n    urlopen()\n"
    held = raised_in("urllib3.connectionpool", source.format(TRIES.format(None, "ConnectionResetError()")))
    ring = ConnectionRefusedError()
    ring.args = (ring,)

    assert [True, False] == [was_sent_before(ConnectionError(each)) for each in (held, ring)]
