"""What an error of the network says of the request: how it went wrong, and whether any of it may have been sent.

A process or a thread that is asked for an answer, and gives none, is no other than a machine.

The libraries are known by the names of their classes alone, since none of them has to be installed.  The law of this
file: *unsent* is only what its library raises before the first byte of a request can have left; whatever else it raises
leaves in doubt what the target did.  A library that repeats by itself tells of its last try only, so nothing is unsent
for one that does so unasked and leaves no trace of it (botocore); of an operation that makes several requests the error
speaks for the last of them.  Whether a redirect was followed, or a library repeated, is told by ``sent_before``.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from unbreakable.errors import Kind, UnbreakableError, known_by_type, says_nothing, told_by
from unbreakable.policies.codes import is_of_grpc, status_of_grpc

MOST_WRAPPINGS = 20  # how far errors are looked for in one another: deeper is a loop or an accident


class Meaning(NamedTuple):
    """Say what sort of failure an error is, and whether it is certain that not a byte of the request was sent."""

    kind: Kind
    unsent: bool = False


class Wrapping(NamedTuple):
    """Say that an error means what the one that it holds means, or, if that says nothing, *otherwise*."""

    otherwise: Meaning | None


REFUSED = Meaning(Kind.UNREACHABLE, unsent=True)
UNCONNECTED = Meaning(Kind.UNREACHABLE, unsent=True)  # what it came from tells why: it may be MISTRUSTED
NOT_IN_TIME = Meaning(Kind.TIMEOUT, unsent=True)
MALFORMED = Meaning(Kind.INVALID, unsent=True)
MISTRUSTED = Meaning(Kind.CREDENTIALS, unsent=True)  # one side did not trust the other, and will not the next time
BROKEN = Meaning(Kind.UNREACHABLE)
SILENT = Meaning(Kind.TIMEOUT)
MISUSED = Meaning(Kind.INVALID)  # as an address, which may be that of a redirect
GARBLED = Meaning(Kind.UNVERIFIED)
DIED = Meaning(Kind.TRANSIENT)  # in the middle of what it did


def _table(libraries: str, **names: Meaning | Wrapping) -> dict[str, Meaning | Wrapping]:
    return {f"{library}.{name}": law for library in libraries.split() for name, law in names.items()}


_LAW: dict[str, Meaning | Wrapping] = {
    **_table(
        "builtins",
        ConnectionRefusedError=REFUSED,
        ConnectionError=BROKEN,
        EOFError=BROKEN,
        TimeoutError=SILENT,
    ),
    **_table("socket", gaierror=REFUSED),
    **_table(
        "asyncio queue _queue",  # which is where the one in C says that it is from
        Empty=SILENT,
        QueueEmpty=SILENT,
        ShutDown=BROKEN,
        QueueShutDown=BROKEN,
        LimitOverrunError=GARBLED,
    ),
    **_table(
        "concurrent multiprocessing subprocess",
        TimeoutError=SILENT,
        TimeoutExpired=SILENT,
        BrokenExecutor=DIED,
        CancelledError=DIED,
        MaybeEncodingError=GARBLED,
    ),
    **_table("smtplib", SMTPServerDisconnected=BROKEN),
    **_table("imaplib", abort=BROKEN),
    **_table("ftplib", error_reply=GARBLED, error_proto=GARBLED),
    **_table("xmlrpc", ResponseError=GARBLED),
    **_table(
        "ssl",
        SSLCertVerificationError=MISTRUSTED,
        SSLError=BROKEN,
    ),
    **_table(
        "urllib",
        URLError=Wrapping(None),
        ContentTooShortError=BROKEN,
    ),
    **_table(
        "http",
        InvalidURL=MISUSED,
        HTTPException=BROKEN,
    ),
    **_table(
        "httpx httpx2 httpcore httpcore2",
        ConnectError=UNCONNECTED,
        ProxyError=UNCONNECTED,
        ConnectTimeout=NOT_IN_TIME,
        PoolTimeout=NOT_IN_TIME,
        InvalidURL=MALFORMED,
        UnsupportedProtocol=MISUSED,
        LocalProtocolError=MISUSED,
        TooManyRedirects=MISUSED,
        DecodingError=GARBLED,
        TimeoutException=SILENT,
        TransportError=BROKEN,
        NetworkError=BROKEN,
        ProtocolError=BROKEN,
    ),
    **_table(
        "aiohttp",
        ClientConnectorError=UNCONNECTED,
        ConnectionTimeoutError=NOT_IN_TIME,
        ClientConnectorCertificateError=MISTRUSTED,
        ServerFingerprintMismatch=MISTRUSTED,
        InvalidURL=MALFORMED,
        NonHttpUrlClientError=MALFORMED,
        InvalidUrlRedirectClientError=MISUSED,
        NonHttpUrlRedirectClientError=MISUSED,
        TooManyRedirects=MISUSED,
        ServerTimeoutError=SILENT,
        ClientConnectionError=BROKEN,
        ClientPayloadError=BROKEN,
        UploadAbortedError=BROKEN,
    ),
    **_table(
        "urllib3",
        NewConnectionError=REFUSED,
        ConnectTimeoutError=NOT_IN_TIME,
        EmptyPoolError=NOT_IN_TIME,
        FullPoolError=NOT_IN_TIME,
        LocationValueError=MISUSED,
        CertificateError=MISTRUSTED,
        MaxRetryError=Wrapping(None),
        ProxyError=Wrapping(BROKEN),
        SSLError=Wrapping(BROKEN),
        DecodeError=GARBLED,
        TimeoutError=SILENT,
        ProtocolError=BROKEN,
    ),
    **_table(
        "requests",
        ConnectTimeout=NOT_IN_TIME,
        InvalidHeader=MALFORMED,
        URLRequired=MALFORMED,
        InvalidSchema=MISUSED,
        InvalidURL=MISUSED,
        MissingSchema=MISUSED,
        ConnectionError=Wrapping(BROKEN),
        ContentDecodingError=GARBLED,
        Timeout=SILENT,
        ChunkedEncodingError=BROKEN,
    ),
    **_table(
        "botocore",
        ConnectTimeoutError=SILENT,
        ReadTimeoutError=SILENT,
        ConnectionError=BROKEN,
        HTTPClientError=BROKEN,
        IncompleteReadError=BROKEN,
        WaiterError=SILENT,
        ResponseParserError=GARBLED,
    ),
}

# What a system without a network says, also in the middle of a conversation.
_AWAY = frozenset(
    {
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH),
        *(errno.ENOTCONN, errno.ECONNABORTED, errno.ECONNRESET),
    }
)

# Codes of the cloud that say more than the status beside them, which is 400 or 503.
_MORE_THAN_STATUS = {
    **dict.fromkeys(
        (
            *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "EC2ThrottledException"),
            *("RequestThrottledException", "TooManyRequestsException", "ProvisionedThroughputExceededException"),
            *("RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "SlowDown"),
        ),
        429,
    ),
    **dict.fromkeys(
        (
            *("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"),
            "TransactionInProgressException",
        ),
        408,
    ),
}

_OF_THE_SYSTEM, _OF_A_PROCESS = _NUMBERED = ("builtins.OSError", "subprocess.CalledProcessError")
_HUNG_UP = frozenset({"ssl.SSLEOFError", "ssl.SSLZeroReturnError", "ssl.SSLSyscallError"})


def meaning_of(error: BaseException | type[BaseException]) -> Meaning | None:
    """Return what *error*, or every error of that type, says of the request; None when it is not the network's.

    What somebody else raises because of such an error is not, and no error of ours is: they say themselves what they
    mean.
    """
    otherwise: Meaning | None = None
    for _ in range(MOST_WRAPPINGS):
        law = _law_of(cast("type[BaseException]", error if issubclass(type(error), type) else type(error)))
        if not isinstance(law, Wrapping):
            break
        otherwise = otherwise or law.otherwise
        held = next(_held_by(error), None)
        if held is None:
            return otherwise
        error = held
    else:
        return otherwise
    if law is UNCONNECTED and _failed_handshake(error):
        return MISTRUSTED
    return law or _meaning_of_number(error) or otherwise


def differs_by_error(type_: type[BaseException]) -> bool:
    """Return whether what ``meaning_of`` says of an error of *type_* depends on more than the type."""
    law = _law_of(type_)
    if law is None:
        return not _names_of(type_).isdisjoint(_NUMBERED)
    return isinstance(law, Wrapping) or law is UNCONNECTED


def http_status(error: BaseException | type[BaseException]) -> int | None:
    """Return the HTTP status that *error*, or every error of that type, carries, as those of httpx and requests do.

    Of botocore's it is the one in its dictionary, or what the code beside that means; of gRPC's what its code means.
    """
    if says_nothing(error):
        return None
    response = told_by(error, "response")
    for source, name in ((error, "http_status"), (response, "status_code"), (error, "status_code"), (error, "status")):
        status = _status(told_by(source, name))
        if status is not None:
            return status
    if type(response) is dict:
        code = _entry(response, "Error", "Code")
        meant = _MORE_THAN_STATUS.get(code) if type(code) is str else None
        return meant or _status(_entry(response, "ResponseMetadata", "HTTPStatusCode"))
    if is_of_grpc(error):
        return status_of_grpc(error)
    return _status(told_by(error, "errcode")) if _name(type(error)) == "xmlrpc.ProtocolError" else None


def _status(found: Any) -> int | None:
    if issubclass(type(found), int) and 100 <= int(found) < 600:
        return int(found)
    return None


def _entry(response: dict[Any, Any], part: str, name: str) -> Any:
    held = response.get(part)
    return held.get(name) if type(held) is dict else None


def _meaning_of_number(error: object) -> Meaning | None:
    """Return what the number says that *error* carries: the system's, or that with which a process ended."""
    names = _names_of(type(error))
    number = told_by(error, "errno") if _OF_THE_SYSTEM in names else None
    if type(number) is int and number in _AWAY:
        return BROKEN
    code = told_by(error, "returncode") if _OF_A_PROCESS in names else None
    return DIED if type(code) is int and code < 0 else None  # a signal ended it, whatever it was at


@known_by_type
def _law_of(type_: type[BaseException]) -> Meaning | Wrapping | None:
    """Return what is known of the nearest of the classes that *type_* is made of."""
    if issubclass(type_, UnbreakableError):
        return None
    return next((_LAW[name] for name in map(_name, type_.__mro__) if name in _LAW), None)


@known_by_type
def _names_of(type_: type) -> frozenset[str]:
    return frozenset(map(_name, type_.__mro__))


def _name(type_: type) -> str:
    return f"{str(told_by(type_, '__module__')).partition('.')[0]}.{type_.__name__}"


def unwrapped(error: BaseException) -> Iterator[BaseException]:
    """Yield *error*, the error that it was given first when it was made, what that was given, and so on."""
    held: BaseException | None = error
    for _ in range(MOST_WRAPPINGS):
        if held is None:
            return
        yield held
        held = next(_held_by(held), None)


def _held_by(error: object) -> Iterator[BaseException]:
    """Yield the errors that *error* was given when it was made."""
    args = told_by(error, "args")
    held = (told_by(error, "reason"), told_by(error, "original_error"), *(args if type(args) is tuple else ()))
    return (each for each in held if issubclass(type(each), BaseException))  # no matter what it says of its class


def _failed_handshake(error: object) -> bool:
    """Return whether what kept the connection of *error* from coming about is that one side did not trust the other.

    The first error of the system that it came from tells, though the library may have hidden that it did.
    """
    for _ in range(MOST_WRAPPINGS):
        cause = told_by(error, "__cause__")
        error = told_by(error, "__context__") if cause is None else cause
        if error is None:
            return False
        names = _names_of(type(error))
        if _OF_THE_SYSTEM in names:
            return "ssl.SSLError" in names and names.isdisjoint(_HUNG_UP)
    return False
