"""Answers that got lost are known for such, whoever was asked: a server of any sort, a process, a cloud."""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.process
import errno
import ftplib
import http.client
import imaplib
import multiprocessing
import multiprocessing.pool
import queue
import smtplib
import socket
import subprocess
import urllib.error
import xmlrpc.client

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.outcome import Failure
from unbreakable.policies.effects import is_accident, is_unsent, leaves_doubt
from unbreakable.policies.network import http_status

AWS = type("ClientError", (Exception,), {"__module__": "botocore.exceptions"})


def of_aws(status, code="Error"):
    """Return what botocore raises for an answer with that *status* and *code*."""
    error = AWS(f"An error occurred ({code})")
    error.response = {"Error": {"Code": code, "Message": "…"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return error


def of_botocore(name, module="exceptions"):
    return type(name, (Exception,), {"__module__": f"botocore.{module}"})(name)


LOST = [
    (subprocess.TimeoutExpired("pay", 3.0), Kind.TIMEOUT),
    (subprocess.CalledProcessError(-9, "pay"), Kind.TRANSIENT),
    (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), Kind.UNREACHABLE),
    (imaplib.IMAP4.abort("socket error: EOF"), Kind.UNREACHABLE),
    (ftplib.error_reply("150 opening"), Kind.UNVERIFIED),  # noqa: S321 - an error only
    (ftplib.error_proto("???"), Kind.UNVERIFIED),  # noqa: S321 - an error only
    (http.client.RemoteDisconnected("closed"), Kind.UNREACHABLE),
    (http.client.IncompleteRead(b"{"), Kind.UNREACHABLE),
    (http.client.HTTPException("got more than 100 headers"), Kind.UNREACHABLE),
    (http.client.UnknownProtocol("HTTP/9"), Kind.UNREACHABLE),
    (http.client.ResponseNotReady(), Kind.UNREACHABLE),
    (xmlrpc.client.ProtocolError("bank.test", 502, "bad gateway", {}), Kind.TRANSIENT),
    (xmlrpc.client.ResponseError(), Kind.UNVERIFIED),
    (socket.timeout("slow"), Kind.TIMEOUT),  # noqa: UP041 - as old code says it
    (OSError(errno.ETIMEDOUT, "slow"), Kind.TIMEOUT),
    (OSError(errno.EHOSTUNREACH, "no route"), Kind.UNREACHABLE),
    (OSError(errno.ENETUNREACH, "no network"), Kind.UNREACHABLE),
    (OSError(errno.ENETDOWN, "down"), Kind.UNREACHABLE),
    (OSError(errno.ENOTCONN, "not connected any more"), Kind.UNREACHABLE),
    (urllib.error.URLError(OSError(errno.EHOSTUNREACH, "no route")), Kind.UNREACHABLE),
    (BrokenPipeError(), Kind.UNREACHABLE),
    (asyncio.IncompleteReadError(b"", 3), Kind.UNREACHABLE),
    (asyncio.LimitOverrunError("no line", 70_000), Kind.UNVERIFIED),
    (asyncio.QueueEmpty(), Kind.TIMEOUT),
    (queue.Empty(), Kind.TIMEOUT),
    (concurrent.futures.TimeoutError(), Kind.TIMEOUT),
    (concurrent.futures.CancelledError(), Kind.TRANSIENT),
    (concurrent.futures.BrokenExecutor("gone"), Kind.TRANSIENT),
    (concurrent.futures.process.BrokenProcessPool("a worker died"), Kind.TRANSIENT),
    (multiprocessing.TimeoutError(), Kind.TIMEOUT),
    (multiprocessing.pool.MaybeEncodingError(TypeError(), "a socket"), Kind.UNVERIFIED),
    (of_aws(500, "InternalError"), Kind.TRANSIENT),
    (of_aws(503, "ServiceUnavailable"), Kind.TRANSIENT),
    (of_aws(504), Kind.TIMEOUT),
    (of_aws(400, "RequestTimeout"), Kind.TIMEOUT),
    (of_aws(400, "TransactionInProgressException"), Kind.TIMEOUT),
    (of_botocore("WaiterError"), Kind.TIMEOUT),
    (of_botocore("ResponseParserError", "parsers"), Kind.UNVERIFIED),
]
WORDS = [
    (subprocess.CalledProcessError(1, "pay"), Kind.UNKNOWN),
    (smtplib.SMTPDataError(552, b"quota"), Kind.TRANSIENT),
    (smtplib.SMTPRecipientsRefused({}), Kind.TRANSIENT),
    (smtplib.SMTPAuthenticationError(535, b"no"), Kind.TRANSIENT),
    (imaplib.IMAP4.error("NO such mailbox"), Kind.UNKNOWN),
    (ftplib.error_temp("452 no space"), Kind.UNKNOWN),  # noqa: S321 - an error only
    (ftplib.error_perm("550 no such file"), Kind.UNKNOWN),  # noqa: S321 - an error only
    (xmlrpc.client.Fault(1, "declined"), Kind.UNKNOWN),
    (xmlrpc.client.ProtocolError("bank.test", 404, "no such thing", {}), Kind.INVALID),
    (queue.Full(), Kind.UNKNOWN),
    (OSError(errno.ENOSPC, "full"), Kind.TRANSIENT),
    (of_aws(400, "ValidationException"), Kind.INVALID),
    (of_aws(404, "NoSuchKey"), Kind.INVALID),
    (of_aws(403, "AccessDenied"), Kind.CREDENTIALS),
    (of_aws(400, "ThrottlingException"), Kind.THROTTLED),
    (of_aws(400, "ProvisionedThroughputExceededException"), Kind.THROTTLED),
    (of_aws(503, "SlowDown"), Kind.THROTTLED),
]


@pytest.mark.parametrize(("error", "kind"), LOST, ids=repr)
def test_an_answer_that_got_lost_is_in_doubt(error, kind):
    """It was sent, or may have been, and nobody knows what came of it; also behind a program's own error."""
    wrapped = RuntimeError("no booking")
    wrapped.__cause__ = error

    assert (kind, True, False) == (classify(error), leaves_doubt(Failure(error, classify(error))), is_unsent(error))
    assert leaves_doubt(Failure(wrapped, classify(wrapped)))


@pytest.mark.parametrize(("error", "kind"), WORDS, ids=repr)
def test_what_a_server_or_a_process_has_said_is_an_answer(error, kind):
    """Whoever says no has not done it."""
    assert (kind, False) == (classify(error), leaves_doubt(Failure(error, classify(error))))


@pytest.mark.parametrize(("error", "_"), LOST, ids=repr)
def test_a_pivot_whose_answer_got_lost_needs_somebody_to_look(error, _):
    """It may have happened, and cannot be undone."""

    def pay():
        raise error

    result = ub.OrchestratorNode(retry=False).orchestrate_sync([ub.Step("pay", pay, kind="pivot")])

    assert ("needs_attention", "uncertain") == (result.status.value, result.ledger["pay"].value)


@pytest.mark.parametrize(
    "response",
    [
        *(None, {}, {"Error": None}, {"Error": 7}, {"Error": {"Code": ["SlowDown"]}}, {"ResponseMetadata": {}}),
        *({"ResponseMetadata": {"HTTPStatusCode": "503"}}, {"ResponseMetadata": {"HTTPStatusCode": True}}),
    ],
)
def test_a_dictionary_that_holds_no_answer_has_no_status(response):
    """Whatever else somebody keeps under that name."""
    error = AWS("?")
    error.response = response

    assert http_status(error) is None


@pytest.mark.parametrize("number", [[], "113", True, None, 10**30])
def test_a_number_that_is_none_says_nothing(number):
    """An error may carry anything under that name, and nothing of it is raised."""
    error = OSError("?")
    error.errno = number
    ended = subprocess.CalledProcessError(number, "pay")

    assert not leaves_doubt(Failure(error, classify(error)))
    assert not leaves_doubt(Failure(ended, classify(ended)))


def test_a_misuse_of_botocore_after_a_payment_is_an_accident():
    """What it could not even send says nothing of what went through before; an answer of 4xx does."""
    assert is_accident(of_botocore("ParamValidationError"))
    assert not is_accident(of_aws(400, "ConditionalCheckFailedException"))
