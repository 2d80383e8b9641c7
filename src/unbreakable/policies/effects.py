"""What an operation does to the world, and so what may be done with it twice."""

from __future__ import annotations

import contextlib
import sys
from typing import Literal, TypeAlias, get_args

from unbreakable.errors import Kind, NotSent, UnbreakableError, VerificationFailed, says_nothing, told_by
from unbreakable.outcome import Failure, is_a
from unbreakable.policies.chain import behind, members
from unbreakable.policies.check import refuse
from unbreakable.policies.network import http_status, meaning_of

Effects: TypeAlias = Literal["none", "idempotent", "unknown", "once"]

SAYINGS = (Exception, ValueError, RuntimeError)  # programs speak by them
LIBRARIES = frozenset(
    {
        *("aiohttp", "asyncpg", "boto3", "botocore", "httpx", "httpx2", "pydantic", "pydantic_core"),
        *("psycopg", "psycopg2", "pymongo", "pymysql", "redis", "requests", "sqlalchemy", "unbreakable", "urllib3"),
    }
)
NOT_LOST = (Kind.INVALID, Kind.CREDENTIALS, Kind.THROTTLED, Kind.BUG)  # the target said no, or was not asked
MOST_CAUSES = 20  # that are asked whether they leave a doubt: more is a loop or an accident


def checked(effects: str) -> Effects:
    """Return *effects* if it is one of the four words."""
    if isinstance(effects, str) and effects in get_args(Effects):
        return effects  # type: ignore[return-value]
    raise refuse("effects", f"one of {', '.join(map(repr, get_args(Effects)))}", effects)


def may_run_twice_at_once(effects: Effects) -> bool:
    """Return whether a second copy may be started while the first may still be at work."""
    return effects in ("none", "idempotent")


def never_left(failure: Failure) -> bool:
    """Return whether an attempt that ended in *failure* provably did nothing."""
    return is_unsent(failure.error) and not (is_cut(failure) or failure.acted or failure.doubtful)


def is_cut(failure: Failure) -> bool:
    """Return whether *failure* is a time limit's that ended what nobody knows the end of."""
    clear = told_by(failure.error, "in_doubt") is False or told_by(failure.error, "may_have_arrived") is False
    return failure.cut and not clear


def is_unsent(error: BaseException) -> bool:
    """Return whether *error* itself, and not what it came from, says that the request provably never left."""
    meaning = meaning_of(error)
    if told_by(error, "may_have_arrived") is True or _word_of(error) is True:
        return False
    if meaning is None or not meaning.unsent:
        return is_a(error, NotSent)
    from unbreakable.policies.sent_before import was_sent_before  # hardly any failure asks

    return not was_sent_before(error)


def tell_of_all(failure: Failure, effects: Effects, *, doubtful: bool) -> None:
    """Have the error of *failure*, the last of several attempts, say what is known of all of them.

    Whoever is told of it knows of the last one alone.  That one may never have left, and another have reached its
    target: that is no more of a doubt than the other's own error has left, so what may be repeated after that may be
    after this.  Or its answer was lost, or was a refusal, but it was a look at something; or it is undone.  It is no
    word on what other calls have done, as ``in_doubt`` is that a program sets.
    """
    is_clear = not doubtful and leaves_doubt(failure)
    for error in (failure.error, *members(failure.error)):
        with contextlib.suppress(Exception):  # it may be somebody else's, and hold nothing
            if doubtful and is_unsent(error):
                vars(error).update(may_have_arrived=True)
            elif is_clear or (effects == "none" and _is_refusal(error)):
                vars(error).update(may_have_arrived=False)


def is_unrepeatable(effects: Effects, *, inside: bool) -> bool:
    """Return whether what succeeded must not be done twice: by itself, or for a call *inside* it."""
    return effects == "once" or (inside and not may_run_twice_at_once(effects))


def is_lost(error: BaseException) -> bool:
    """Return whether *error* is an answer that was given in the place of one who may have done the work."""
    status = http_status(error)
    return status is not None and (status >= 500 or status == 408)


def is_accident(error: BaseException) -> bool:
    """Return whether *error* is Python's, ours or a well-known library's, and none by which something is said.

    An answer of 4xx is a word, whoever passes it on, unless it was given to a look; of a group its members are asked.
    What we found out about one call's result is no word on what another one has done.
    """
    if is_a(error, BaseExceptionGroup):
        return any(is_accident(each) for each in members(error) if _word_of(each) is not False)
    if type(error) is VerificationFailed:
        return error.judged is not None
    if type(error) in SAYINGS or (_is_refusal(error) and told_by(error, "may_have_arrived") is not False):
        return False
    module = str(told_by(type(error), "__module__")).partition(".")[0]
    return module in sys.stdlib_module_names or module in LIBRARIES


def _is_refusal(error: BaseException) -> bool:
    """Return whether *error* is an answer by which somebody says no."""
    status = http_status(error)
    return (status is not None and 400 <= status < 500) or told_by(error, "refused") is True


def leaves_doubt(failure: Failure) -> bool:
    """Return whether nobody knows what an attempt that ended in *failure* has done.

    An error that says what it is has the last word; that a call inside is in doubt only ``in_doubt = False`` outweighs.
    An answer of 5xx leaves a doubt: a gateway does not know itself what became of the request.  So does a result that
    nobody could judge; and an accident, such as a KeyError, once a call inside has done something: only a program's own
    error says what that came to.  Of an error that says nothing, a program's own, what it came from is asked: its
    causes, contexts that are not hidden and members.  ``raise … from None`` says that the program has made sure, and so
    do ``in_doubt = False`` and ``refused = True``.
    """
    if failure.doubtful:
        return told_by(failure.error, "in_doubt") is not False
    told = _word_of(failure.error)
    if told is not None:
        return told
    if failure.acted and (is_lost(failure.error) or is_accident(failure.error)):
        return True
    if failure.cut or told_by(failure.error, "may_have_arrived") is False:
        return is_cut(failure)
    if is_lost(failure.error) or told_by(failure.error, "judged") is False:
        return True
    if failure.kind is Kind.UNKNOWN or (failure.kind in NOT_LOST and not _speaks(failure.error)):
        return _came_from_doubt(failure.error)
    meaning = meaning_of(failure.error)
    lost = failure.kind in {Kind.TIMEOUT, Kind.UNREACHABLE} or (meaning is not None and meaning.kind is failure.kind)
    return lost and not never_left(failure)


def _speaks(error: BaseException) -> bool:
    """Return whether *error* says itself what sort it is, and not what it came from or the rules of its target."""
    told = http_status(error) is not None or isinstance(told_by(error, "kind"), Kind)
    return told or is_a(error, (UnbreakableError, OSError, TypeError)) or meaning_of(error) is not None


def _word_of(error: BaseException) -> bool | None:
    """Return whether *error* says itself that there is a doubt, or that there is none; None if it says neither."""
    if says_nothing(error):
        return None
    told = told_by(error, "in_doubt")
    if told is True or told is False:
        return told
    of_a_look = told_by(error, "may_have_arrived") is False
    return False if told_by(error, "refused") is True and not of_a_look else None


def _came_from_doubt(error: BaseException) -> bool:
    asked = [error]
    for each in asked:
        if told_by(each, "may_have_arrived") is False:
            continue
        told, meaning = _word_of(each), meaning_of(each)
        if told is None and (meaning is not None or told_by(each, "may_have_arrived") is True):
            told = not is_unsent(each)
        if told is True or (told is None and is_lost(each)):
            return True
        if told is None and not is_a(each, UnbreakableError) and len(asked) < MOST_CAUSES:
            asked += [other for other in behind(each) if not any(other is known for known in asked)]
    return False


def may_repeat(effects: Effects, failure: Failure) -> bool:
    """Return whether an operation that ended in *failure* may be run again.

    ======== =====================================================================
    none, idempotent   after any failure
    unknown            after a failure that it reported; not when we cut it or it is in doubt: nobody knows what it did
    once               only when the request provably never left (``is_unsent``: NotSent, a refused connection, a name
                       that means no host, a failed handshake, whichever client library tells it), or the target
                       refused it before doing anything, and no call inside has done something
    unknown, once      not when a call inside that must not be made twice has done its work, or may have, whatever was
                       raised
    ======== =====================================================================
    """
    if failure.refused:
        return False  # asking ourselves again changes nothing
    if failure.unrepeatable and effects in ("unknown", "once"):
        return False
    if effects == "once":
        return not failure.acted and (is_unsent(failure.error) or told_by(failure.error, "refused") is True)
    return not (effects == "unknown" and (is_cut(failure) or _word_of(failure.error) is True))
