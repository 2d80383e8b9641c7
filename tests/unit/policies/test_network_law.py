"""The law of the network, written a second time: what each class of each library says of the request."""

from __future__ import annotations

import errno
import ssl
import urllib.error

import httpx2
import pytest
from tests.unit.policies.test_network import (
    BROKEN,
    MISTRUSTED,
    MISUSED,
    NOT_IN_TIME,
    REFUSED,
    SILENT,
    UNTRUSTED,
    raised,
    theirs,
)

from unbreakable.errors import Kind
from unbreakable.policies.network import http_status, meaning_of

GARBLED, DIED, MALFORMED = (Kind.UNVERIFIED, False), (Kind.TRANSIENT, False), (Kind.INVALID, True)
HELD = object()  # what the error says that this one holds, and else nothing
HELD_OR_BROKEN = object()

LAW = [
    ("builtins", REFUSED, "ConnectionRefusedError"),
    ("builtins", BROKEN, "ConnectionError EOFError"),
    ("builtins", SILENT, "TimeoutError"),
    ("socket", REFUSED, "gaierror"),
    ("asyncio queue _queue", SILENT, "Empty QueueEmpty"),
    ("asyncio queue _queue", BROKEN, "ShutDown QueueShutDown"),
    ("asyncio queue _queue", GARBLED, "LimitOverrunError"),
    ("concurrent multiprocessing subprocess", SILENT, "TimeoutError TimeoutExpired"),
    ("concurrent multiprocessing subprocess", DIED, "BrokenExecutor CancelledError"),
    ("concurrent multiprocessing subprocess", GARBLED, "MaybeEncodingError"),
    ("smtplib", BROKEN, "SMTPServerDisconnected"),
    ("imaplib", BROKEN, "abort"),
    ("ftplib", GARBLED, "error_reply error_proto"),
    ("xmlrpc", GARBLED, "ResponseError"),
    ("ssl", MISTRUSTED, "SSLCertVerificationError"),
    ("ssl", BROKEN, "SSLError"),
    ("urllib", HELD, "URLError"),
    ("urllib", BROKEN, "ContentTooShortError"),
    ("http", MISUSED, "InvalidURL"),
    ("http", BROKEN, "HTTPException"),
    ("httpx httpx2 httpcore httpcore2", REFUSED, "ConnectError ProxyError"),
    ("httpx httpx2 httpcore httpcore2", NOT_IN_TIME, "ConnectTimeout PoolTimeout"),
    ("httpx httpx2 httpcore httpcore2", MALFORMED, "InvalidURL"),
    ("httpx httpx2 httpcore httpcore2", MISUSED, "UnsupportedProtocol LocalProtocolError TooManyRedirects"),
    ("httpx httpx2 httpcore httpcore2", GARBLED, "DecodingError"),
    ("httpx httpx2 httpcore httpcore2", SILENT, "TimeoutException"),
    ("httpx httpx2 httpcore httpcore2", BROKEN, "TransportError NetworkError ProtocolError"),
    ("aiohttp", REFUSED, "ClientConnectorError"),
    ("aiohttp", NOT_IN_TIME, "ConnectionTimeoutError"),
    ("aiohttp", MISTRUSTED, "ClientConnectorCertificateError ServerFingerprintMismatch"),
    ("aiohttp", MALFORMED, "InvalidURL NonHttpUrlClientError"),
    ("aiohttp", MISUSED, "InvalidUrlRedirectClientError NonHttpUrlRedirectClientError TooManyRedirects"),
    ("aiohttp", SILENT, "ServerTimeoutError"),
    ("aiohttp", BROKEN, "ClientConnectionError ClientPayloadError UploadAbortedError"),
    ("urllib3", REFUSED, "NewConnectionError"),
    ("urllib3", NOT_IN_TIME, "ConnectTimeoutError EmptyPoolError FullPoolError"),
    ("urllib3", MISUSED, "LocationValueError"),
    ("urllib3", MISTRUSTED, "CertificateError"),
    ("urllib3", HELD, "MaxRetryError"),
    ("urllib3", HELD_OR_BROKEN, "ProxyError SSLError"),
    ("urllib3", GARBLED, "DecodeError"),
    ("urllib3", SILENT, "TimeoutError"),
    ("urllib3", BROKEN, "ProtocolError"),
    ("requests", NOT_IN_TIME, "ConnectTimeout"),
    ("requests", MALFORMED, "InvalidHeader URLRequired"),
    ("requests", MISUSED, "InvalidSchema InvalidURL MissingSchema"),
    ("requests", HELD_OR_BROKEN, "ConnectionError"),
    ("requests", GARBLED, "ContentDecodingError"),
    ("requests", SILENT, "Timeout"),
    ("requests", BROKEN, "ChunkedEncodingError"),
    ("botocore", SILENT, "ConnectTimeoutError ReadTimeoutError WaiterError"),
    ("botocore", BROKEN, "ConnectionError HTTPClientError IncompleteReadError"),
    ("botocore", GARBLED, "ResponseParserError"),
]
CODES = {
    429: (
        "Throttling ThrottlingException ThrottledException RequestThrottled EC2ThrottledException "
        "RequestThrottledException TooManyRequestsException ProvisionedThroughputExceededException "
        "RequestLimitExceeded BandwidthLimitExceeded LimitExceededException SlowDown"
    ),
    408: "RequestTimeout RequestTimeoutException PriorRequestNotComplete TransactionInProgressException",
    400: "ValidationException",
}


@pytest.mark.parametrize(("libraries", "law", "names"), LAW)
def test_what_a_class_of_a_library_says(libraries, law, names):
    """As far as it says so by itself, and by what it holds where it is only a wrapping."""
    for name in [f"{library}.{name}" for library in libraries.split() for name in names.split()]:
        kind = theirs(name)
        if law in (HELD, HELD_OR_BROKEN):
            assert meaning_of(kind(ConnectionRefusedError())) == REFUSED, name
            assert meaning_of(kind("gone")) == (None if law is HELD else BROKEN), name
        else:
            assert meaning_of(kind()) == law, name


@pytest.mark.parametrize(
    "number",
    [
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH),
        *(errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNRESET),
    ],
)
def test_a_system_without_a_network_says_so_by_a_number(number):
    """Whatever class it comes in."""
    error = OSError("gone")
    error.errno = number

    assert BROKEN == meaning_of(error)


@pytest.mark.parametrize(("status", "codes"), CODES.items())
def test_a_code_of_the_cloud_says_more_than_the_status_beside_it(status, codes):
    """That one is the same for many."""
    for code in codes.split():
        error = theirs("botocore.exceptions.ClientError")(code)
        error.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        assert status == http_status(error), code


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ssl.SSLError("wrong version number"), MISTRUSTED),
        (ssl.SSLEOFError("hung up"), REFUSED),
        (ssl.SSLZeroReturnError("hung up"), REFUSED),
        (ssl.SSLSyscallError("hung up"), REFUSED),
        (OSError("no route"), REFUSED),
    ],
)
def test_who_hung_up_during_a_handshake_may_trust_the_next_one(cause, said):
    """Only who has said no will say it again."""
    assert said == meaning_of(raised(httpx2.ConnectError("TLS"), cause))


@pytest.mark.parametrize(("wrappings", "said"), [(1, REFUSED), (19, REFUSED), (20, None)])
def test_errors_are_looked_for_in_one_another_as_far_as_is_sensible(wrappings, said):
    """Twenty are asked."""
    error = ConnectionRefusedError()
    for _ in range(wrappings):
        error = urllib.error.URLError(error)

    assert said == meaning_of(error)


@pytest.mark.parametrize(("between", "said"), [(19, MISTRUSTED), (20, REFUSED)])
def test_what_a_connection_failed_by_is_looked_for_as_far_as_is_sensible(between, said):
    """Twenty are asked, of which the first one of the system tells."""
    error = UNTRUSTED
    for _ in range(between):
        error = raised(ValueError("wrapped"), error)

    assert said == meaning_of(raised(httpx2.ConnectError("TLS"), error))
