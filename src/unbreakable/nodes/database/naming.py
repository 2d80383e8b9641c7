"""A function is known again in the next process, by a name that a key was stored with."""

from __future__ import annotations

import functools
import inspect
import sys
from hashlib import blake2s
from types import CodeType
from typing import Any

from unbreakable.fractal.operation import qualified_name
from unbreakable.policies.naming import essence

NAMELESS = "<lambda>"
READER = str(sys.implementation.cache_tag)  # of the bytecode: what another version made of a lambda looks different


def name_of(fn: Any) -> str:
    """Return the name by which *fn* is told from others: of a lambda, what it does is part of that.

    >>> first, second = (lambda tx: tx.first()), (lambda tx: tx.second())
    >>> name_of(first) == name_of(second), name_of(name_of)
    (False, 'name_of')
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = qualified_name(fn)
    code = getattr(inspect.unwrap(fn), "__code__", None)  # of what was decorated, which gave its name to the rest
    if not name.endswith(NAMELESS) or not isinstance(code, CodeType):
        return name
    return f"{name} {READER} {blake2s(essence(code).encode(), digest_size=8).hexdigest()}"


def are_the_same(stored: str, asked: str) -> bool:
    """Return whether two names are one function's, as far as can be told: not for lambdas of two Python versions."""
    one, other = stored.split(), asked.split()
    if one[:1] != other[:1]:
        return False
    return len(one) < 3 or len(other) < 3 or one[1] != other[1] or one[2] == other[2]
