"""A signature is the same for the same trouble, in every process, and another one for other trouble."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import urllib.parse
from types import SimpleNamespace

import pytest

from unbreakable.fractal.signature import MOST_CAUSES, MOST_FRAMES, MOST_SIGN, relatives, root_cause, sign
from unbreakable.fractal.wording import MOST_CHARACTERS, is_final, template, words_of_body

ALIKE = {
    "numbers": ("row 17 of 300", "row 4 of 9"),
    "decimals": ("took 1.50 s", "took 12.0 s"),
    "quoted": ("no 'ann' here", "no 'bob smith' here"),
    "double quoted": ('no "ann" here', 'no "" here'),
    "addresses": ("at 0x7f12ab", "at 0xdeadbeef"),
    "uuids": ("order 123e4567-e89b-12d3-a456-426614174000", "order 00000000-0000-0000-0000-000000000001"),
    "typographic quotes": ("no “ann” here", "no “bob smith” here"),
    "quotes of German": ("„Kairo“ fehlt, “Assuan” auch", "„Theben“ fehlt, “Luxor” auch"),
    "quotes of French": ("le billet « Caire » manque", "le billet « Louxor » manque"),
    "quotes of Danish": ("billetten »Kairo« mangler", "billetten »Luxor« mangler"),
    "quotes of Japanese": ("「カイロ」がない", "「ルクソール」がない"),
    "single typographic quotes": ("no ‘ann’ here", "no ‘bob’ here"),  # noqa: RUF001
    "code": ("no column `ann` here", "no column `bob` here"),
    "lists": ("rows [1, 2, 3] of ['a', 'b'] are gone", "rows [4] of ['c'] are gone"),
    "hex ids": ("commit 9fceb02d0ae598e", "commit 1234567890abcdef"),
    "hex ids that begin with letters": ("trace abcdef12", "trace 12abcdef"),
    "short hex ids": ("commit 9fceb02", "commit abcde12"),
    "powers of ten": ("off by 9.313225746154785e-10", "off by 1e-05"),
    "ids of parts": ("pod web-d715ba313-99ft4 is gone", "pod web-7d9f8b6c5-x2x9z is gone"),
    "durations": ("for 5h5m", "for 12h30m"),
    "tokens": ("token dD7DWlHblF+4se/3oHaO71K8w== expired", "token Xa/aaBbbCccDddEeeFf+1gG expired"),
    "mail addresses": ("no account for ann@mail.example", "no account for bob.smith+x@other.example"),
    "network addresses": ("no route to fe80::1ff:fe23:4567:890a", "no route to 2001:db8::8a2e"),
    "hardware addresses": ("no lease for 00:1a:2b:3c:4d:5e", "no lease for f0:9f:c2:aa:bb:0c"),
    "dates": ("expired at Mon, 08 Feb 2026 18:56:31 GMT", "expired at Sun, 29 Nov 2026 01:02:03 GMT"),
    "dates of C": ("since Mon Feb  8 18:56:31 2026", "since Sun Nov 29 01:02:03 2026"),
    "mixed ids": ("request req_8fKd93Jk2l failed", "request req_0aZZ71bQ5x failed"),
    "urls": ("GET https://a.example/v1/x?y=1 failed", "GET http://other.example:8080/ failed"),
    "space": ("a\n  b", "a b"),
}
DIFFERENT = {
    "words": ("no such table", "no such column"),
    "a limit of none": ("limit 0 reached", "limit 250 reached"),
    "places in words": ("read of a.b failed", "write of a.b failed"),
    "long names": ("com.shop.OrdersRepository is closed", "com.shop.PaymentsRepository is closed"),
    "services": ("orders-service-eu is closed", "payments-service-eu is closed"),
    "words of hex letters": ("the cache is added", "the facade is faded"),
    "types": ("no int64 here", "no float64 here"),
    "an apostrophe": ("we can’t read", "we can’t write"),
    "months that are words": ("it may fail", "it may wait"),
}


def from_another(error, cause):
    """Return *error*, as it is when *cause* has led to it."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(("one", "other"), ALIKE.values(), ids=ALIKE)
def test_what_differs_from_case_to_case_is_left_out(one, other):
    """Numbers, ids, quoted words and addresses make no other trouble."""
    assert template(one) == template(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_says_what_it_is_is_kept(one, other):
    """Words do, and a 0 does."""
    assert template(one) != template(other)


def test_a_message_takes_bounded_time_and_room():
    """A page of text is cut, and a signature is never longer than its limit, with the code that raised at its end."""
    assert len(template("word " * 10**6)) <= MOST_CHARACTERS
    assert len(sign(type("E" * 500, (Exception,), {})("message " * 100))) <= MOST_SIGN


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def answered(body, headers=None, **attributes):
    """Return an error that carries an answer as requests and httpx do, whose bytes were read."""
    error = RuntimeError("500 Server Error")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    error.response = SimpleNamespace(status_code=500, _content=content, headers=headers or {})
    vars(error).update(attributes)
    return error


@pytest.mark.parametrize(
    ("name", "error", "final"),
    [
        ("ask", RuntimeError("Forbidden for this account"), True),
        ("ask", type("Quota", (Exception,), {"code": "insufficient_quota"})(), True),
        ("ask", answered({"error": {"type": "auth_error"}}), True),
        ("ask", RuntimeError("sent | in vain | forbidden"), True),
        ("fetch_forbidden_words", ConnectionResetError("peer went away"), False),
        ("fetch_forbidden_words", ConnectionResetError(), False),
        ("ask", type("UnauthorizedShelf", (Exception,), {})("peer went away"), False),
        ("ask", from_another(RuntimeError("gone"), type("AccessDenied", (Exception,), {})()), False),
    ],
)
def test_only_what_an_answer_says_is_final(name, error, final):
    """Words of its message, its code or its body are, and no name of a type or of a function."""
    place = {"__name__": "shop.forbidden", "error": error}
    exec(compile(f"def {name}(): raise error", "/home/me/shop/forbidden.py", "exec"), place)  # noqa: S102

    with pytest.raises(type(error)) as caught:
        place[name]()

    assert sign(caught.value).endswith(f" | in shop.forbidden.{name}")
    assert final is is_final(sign(caught.value))


BODIES = {
    "a type in an object": ({"error": {"type": "auth_error", "message": "token 17 of Ann"}}, "auth_error"),
    "a code": ({"code": "insufficient_quota", "id": "req-17"}, "insufficient_quota"),
    "a number of a code": ({"code": 1045, "id": 17}, "code 1045"),
    "a list": ({"errors": [{"code": "not_found"}, {"code": "gone"}]}, "not_found gone"),
    "a limit of 0": ({"limit": 0, "used": 3}, "limit 0"),
    "another limit": ({"limit": 17}, ""),
    "prose is no code": ({"error": "the order 4711 was not found"}, ""),
    "text": (b"auth_error: token 4711 has expired", "auth_error: token # has expired"),
    "a page": (b"<html><body>Bad gateway</body></html>", ""),
    "nothing": (b"", ""),
    "no JSON": (b"\xff\xfe{", "��{"),
    "too deep": ({"a": {"b": {"c": {"code": "deep"}}}}, ""),
}


@pytest.mark.parametrize(("body", "words"), BODIES.values(), ids=BODIES)
def test_the_codes_in_a_body_are_part_of_the_trouble(body, words):
    """Fields that are called so are read; ids, prose and pages are not."""
    assert words == words_of_body(answered(body))


def test_where_a_body_is_found():
    """On the error itself, where a client has parsed it; in botocore's dictionary; a limit of 0 in a header."""
    parsed, boto, plain = RuntimeError(), RuntimeError(), RuntimeError()
    parsed.body = {"error": {"code": "auth_error"}}
    boto.response = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    headers = answered(b"", headers={"x-ratelimit-limit": "0"})

    assert ["auth_error", "AccessDenied", "limit 0", ""] == [
        words_of_body(each) for each in (parsed, boto, headers, plain)
    ]


def test_a_body_that_was_not_read_is_left_alone():
    """Nothing is read from a connection for the sake of a signature, and nothing that raises when asked is a word."""

    class Response:
        status_code, headers = 500, None

        @property
        def text(self):
            raise AssertionError("this would wait for the network")

        content = text
        _content = False

    error = RuntimeError("500")
    error.response = Response()

    assert "" == words_of_body(error)


# ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def raised(function, *args):
    try:
        function(*args)
    except Exception as error:
        return error


def test_the_place_is_the_users_own():
    """Not where deep in a library it came up, but where the user's code called it."""
    assert sign(raised(lambda: json.loads("{"))).endswith(
        "unit.fractal.test_signature.test_the_place_is_the_users_own.<locals>.<lambda>"
    )


def test_without_any_code_of_the_users_it_is_the_library_that_was_called():
    """A library's function that is protected as it is has its place there."""
    assert sign(raised(json.loads, "{")).endswith("in tests.unit.fractal.test_signature.raised")
    error = raised(urllib.parse.urlsplit, "http://[")
    error.__traceback__ = error.__traceback__.tb_next

    assert " | in urllib.parse." in sign(error)


def test_what_is_installed_is_not_the_users():
    """A package that came with the environment is passed over, wherever that lies."""
    library: dict = {"__name__": "library.deep"}
    for folder in ("site-packages", "dist-packages"):
        exec(compile("def ask(): int('x')", f"/venv/lib/python3/{folder}/library/deep.py", "exec"), library)  # noqa: S102

        assert sign(raised(library["ask"])).endswith("in tests.unit.fractal.test_signature.raised")


PROGRAM = """
from unbreakable.fractal.signature import sign

def work(number):
    raise LookupError(f"no row {number} of '{object()}'")

def signature(number):
    try:
        work(number)
    except LookupError as error:
        return sign(error)

if __name__ == "__main__":
    print(signature(17))
"""


@pytest.mark.real
def test_it_is_the_same_in_every_process(tmp_path):
    """Run as a program, as a module or imported: what is learned in one process is known in the others."""
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    ways = (
        [str(tmp_path / "program.py")],
        ["-m", "program"],
        ["-c", "import program; print(program.signature(4711))"],
    )
    said = {
        subprocess.run(
            [sys.executable, *way], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
        ).stdout
        for way in ways
    }

    assert {"builtins.LookupError | no row # of '…' | in program.work\n"} == said


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def chain(length):
    """Return errors each of which came from the next one."""
    errors = [KeyError(number) for number in range(length)]
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors


def test_a_chain_is_followed_for_a_bounded_length():
    """One that is longer, or that is a loop, is an accident: its root is as far as it was followed."""
    short, long, loop = chain(MOST_CAUSES - 1), chain(10 * MOST_CAUSES), chain(2)
    loop[1].__cause__ = loop[0]

    assert short[-1] is root_cause(short[0])
    assert long[MOST_CAUSES] is root_cause(long[0])
    assert loop[1] is root_cause(loop[0])
    assert [short, MOST_CAUSES, loop] == [relatives(short[0]), len(relatives(long[0])), relatives(loop[0])]


def test_a_traceback_is_followed_for_a_bounded_length():
    """The code in which an endless recursion began is its place, and a longer traceback takes no more time."""
    deep: dict = {"__name__": "program"}
    source = "def begin(n): return dive(n)\ndef dive(n): return dive(n - 1) if n else end()\ndef end(): int('x')"
    exec(compile(source, "/srv/program.py", "exec"), deep)  # noqa: S102
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(3 * MOST_FRAMES)
    try:
        places = [sign(raised(deep["begin"], depth)) for depth in (10, MOST_FRAMES)]
    finally:
        sys.setrecursionlimit(limit)

    assert [True, True] == [places[0].endswith("in program.end"), places[1].endswith("in program.dive")]


def test_a_limit_that_is_used_up_is_another_trouble_than_a_permission():
    """Both are a 403 of the same words: what mends one does not mend the other."""

    def forbidden(**headers):
        return type("Forbidden", (Exception,), {"status_code": 403, "headers": headers})("no")

    permission, limit = forbidden(), forbidden(**{"X-RateLimit-Remaining": "0"})

    assert sign(permission) != sign(limit)
