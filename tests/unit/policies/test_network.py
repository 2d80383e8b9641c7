"""What an error of the network says of the request, whichever client library tells it."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import urllib.error

import httpx2
import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.nodes.http.raising import shared
from unbreakable.outcome import Failure
from unbreakable.policies.effects import is_unsent, leaves_doubt, may_repeat
from unbreakable.policies.network import differs_by_error, meaning_of

UNTRUSTED = ssl.SSLCertVerificationError("self-signed certificate")
MISTRUSTED, REFUSED, NOT_IN_TIME = (Kind.CREDENTIALS, True), (Kind.UNREACHABLE, True), (Kind.TIMEOUT, True)
BROKEN, SILENT, MISUSED = (Kind.UNREACHABLE, False), (Kind.TIMEOUT, False), (Kind.INVALID, False)


class BookingFailed(Exception):
    """What a careful program says in its own words."""


def theirs(name, *bases):
    """Return an exception class that goes by the *name* of a library's, where that library has it."""
    module, _, short = name.rpartition(".")
    return type(short, bases or (Exception,), {"__module__": module})


def raised(error, cause):
    """Return *error* as it is when it was raised because of *cause*."""
    error.__cause__ = cause
    return error


ROUND = ValueError("came from")
raised(ROUND, raised(ValueError("itself"), ROUND))
BROKE = theirs("requests.exceptions.ConnectionError", OSError)
LATE = theirs("urllib3.exceptions.TimeoutError")


def of_requests(name, reason=None):
    """Return what requests raises because of *reason*, an error of urllib3's, after its only try."""
    spent = theirs("urllib3.exceptions.MaxRetryError")("max retries exceeded")
    spent.reason = reason
    return theirs(f"requests.exceptions.{name}", BROKE)(spent)


def of_urllib3(name, *args, base=Exception):
    return theirs(f"urllib3.exceptions.{name}", base)(*args)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(), REFUSED),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), REFUSED),
        (UNTRUSTED, MISTRUSTED),
        (ssl.SSLError("bad record mac"), BROKEN),
        (ConnectionResetError(), BROKEN),
        (BrokenPipeError(), BROKEN),
        (EOFError(), BROKEN),
        (TimeoutError(), SILENT),
        (http.client.RemoteDisconnected(), BROKEN),
        (http.client.IncompleteRead(b""), BROKEN),
        (urllib.error.URLError(ConnectionRefusedError()), REFUSED),
        (urllib.error.URLError(socket.gaierror()), REFUSED),
        (urllib.error.URLError(UNTRUSTED), MISTRUSTED),
        (urllib.error.URLError(TimeoutError()), SILENT),
        (urllib.error.URLError(ConnectionResetError()), BROKEN),
        (urllib.error.URLError("no host given"), None),
        (urllib.error.HTTPError("http://api.test", 503, "down", http.client.HTTPMessage(), None), None),
        (OSError(28, "disk full"), None),
        (PermissionError(), None),
        (ValueError(), None),
    ],
    ids=repr,
)
def test_sockets_and_what_comes_with_python(error, said):
    """A refused connection and an unknown name are certain; of what URLError holds, its reason tells."""
    assert said == meaning_of(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx2.ConnectError("refused"), REFUSED),
        (httpx2.ProxyError("no"), REFUSED),
        (httpx2.ConnectTimeout("slow"), NOT_IN_TIME),
        (httpx2.PoolTimeout("busy"), NOT_IN_TIME),
        (raised(httpx2.ConnectError("TLS"), UNTRUSTED), MISTRUSTED),
        (raised(httpx2.ConnectError("TLS"), ssl.SSLError("wrong version number")), MISTRUSTED),
        (raised(httpx2.ConnectError("TLS"), ssl.SSLEOFError("hung up")), REFUSED),
        (raised(httpx2.ConnectError(""), raised(OSError("all attempts failed"), UNTRUSTED)), REFUSED),
        (raised(httpx2.ConnectError("TLS"), raised(ValueError("wrapped"), UNTRUSTED)), MISTRUSTED),
        (raised(httpx2.ConnectError("round"), ROUND), REFUSED),
        (httpx2.ReadError("reset"), BROKEN),
        (httpx2.WriteError("reset"), BROKEN),
        (httpx2.RemoteProtocolError("gibberish"), BROKEN),
        (httpx2.ReadTimeout("slow"), SILENT),
        (httpx2.LocalProtocolError("ours"), MISUSED),
        (httpx2.TooManyRedirects("round and round"), MISUSED),
        (httpx2.UnsupportedProtocol("app://thanks"), MISUSED),
        (httpx2.DecodingError("not gzip"), (Kind.UNVERIFIED, False)),
        (theirs("httpcore._exceptions.ConnectError")(), REFUSED),
        (theirs("httpcore._exceptions.ReadError", theirs("httpcore._exceptions.NetworkError"))(), BROKEN),
    ],
    ids=repr,
)
def test_httpx_and_what_is_below_it(error, said):
    """What never left may be sent again; a handshake that failed for a reason fails the next time, too."""
    assert said == meaning_of(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (of_urllib3("NewConnectionError", base=theirs("urllib3.exceptions.ConnectTimeoutError", LATE)), REFUSED),
        (of_urllib3("ConnectTimeoutError", base=LATE), NOT_IN_TIME),
        (of_urllib3("ReadTimeoutError", base=LATE), SILENT),
        (of_urllib3("ProtocolError", "aborted", ConnectionRefusedError()), BROKEN),
        (of_urllib3("SSLError", UNTRUSTED), MISTRUSTED),
        (of_urllib3("SSLError", ssl.SSLError("wrong version number")), BROKEN),
        (of_urllib3("ProxyError", "no", of_urllib3("NewConnectionError")), REFUSED),
        (of_urllib3("ProxyError", "no", ConnectionResetError()), BROKEN),
        (of_urllib3("MaxRetryError", "too many 503"), None),
        (of_requests("ConnectionError", of_urllib3("NewConnectionError")), REFUSED),
        (of_requests("ConnectionError", of_urllib3("ReadTimeoutError", base=LATE)), SILENT),
        (of_requests("ConnectionError", ValueError()), BROKEN),
        (of_requests("ProxyError", of_urllib3("ProxyError", "no", of_urllib3("NewConnectionError"))), REFUSED),
        (of_requests("SSLError", of_urllib3("SSLError", UNTRUSTED)), MISTRUSTED),
        (of_requests("ConnectTimeout", of_urllib3("ConnectTimeoutError")), NOT_IN_TIME),
        (BROKE(of_urllib3("ProtocolError", "aborted", ConnectionResetError())), BROKEN),
        (BROKE("a test's own"), BROKEN),
        (theirs("requests.exceptions.ReadTimeout", theirs("requests.exceptions.Timeout", OSError))(), SILENT),
        (theirs("requests.exceptions.ChunkedEncodingError", OSError)(), BROKEN),
        (theirs("requests.exceptions.InvalidSchema", ValueError)("app://thanks"), MISUSED),
        (theirs("requests.exceptions.HTTPError", OSError)("503"), None),
        (
            theirs("botocore.exceptions.EndpointConnectionError", theirs("botocore.exceptions.ConnectionError"))(),
            BROKEN,
        ),
        (theirs("botocore.exceptions.ReadTimeoutError")(), SILENT),
    ],
    ids=repr,
)
def test_requests_urllib3_and_botocore(error, said):
    """What an error holds tells; after a library that repeats by itself nothing is certain."""
    assert said == meaning_of(error)


CLIENT = theirs("aiohttp.client_exceptions.ClientConnectionError")
CONNECTOR = theirs(
    "aiohttp.client_exceptions.ClientConnectorError", theirs("aiohttp.client_exceptions.ClientOSError", CLIENT, OSError)
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CONNECTOR(), REFUSED),
        (theirs("aiohttp.client_exceptions.ClientConnectorDNSError", CONNECTOR)(), REFUSED),
        (raised(theirs("aiohttp.client_exceptions.ClientConnectorSSLError", CONNECTOR)(), ssl.SSLError()), MISTRUSTED),
        (theirs("aiohttp.client_exceptions.ClientConnectorCertificateError", CONNECTOR)(), MISTRUSTED),
        (theirs("aiohttp.client_exceptions.ConnectionTimeoutError", CLIENT, TimeoutError)(), NOT_IN_TIME),
        (theirs("aiohttp.client_exceptions.ServerTimeoutError", CLIENT, TimeoutError)(), SILENT),
        (theirs("aiohttp.client_exceptions.ServerDisconnectedError", CLIENT)(), BROKEN),
        (CONNECTOR.__base__(), BROKEN),
        (theirs("aiohttp.client_exceptions.ClientPayloadError")(), BROKEN),
        (theirs("aiohttp.client_exceptions.ClientResponseError")(), None),
    ],
    ids=repr,
)
def test_aiohttp(error, said):
    """Whatever kept the connection from coming about is certain, also where it is an OSError like the rest."""
    assert said == meaning_of(error)


def test_anothers_error_of_the_same_name_is_not_taken_for_theirs():
    """A ConnectError of somebody else's says nothing, and neither does a class that has no module."""
    assert meaning_of(theirs("somebody.httpx.ConnectError")()) is None
    assert meaning_of(type("ConnectError", (Exception,), {"__module__": None})()) is None


def test_a_loop_of_errors_ends():
    """An error that holds itself means what it would if it held nothing."""
    error = theirs("requests.exceptions.ConnectionError")()
    error.args = (error,)

    assert BROKEN == meaning_of(error)


def test_the_sort_is_known_wherever_it_is_asked_for():
    """What the law says is what signatures, circuits and streams go by, after an error's own word and its status."""
    shouting = httpx2.ConnectError("refused")
    vars(shouting).update(http_status=503)
    told = httpx2.ReadTimeout("slow")
    vars(told).update(kind=Kind.INVALID)

    assert [Kind.TRANSIENT, Kind.INVALID, Kind.TIMEOUT] == [
        classify(error) for error in (shouting, told, httpx2.ReadTimeout("slow"))
    ]


def test_an_error_of_ours_that_is_a_librarys_too_has_its_own_meaning():
    """An open circuit is not taken for a connection that broke, although an httpx2 client's users catch it as one."""
    error = ub.errors.CircuitOpen("resting")
    shared(error, httpx2.Request("POST", "https://api.test"))

    assert isinstance(error, httpx2.TransportError)
    assert (Kind.REJECTED, False) == (classify(error), leaves_doubt(Failure(error, classify(error))))


# ── what a program makes of it ───────────────────────────────────────────────────────────────────────────────────────


def in_doubt(error):
    return leaves_doubt(Failure(error, classify(error)))


def raised_while_handling(first):
    try:
        try:
            raise first
        except Exception:
            raise BookingFailed  # noqa: B904 - as programs do
    except BookingFailed as error:
        return error


def without_its_cause(first):
    try:
        try:
            raise first
        except Exception:
            raise BookingFailed from None
    except BookingFailed as error:
        return error


LOST = (httpx2.ReadTimeout("slow"), ConnectionResetError(), TimeoutError(), httpx2.DecodingError("half an answer"))
KNOWN = (httpx2.ConnectError("refused"), ConnectionRefusedError(), ValueError("declined"), ub.errors.NotSent("no"))


@pytest.mark.parametrize(("errors", "doubted"), [(LOST, True), (KNOWN, False)], ids=["lost", "known"])
def test_a_programs_own_words_do_not_hide_a_doubt(errors, doubted):
    """Whatever a program raises because its request may have arrived leaves in doubt whether it did."""
    for error in errors:
        assert doubted is in_doubt(error)
        assert doubted is in_doubt(raised(BookingFailed(), error))
        assert doubted is in_doubt(raised(BookingFailed(), raised(RuntimeError(), error)))
        assert doubted is in_doubt(raised_while_handling(error))
        assert doubted is in_doubt(ExceptionGroup("both", [ValueError("declined"), raised(BookingFailed(), error)]))


def test_what_never_left_in_time_leaves_no_doubt_by_what_it_came_from():
    """Below a connection that was not there in time lies a plain TimeoutError, which alone would say nothing."""
    assert not in_doubt(raised(BookingFailed(), raised(httpx2.ConnectTimeout("slow"), TimeoutError())))


def test_a_program_that_has_made_sure_says_so():
    """An error that hides what it came from, or says that nothing is in doubt, is believed; as is the contrary."""
    sure, refused = raised(BookingFailed(), TimeoutError()), raised(BookingFailed(), TimeoutError())
    unsure = BookingFailed()
    sure.in_doubt, refused.refused, unsure.in_doubt = False, True, True

    assert [False, False, False, True, True, True] == [
        in_doubt(without_its_cause(TimeoutError())),
        in_doubt(sure),
        in_doubt(refused),
        in_doubt(raised(RuntimeError(), unsure)),
        in_doubt(ub.errors.CommitUnknown("the disk failed")),
        in_doubt(ub.errors.WorkerLost("killed")),
    ]


class Falsy(ConnectionResetError):
    """Counts as false, and as nothing known."""

    @property
    def __class__(self):
        raise RuntimeError

    def __bool__(self):
        return False


def test_an_exception_is_what_it_was_made_as():
    """Whatever it answers when it is asked, what counts is the type as ``except`` sees it."""
    assert [BROKEN, BROKEN, REFUSED] == [
        meaning_of(Falsy()),
        meaning_of(urllib.error.URLError(Falsy())),
        meaning_of(raised(httpx2.ConnectError(""), Falsy())),
    ]
    assert in_doubt(raised(BookingFailed(), Falsy()))


def test_a_loop_of_causes_ends():
    """An error that came from itself leaves no doubt."""
    first, second = BookingFailed(), BookingFailed()
    first.__cause__, second.__cause__ = second, first

    assert not in_doubt(first)


def test_a_programs_own_words_do_not_say_that_nothing_was_sent():
    """It may have done something before the connection was refused, so it is not made twice unless it says NotSent."""
    error = raised(BookingFailed(), ConnectionRefusedError())

    assert not is_unsent(error)
    assert not may_repeat("once", Failure(error))
    assert may_repeat("once", Failure(raised(ub.errors.NotSent("refused"), ConnectionRefusedError())))


@pytest.mark.parametrize(
    ("type_", "differs"),
    [
        (httpx2.ConnectError, True),
        (urllib.error.URLError, True),
        (theirs("requests.exceptions.ConnectionError", OSError), True),
        (subprocess.CalledProcessError, True),
        (OSError, True),
        (ConnectionRefusedError, False),
        (httpx2.ReadTimeout, False),
        (ValueError, False),
        (BookingFailed, False),
    ],
)
def test_of_some_types_one_error_says_another_thing_than_the_next(type_, differs):
    """It depends on the number that it carries, on the error that it holds, or on what it came from."""
    assert differs is differs_by_error(type_)


def test_a_connection_that_was_there_is_no_matter_of_trust():
    """Whatever came up before it broke."""
    assert BROKEN == meaning_of(raised(ConnectionResetError(), UNTRUSTED))
    assert BROKEN == meaning_of(raised(httpx2.ReadError("reset"), UNTRUSTED))
