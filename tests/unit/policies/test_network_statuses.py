"""Where an error of the network keeps what it says: the status of an answer, the number of a signal, another error."""

from __future__ import annotations

import ssl
import subprocess
import xmlrpc.client
from types import SimpleNamespace

import httpx2
import pytest
from tests.unit.policies.test_network import MISTRUSTED, REFUSED, UNTRUSTED, BookingFailed, of_requests

from unbreakable.errors import Kind
from unbreakable.policies.network import http_status, meaning_of


def telling(**facts):
    """Return an error that has those facts to tell."""
    error = BookingFailed("no")
    vars(error).update(facts)
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (telling(http_status=503, status=200), 503),
        (telling(response=SimpleNamespace(status_code=502)), 502),
        (telling(status_code=429), 429),
        (telling(status=404), 404),
        (telling(status=100), 100),
        (telling(status=99), None),
        (telling(status=599), 599),
        (telling(status=600), None),
        (telling(status=True), None),
        (telling(status="404"), None),
        (telling(status=7, status_code=503), 503),
        (xmlrpc.client.ProtocolError("http://api.test", 503, "down", {}), 503),
        (telling(errcode=503), None),
        (xmlrpc.client.Fault(503, "down"), None),
    ],
)
def test_the_status_of_an_answer_is_found_where_a_library_keeps_it(error, status):
    """What is no number of a status is none; ``errcode`` says something else everywhere but in xmlrpc."""
    assert status == http_status(error)


@pytest.mark.parametrize(("code", "said"), [(-9, (Kind.TRANSIENT, False)), (0, None), (1, None)])
def test_a_process_that_a_signal_ended_may_live_the_next_time(code, said):
    """One that ended by itself has said why."""
    assert said == meaning_of(subprocess.CalledProcessError(code, "job"))


def test_what_a_library_hid_came_up_all_the_same():
    """It raised another error in its place, from nothing."""

    def connect():
        try:
            raise UNTRUSTED
        except ssl.SSLError:
            raise httpx2.ConnectError("TLS") from None

    with pytest.raises(httpx2.ConnectError) as told:
        connect()

    assert MISTRUSTED == meaning_of(told.value)


def test_an_error_that_another_one_is_kept_in_means_what_that_does():
    """Under a name of its own, too."""
    kept = of_requests("ConnectionError")
    vars(kept).update(original_error=ConnectionRefusedError(), reason=None)

    assert REFUSED == meaning_of(kept)
