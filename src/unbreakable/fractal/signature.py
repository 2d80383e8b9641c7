"""What went wrong, in words that are the same in every process."""

from __future__ import annotations

import functools
import sys
from types import CodeType, FrameType

from unbreakable.errors import (
    AttemptTimeout,
    BufferFull,
    BulkheadFull,
    DeadlineExceeded,
    Kind,
    LimitReached,
    NotSent,
    Rejected,
    Throttled,
    UnbreakableError,
    ValidationFailed,
    VerificationFailed,
    known_by_type,
    says_nothing,
    told_by,
)
from unbreakable.fractal.wording import template, words_of_body
from unbreakable.outcome import Failure, is_a
from unbreakable.policies.chain import behind, frames_of, is_of_before, members
from unbreakable.policies.mistakes import mistake
from unbreakable.policies.network import differs_by_error, http_status, meaning_of
from unbreakable.policies.pushback import is_of_limit, longest, retry_after
from unbreakable.policies.sqlstates import said_by_database

MOST_FRAMES = 1_000  # of a traceback: more is a recursion
MOST_CAUSES = 20  # how far an exception chain is followed: a longer one is a loop or an accident
MOST_SIGN = 180  # characters of a signature
MOST_SIGNED, MOST_STEPS = 64, 24  # signatures that are remembered, and frames by which
MOST_MESSAGE = 200  # characters of one whose words are remembered
MOST_PLACE = 80  # of them for the place; the end of a long one says most

_OURS: dict[type[Exception], Kind] = {
    AttemptTimeout: Kind.TIMEOUT,
    DeadlineExceeded: Kind.TIMEOUT,
    ValidationFailed: Kind.INVALID,
    **dict.fromkeys((BulkheadFull, BufferFull, LimitReached, Throttled), Kind.TRANSIENT),  # further in: it passes
    Rejected: Kind.REJECTED,  # an open circuit, a loop that was stopped: asking again at once changes nothing
    VerificationFailed: Kind.UNVERIFIED,
    NotSent: Kind.UNREACHABLE,
}

FORBIDDEN = 403
_BY_STATUS = {
    401: Kind.CREDENTIALS,
    FORBIDDEN: Kind.CREDENTIALS,
    407: Kind.CREDENTIALS,
    408: Kind.TIMEOUT,
    425: Kind.TRANSIENT,
    429: Kind.THROTTLED,
    504: Kind.TIMEOUT,
}


def classify(error: BaseException) -> Kind:
    """Return what sort of failure *error* is: as it says itself, by its HTTP status, or by its type.

    One that says nothing is of the sort that it was raised ``from``, if that is an answer by which a target said no; a
    group is, if all its members are.
    """
    kind = _kind_of(error)
    if kind is not Kind.UNKNOWN or not behind(error, contexts=False):
        return kind
    kinds = {_kind_of(each) if (http_status(each) or 500) < 500 else kind for each in origins(error)}
    return kinds.pop() if len(kinds) == 1 else kind


def origins(error: BaseException, *, contexts: bool = False, handled: int = 0) -> list[BaseException]:
    """Return those that speak for *error*: itself, or, if one cannot say what it is, what it was made of; at most 20.

    That is what it was raised ``from``, or the members of a group; with *contexts* also what it came up in, but not
    what was being handled before its attempt began (*handled*: see ``is_of_before``).
    """
    met, found, frames = [error], [], set[FrameType]()
    for each in met:
        if contexts:
            frames |= frames_of(each)
        speaks = _kind_of(each) is not Kind.UNKNOWN
        sources = () if speaks else _sources_of(each, frames, handled) if contexts else behind(each, contexts=False)
        room = max(0, MOST_CAUSES + 1 - len(met))
        met += [source for source in sources[:room] if not any(source is known for known in met)]
        if not sources:
            found.append(each)
    return found


def _sources_of(error: BaseException, frames: set[FrameType], handled: int) -> tuple[BaseException, ...]:
    sources = behind(error)
    if told_by(error, "__cause__") is not None:
        return sources
    context = told_by(error, "__context__")
    return tuple(each for each in sources if each is not context or not is_of_before(each, frames, handled))


def _kind_of(error: BaseException) -> Kind:
    known = _sort_of_silent(type(error)) if says_nothing(error) else None
    return _sort_of(error, type(error)) if known is None else known


@known_by_type
def _sort_of_silent(type_: type[BaseException]) -> Kind | None:
    """Return what sort all errors of *type_* are that say nothing else; None where each has to be asked."""
    return None if differs_by_error(type_) else _sort_of(type_, type_)


def told_of(error: BaseException, handled: int = 0) -> tuple[Kind, float | None]:
    """Return what sort of failure *error* is, and how many seconds its target asked us to wait, if it did.

    The wish of an error that says nothing is the longest of those that it came up of, and not of what was *handled*
    before (see ``is_of_before``).
    """
    if says_nothing(error):
        kind, wish = _sort_of_silent(type(error)) or _sort_of(error, type(error)), None
        if error.__cause__ is None and error.__context__ is None:
            return kind, wish  # most of them; a group has its members to tell
    else:
        kind, wish = _sort_of(error, type(error)), retry_after(error)
    if kind is not Kind.UNKNOWN:
        return kind, wish
    return classify(error), longest(retry_after(each) for each in origins(error, contexts=True, handled=handled))


def _sort_of(error: BaseException | type[BaseException], type_: type[BaseException]) -> Kind:
    told = told_by(error, "kind")
    if isinstance(told, Kind):
        return told
    if issubclass(type_, UnbreakableError):
        for ours, kind in _OURS.items():
            if issubclass(type_, ours):
                return kind
    status = http_status(error)
    if status is not None:
        return _classify_status(status, error)
    meaning = meaning_of(error)
    known = said_by_database(error) or mistake(error) if meaning is None else meaning.kind
    return known or _sort_of_system(type_)


def _sort_of_system(type_: type[BaseException]) -> Kind:
    if issubclass(type_, PermissionError):
        return Kind.CREDENTIALS
    return Kind.TRANSIENT if issubclass(type_, OSError) else Kind.UNKNOWN


def _classify_status(status: int, error: BaseException | type[BaseException]) -> Kind:
    known = _BY_STATUS.get(status)
    if status == FORBIDDEN and is_of_limit(error):
        return Kind.THROTTLED  # as GitHub's limits say it
    if known is not None:
        return known
    if 300 <= status < 500:  # a redirect that nobody followed is an answer, too: what was posted may well be done
        return Kind.INVALID
    return Kind.TRANSIENT if retry_after(error) is None else Kind.THROTTLED


def is_named(failure: Failure, types: object) -> bool:
    """Return whether one of *types* always means the sort that *failure* is of, and not failures of all sorts."""
    each = types if isinstance(types, tuple) else (types,) if isinstance(types, type) else ()
    return any(is_a(failure.error, one) and _sort_of_all(one) is failure.kind for one in each)


@known_by_type
def _sort_of_all(type_: type[Exception]) -> Kind:
    return _sort_of(type_, type_)


def root_cause(error: BaseException) -> BaseException:
    """Return the deepest exception of the chain, along causes, contexts and the first of a group.

    What was being handled before its attempt began, such as a miss of the cache, is not what *error* came from.
    """
    if told_by(error, "__cause__") is None and told_by(error, "__context__") is None and not members(error):
        return error  # most of them
    seen, frames = {id(error)}, set[FrameType]()
    for _ in range(MOST_CAUSES):
        frames |= frames_of(error)
        group = members(error)[0] if members(error) else None
        context = None if told_by(error, "__suppress_context__") else told_by(error, "__context__")
        if context is not None and is_of_before(context, frames):
            context = None
        deeper = next((each for each in (group, told_by(error, "__cause__"), context) if each is not None), None)
        if deeper is None or id(deeper) in seen:
            return error
        seen.add(id(deeper))
        error = deeper
    return error


def relatives(error: BaseException, *, before: bool = True, handled: int = 0) -> list[BaseException]:
    """Return *error* and what it came from: causes, contexts even if hidden, members of groups; the nearest 20.

    Without *before* no contexts that were being handled before its attempt began (*handled*: see ``is_of_before``).
    """
    found, frames = [error], set[FrameType]()
    for each in found:
        if not before:
            frames |= frames_of(each)
        cause, context = told_by(each, "__cause__"), told_by(each, "__context__")
        if not before and context is not None and is_of_before(context, frames, handled):
            context = None
        others = (*members(each), cause, context)
        deeper = [other for other in others if other is not None]
        found += [other for other in deeper if not any(other is known for known in found)]
        if len(found) >= MOST_CAUSES:
            break
    return found


def sign(error: BaseException) -> str:
    """Return the signature of *error*: type, code, message and body without details, type of its root cause, place.

    It is the same in every process and on every machine, whatever numbers, ids, quoted words and addresses are in it.
    """
    key = _known_by(error)
    if key is None:
        return _signature_of(error)
    known = _signed.get(key)
    if known is None:
        if len(_signed) >= MOST_SIGNED:
            _signed.clear()
        known = _signed[key] = _signature_of(error), _codes_of(error)  # kept, so that no other has its id
    return known[0]


_signed: dict[tuple[object, ...], tuple[str, list[CodeType]]] = {}  # of the latest errors, by what they are known by


def _known_by(error: BaseException) -> tuple[object, ...] | None:
    """Return all that the signature of *error* depends on: type, number, words, way; None where there is more to it."""
    type_ = type(error)
    if not (_is_plain(type_) and says_nothing(error) and error.__cause__ is None and error.__context__ is None):
        return None
    number = getattr(error, "errno", None)
    try:
        key = [type_, words_of(str(error)), number if number is None or type(number) is int else repr(number)]
    except Exception:
        return None
    traceback = error.__traceback__
    while traceback is not None:
        key.append(id(traceback.tb_frame.f_code))
        traceback = traceback.tb_next
    return tuple(key) if len(key) <= MOST_STEPS else None


@known_by_type
def _is_plain(type_: type[BaseException]) -> bool:
    """Return whether errors of *type_* have no code, and no number but that of an OSError."""
    numbers = vars(OSError)["errno"]
    return not hasattr(type_, "code") and getattr(type_, "errno", numbers) is numbers


def words_of(message: str) -> str:
    """Return *message* without details; what came of it is remembered if it is short: most failures come again."""
    return _template_of(message) if len(message) <= MOST_MESSAGE else _template_of.__wrapped__(message)


@functools.lru_cache(256)
def _template_of(message: str) -> str:
    return template(message)


def _codes_of(error: BaseException) -> list[CodeType]:
    codes, traceback = [], error.__traceback__
    while traceback is not None:
        codes.append(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    return codes


def _signature_of(error: BaseException) -> str:
    parts = [f"{type(error).__module__}.{type(error).__qualname__}"]
    try:
        status: int | str | None = http_status(error)
        if status == FORBIDDEN and is_of_limit(error):
            status = "403 of a limit"  # which is no matter of credentials
        codes = (status, told_by(error, "errno"), told_by(error, "code"))
        parts += [str(code)[:40] for code in codes if isinstance(code, (int, str)) and code][:1]
        parts += [words for words in (words_of(str(error)), words_of_body(error)) if words]
    except Exception:
        parts.append("?")
    cause = root_cause(error)
    if cause is not error:
        parts.append(f"from {type(cause).__qualname__}")
    place = place_of(error)
    where = f" | in {place[-MOST_PLACE:]}" if place else ""
    return " | ".join(parts)[: MOST_SIGN - len(where)] + where


def place_of(error: BaseException) -> str:
    """Return the innermost module and function of the user's code that raised; no line numbers, which edits change.

    The user's code is what lies in no installed package, and the package that was called first.
    """
    traceback = told_by(error, "__traceback__")
    place, called = None, ""
    for _ in range(MOST_FRAMES):
        if traceback is None:
            break
        frame = traceback.tb_frame
        package = str(frame.f_globals.get("__name__", "?")).partition(".")[0]
        if package != "unbreakable":
            called = called or package
        if not called or package == called or is_users(package, frame.f_code.co_filename):
            place = frame
        traceback = traceback.tb_next
    return "" if place is None else f"{_module_of(place)}.{place.f_code.co_qualname}"


@functools.lru_cache(1_024)
def is_users(package: str, file: str) -> bool:
    """Return whether *file* of *package* is the user's own code: not ours, Python's or an installed package's."""
    foreign = package == "unbreakable" or package in sys.stdlib_module_names or file.startswith("<")
    return not foreign and "site-packages" not in file and "dist-packages" not in file


def _module_of(frame: FrameType) -> str:
    """Return the name of the module, which is the same when it is run as a program."""
    name = str(frame.f_globals.get("__name__", "?"))
    if name not in ("__main__", "__mp_main__"):
        return name
    spec = frame.f_globals.get("__spec__")
    file = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return str(spec.name) if spec is not None else file.removesuffix(".py")
